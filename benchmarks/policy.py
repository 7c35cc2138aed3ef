"""`python -m benchmarks.policy [RECORDS]`: what judging costs: a whole channel by twenty rules, and one decision.

The channel is that of `benchmarks.channel` (deterministic). Judging runs in a process of its own, so that its time and
its peak of memory are its own; the time is the processor's, because the machine may be shared. Facts are decoded from
records as JSON and verdicts counted by the code that a feed's child runs, and every name is judged.
"""

import gc
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec

from benchmarks.channel.generate import SUBDIR, entries
from benchmarks.policy_pypi import FILES, page
from proxy.conda.block import Block
from proxy.feeds.conda.compose_judge import settled
from proxy.feeds.conda.lineage import Lineage
from proxy.feeds.conda.ruling import Licenses, Place, facts_of_block
from proxy.policy.facts import Facts, License
from proxy.policy.judge import Judge
from proxy.policy.settings import Exemption, Policy

RECORDS = 550_000
MAX_S, MAX_MIB, MAX_DECISION_US = 3.0, 1024, 60.0
NOW = datetime(2026, 11, 20, 12, 7, tzinfo=UTC)

#: Every key that costs something, and twenty things that are looked for.
TWENTY = Policy(
    "twenty",
    platforms=("linux-64", "noarch"),
    python_versions=("3.6", "3.7", "3.11", "3.12"),
    block_licenses=("GPL2", "GPL3", "AGPL-3.0-only", "Proprietary"),
    block=(
        "bzip2",
        "tk",
        "openssl <3",
        "*-devel",
        "sqlite >=3.20,<3.24",
        "vim-like 9.1.0100",
        "numpy 1.14.* *_1",
    ),
    allow=("readline", "gsl >=2"),
    unknown_license="warn",
    min_age_s=7 * 86400,
    prereleases=False,
    yanked="hide",
    max_size_bytes=2 * 1024**3,
    keep_versions=20,
    exemptions=(Exemption("ca-certificates", ("min_age",), date(2027, 1, 31), "roots change"),),
)
PYPI = Policy(
    "pypi", platforms=("linux-64", "noarch"), python_versions=("3.11", "3.12"), block_licenses=("GPL3",),
    block=("django <4", "tk"), min_age_s=7 * 86400, prereleases=False, keep_versions=3,
)  # fmt: skip
PLACE = Place(SUBDIR, Lineage("up", "https://origin.example/chan", has_sights=False))
_NAME = b'"name":"'


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["child"]:
        print(msgspec.json.encode(_judged(Path(arguments[1]))).decode())
        return 0
    if arguments[:1] == ["write"]:
        _write(Path(arguments[1]), int(arguments[2]))
        return 0
    records = int(arguments[0]) if arguments else RECORDS
    with tempfile.TemporaryDirectory(prefix="feedgate-policy-") as folder:
        path = Path(folder, "names.jsonl")
        # In a process too: what the parent has held counts as a child's peak.
        subprocess.run(
            [sys.executable, "-m", "benchmarks.policy", "write", str(path), str(records)], check=True
        )
        found = msgspec.json.decode(
            subprocess.run(
                [sys.executable, "-m", "benchmarks.policy", "child", str(path)],
                check=True,
                stdout=subprocess.PIPE,
            ).stdout
        )
    decisions = {"conda": _conda_decision(), "PyPI": _pypi_decision()}
    print(f"{found['records']} records of {found['names']} names: {found['seconds']:.2f} s of processor "
          f"(of it {found['facts_s']:.2f} to decode; {found['wall_s']:.2f} s by the clock; "
          f"limit {MAX_S:g}), peak {found['mib']} MiB (limit {MAX_MIB})")  # fmt: skip
    print(", ".join(f"{rule} {count}" for rule, count in found["rules"]))
    for kind, us in decisions.items():
        print(f"one decision, uncached, {kind}: {us:.1f} µs (limit {MAX_DECISION_US:g})")
    judged_ms, gate_us = page(PYPI, Judge(PYPI, "pypi").tick_of(NOW))
    print(f"a page of {FILES} PyPI files, judged in a thread: {judged_ms:.0f} ms of processor; "
          f"a decision of the gate after that: {gate_us:.2f} µs")  # fmt: skip
    is_within = found["seconds"] <= MAX_S and found["mib"] <= MAX_MIB
    return 0 if is_within and max(decisions.values()) <= MAX_DECISION_US else 1


