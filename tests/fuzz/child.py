"""Readers tried in this process, with little CPU time and memory.

`python -m tests.fuzz.child FILE CPU_S EXAMPLES TIMES READER…`

First every family in every frame at N and at 2N, which must cost about twice as much at the most; then random texts.
The text that is being read stands in FILE, for whoever finds this process dead.
"""

import contextlib
import resource
import sys
import time
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.families import FAMILIES, PIECES
from tests.fuzz.targets import MARK, TARGETS, Target

MEMORY_BYTES = 2 * 1024**3
#: Below this a cost is noise.
_FLOOR_S = 0.02
_FACTOR = 3.0
_MOST_TRIES = 4
#: So much one text may cost, however it is made; a reader of large documents needs some of it.
_MOST_S = 3.0


def main() -> int:
    file, names = Path(sys.argv[1]), sys.argv[5:]
    cpu_s, examples, times = map(int, sys.argv[2:5])
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    has_faults = False
    for name in names:
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()
        trial = Trial(TARGETS[name], file)
        trial.grow(times)
        has_faults |= bool(trial.faults)
        sys.stdout.writelines(f"  {fault}\n" for fault in trial.faults)
        trial.read_random(examples)
    return int(has_faults)


class Trial:
    """One reader being tried."""

    def __init__(self, target: Target, file: Path) -> None:
        self.target = target
        self.faults: list[str] = []
        self._file = file

    def grow(self, times: int) -> None:
        """Read every family in every frame at N and at 2N, N being that many times the reader's size."""
        for frame in self.target.frames:
            for family, make in FAMILIES.items():
                once, twice = (frame.replace(MARK, make(n * self.target.size)) for n in (times, 2 * times))
                try:
                    self._compare(f"{family} in {frame[:60]!a}", once, twice)
                except Exception as err:  # noqa: BLE001 - anything but a refusal is a fault to be shown
                    self.faults.append(
                        f"{family} in {frame[:60]!a}: {type(err).__name__}: {str(err)[:300]!a}"
                    )

    def read_random(self, examples: int) -> None:
        """Read random texts; raises with the text for which the reader does more than refuse."""
        pieces = st.lists(
            st.one_of(st.sampled_from(PIECES), st.text(max_size=4), st.sampled_from(self.target.seeds))
        )
        texts = st.one_of(pieces.map("".join), damaged(self.target.seeds))
        frames = st.sampled_from((MARK, *self.target.frames))

        @settings(
            max_examples=examples, deadline=None, database=None, derandomize=True,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(frames, texts)
        def read(frame: str, text: str) -> None:
            self._read(frame.replace(MARK, text))

        read()

    def _compare(self, what: str, once: str, twice: str) -> None:
        first, second = self._cost(once), self._cost(twice)
        tries = 0
        # Below the floor one reading is enough; else the best of several, as something may have come in between.
        while second > _FACTOR * _FLOOR_S and (tries < 2 or second > _FACTOR * first) and tries < _MOST_TRIES:
            first, second = min(first, self._cost(once)), min(second, self._cost(twice))
            tries += 1
        if second > _FACTOR * max(first, _FLOOR_S):
            self.faults.append(
                f"{what}: {first:.3f} s for {len(once)}, {second:.3f} s for {len(twice)} characters"
            )
        if second > _MOST_S:
            self.faults.append(f"{what}: {second:.3f} s for {len(twice)} characters")

    def _cost(self, text: str) -> float:
        started = time.process_time()
        self._read(text)
        return time.process_time() - started

    def _read(self, text: str) -> None:
        self._file.write_bytes(text[:4000].encode("utf-8", "surrogatepass"))
        with contextlib.suppress(*self.target.refusals):
            self.target.read(text)


@st.composite
def damaged(draw: st.DrawFn, seeds: tuple[str, ...]) -> str:
    """Return an honest text of which a part is left out, repeated or replaced."""
    seed = draw(st.sampled_from(seeds))
    start = draw(st.integers(0, len(seed)))
    stop = draw(st.integers(start, len(seed)))
    middle = draw(
        st.one_of(st.just(seed[start:stop] * 3), st.sampled_from(PIECES), st.text(max_size=3), st.just(""))
    )
    return seed[:start] + middle + seed[stop:]


if __name__ == "__main__":
    sys.exit(main())