# -- a channel -------------------------------------------------------------------------------------------------


def _write(path: Path, records: int) -> None:
    """Write the channel, one name a line, as the members of its JSON."""
    names: dict[str, list[bytes]] = {}
    for _, file, record in entries(records):
        # Defective records never reach a policy: taking them in mends or drops them.
        if not str(record.get("name") or "dropped-").startswith(("mended-", "sound-", "dropped-")):
            member = b'"%b":%b' % (file.encode(), msgspec.json.encode(record))
            names.setdefault(str(record.get("name", "")), []).append(member)
    with path.open("wb") as out:
        for members in names.values():
            out.write(b",".join(members) + b"\n")


def _block(line: bytes) -> Block:
    """Return a name as a generation has it."""
    at = line.index(_NAME) + len(_NAME)
    return Block(line[at : line.index(b'"', at)].decode().lower(), conda=line)


def _judged(path: Path) -> dict[str, object]:
    gc.disable()  # as every child does
    started, wall = time.process_time(), time.perf_counter()
    judge, rules = Judge(TWENTY, "conda"), Counter[str]()
    tick, names, count = judge.tick_of(NOW), 0, 0
    licenses: Licenses = {}
    with path.open("rb") as lines:
        for line in lines:
            facts = facts_of_block(_block(line), PLACE, None, licenses)
            _, counts = settled(judge.judge(facts[0].name, facts, tick))
            names, count = names + 1, count + len(facts)
            rules.update(counts)
    seconds, wall = time.process_time() - started, time.perf_counter() - wall
    started = time.process_time()
    with path.open("rb") as lines:
        for line in lines:
            facts_of_block(_block(line), PLACE, None, licenses)
    return {
        "records": count, "names": names, "facts_s": time.process_time() - started, "seconds": seconds, "wall_s": wall,
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "rules": rules.most_common(),
    }  # fmt: skip


# -- one decision ----------------------------------------------------------------------------------------------


def _conda_decision() -> float:
    judge = Judge(TWENTY, "conda")
    return _decision(judge, lambda n: Facts(
        file=f"openssl-3.{n}.1-h{n}_0.conda", name="openssl", version=f"3.{n}.1", subdir="linux-64", build=f"h{n}_0",
        depends=["ca-certificates", "libgcc >=13"], license=License("Apache-2.0", "Apache"), size=n + 1,
        uploaded_ms=1_700_000_000_000, is_initial=True,
    ))  # fmt: skip


def _pypi_decision() -> float:
    judge = Judge(PYPI, "pypi")
    return _decision(judge, lambda n: Facts(
        file=f"django-4.{n}-cp311-cp311-manylinux_2_17_x86_64.whl", name="django", version=f"4.{n}",
        requires_python=">=3.8", license=License(expression="BSD-3-Clause"), uploaded_ms=1_700_000_000_000,
        is_initial=True,
    ))  # fmt: skip


def _decision(judge: Judge, facts: Callable[[int], Facts]) -> float:
    """Return the microseconds of one decision on a file that nothing is remembered of."""
    files = [facts(number) for number in range(2000)]
    tick = judge.tick_of(NOW)
    judge.judge(files[0].name, files[:1], tick)  # imports and the texts that all files share
    started = time.process_time()
    for each in files[1:]:
        judge.judge(each.name, (each,), tick)
    return (time.process_time() - started) / (len(files) - 1) * 1e6


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
