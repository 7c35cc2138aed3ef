"""Trouble is seen: what is refused, left out, frozen or held shows wherever a person looks, with why and since when.

Kinds of trouble × places: the feed's page of the API, `/readyz`, the doctor, explain.
"""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from proxy.config.settings import Feed, Upstream
from tests.conda_feed.test_one_record import BAD, DROPPED, document
from tests.support.channel import FULL, SHARD_INDEX, FakeChannel
from tests.support.clock import FakeClock
from tests.support.conda_index import zst
from tests.support.conda_packages import bare, replaced
from tests.support.faults import Fault
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

KEY = "admin-key-0123456789"
ADMIN = f"Bearer {KEY}"
LATER_S = 5000.0


async def places(gateway: Gateway, name: str, spec: str) -> Mapping[str, str]:
    """Return what is said of a feed and one of its names, by place."""

    async def told(path: str) -> Any:
        return (await gateway.get(path, Authorization=ADMIN)).json()

    doctor = await told(f"/api/v1/feeds/{name}/doctor")
    explained = await told(f"/api/v1/feeds/{name}/explain?spec={spec}")
    lines: Mapping[str, Sequence[str]] = {
        "notes": (await told(f"/api/v1/feeds/{name}"))["notes"],
        "readyz": (await told("/readyz"))["degraded"],
        "doctor": [each["detail"] for each in doctor["findings"] if each["outcome"] == "warning"],
        "explain": [
            # Where nothing is held, the answer is the problem.
            *explained.get("notes", [explained.get("detail")]),
            *(item["reason"] for item in explained.get("items", ())),
        ],
    }
    return {place: "\n".join(each) for place, each in lines.items()}


async def settled() -> None:
    """Wait until no refresh is under way."""
    while work := [task for task in asyncio.all_tasks() if re.match("refresh |watch owner", task.get_name())]:
        await asyncio.wait(work)


async def looked_at(gateway: Gateway, *names: str) -> None:
    """Ask for pages, and for what they have become by then."""
    for _ in range(2):
        for name in names:
            await gateway.get(f"/pypi/pypi/simple/{name}/")
        await settled()


async def downloaded(gateway: Gateway, name: str) -> int:
    (link,) = (await gateway.get(f"/pypi/pypi/simple/{name}/", Accept=JSON)).json()["files"]
    return (await gateway.get(f"/pypi/pypi/simple/{name}/{link['url']}")).status


async def assert_seen(gateway: Gateway, name: str, spec: str, words: str, *, in_explain: str = "") -> None:
    for place, text in (await places(gateway, name, spec)).items():
        wanted = in_explain or words if place == "explain" else words
        line = next((line for line in text.splitlines() if wanted in line), None)
        assert line is not None, (spec, place, text)
        assert place == "explain" or " since 20" in line or " on 20" in line, (spec, place, line)


# -- PyPI

PYPI: Mapping[str, str] = {
    "left": "1 entry of the page of left is left out: ../left-1.0.zip (",
    "frozen": "the page of frozen stays as it was, for it cannot be refreshed (",
    "refused": "the page of refused is refused (",
    "moved": "moved is held: it belonged to another upstream of this feed",
    "bad": "bad: the origin has quarantined this project: malware",
    "wrong": " sent is wrong, and it is left alone for a while (",
    "swap": "1 file of swap changed at the origin under the same name, such as swap-1.0-py3-none-any.whl",
}


def in_trouble(first: FakeIndex, second: FakeIndex, origin: Origin) -> None:
    good = wheel("left", "1.0")
    first.add(
        good, wheel("frozen", "1.0"), wheel("swap", "1.0"), wheel("moved", "1.0"), wheel("wrong", "1.0")
    )
    first.add(wheel("bad", "1.0"))
    files = [
        {"filename": name, "url": first.file_url(good.filename), "hashes": {"sha256": good.sha256}}
        for name in (good.filename, "../left-1.0.zip")
    ]
    page = {"meta": {"api-version": "1.0"}, "name": "left", "files": files}
    origin.always(
        first.page_path("left"), Fault(status=200, body=json.dumps(page).encode(), content_type=JSON)
    )
    origin.always(first.page_path("refused"), Fault(status=200, body=b"{", content_type=JSON))
    origin.always(first.file_path("wrong-1.0-py3-none-any.whl"), Fault(flip_at=100))


def worsened(first: FakeIndex, second: FakeIndex, origin: Origin) -> None:
    origin.always(first.page_path("frozen"), Fault(status=503))
    first.remove_project("moved")
    second.add(wheel("moved", "2.0"))
    first.quarantine("bad", "malware")
    first.add(wheel("swap", "1.0", payload=99))


async def test_trouble_of_a_package_index_is_seen_everywhere(tmp_path: Path) -> None:
    async with Origin() as origin:
        first, second = FakeIndex(origin, prefix="/a"), FakeIndex(origin, prefix="/b")
        in_trouble(first, second, origin)
        clock = FakeClock()
        open_feed = feed(upstream(first.url, "one"), upstream(second.url, "two"))
        async with Gateway(tmp_path, open_feed, clock=clock, admin_key=KEY) as gateway:
            await looked_at(gateway, *PYPI)
            assert await downloaded(gateway, "swap") == 200
            clock.advance(LATER_S)
            worsened(first, second, origin)
            await looked_at(gateway, *PYPI)
            assert await downloaded(gateway, "wrong") == 502
            for name, words in PYPI.items():
                in_explain = "the page of refused cannot be used" if name == "refused" else ""
                await assert_seen(gateway, "pypi", name, words, in_explain=in_explain)
            # What is well again is told no more.
            origin.heal()
            clock.advance(LATER_S)
            first.add(wheel("moved", "1.0"))
            first.mark("bad", "active")
            await looked_at(gateway, "left", "frozen", "refused", "moved", "bad")
            notes = (await gateway.get("/api/v1/feeds/pypi")).json()["notes"]
            assert [note for note in notes if "swap" not in note] == []


# -- conda

CONDA: Mapping[str, tuple[str, str]] = {
    "bad": (f"1 record of linux-64 cannot be read and is left out: {BAD} (", "its record was left out: "),
    "still": ("osx-64 is as it was on ", "osx-64 is as it was on "),
    "form": (f"win-64/{SHARD_INDEX} is of no use since ", f"win-64/{SHARD_INDEX} is of no use since "),
    "swap": ("1 file of noarch changed under the same name, such as swap-1.0-0.conda", ""),
    "moved": (
        "1 file of noarch is held: moved-1.0-0.conda (owner: moved belonged to another upstream",
        "belonged",
    ),
    "wrong": (" sent is wrong, and it is left alone for a while (", " sent is wrong, and it is left alone"),
}


async def test_trouble_of_a_channel_is_seen_everywhere(tmp_path: Path) -> None:
    """And is not seen by who may not read the feed, nor through a feed that takes from it."""
    async with Origin() as origin:
        first, second = FakeChannel(origin, prefix="/a"), FakeChannel(origin, FULL, prefix="/b")
        wrong, swap = bare("wrong", subdir="noarch"), bare("swap", subdir="noarch")
        first.add(
            wrong,
            swap,
            bare("moved", subdir="noarch"),
            bare("still", subdir="osx-64"),
            bare("form", subdir="win-64"),
        )
        origin.always(first.path("win-64", SHARD_INDEX), Fault(status=501))
        for form in (SHARD_INDEX, "repodata.json"):
            origin.always(first.path("linux-64", form), Fault(status=404))
        bad = zst(document(DROPPED["a list"]))
        origin.always(first.path("linux-64", "repodata.json.zst"), Fault(status=200, body=bad))
        origin.always(f"/a/noarch/{wrong.file}", Fault(flip_at=10))
        clock = FakeClock()
        chan = Feed(
            "chan", "conda", (upstream(first.url, "one"), upstream(second.url, "two")), anonymous=False
        )
        outer = Feed("outer", "conda", (Upstream("outer-1", feed="chan"),))
        async with Gateway(tmp_path, chan, outer, clock=clock, admin_key=KEY) as gateway:

            async def refreshed() -> None:
                for subdir in ("noarch", "linux-64", "osx-64", "win-64"):
                    for _ in range(2):
                        await gateway.get(f"/conda/chan/{subdir}/repodata.json", Authorization=ADMIN)
                        await settled()

            await refreshed()
            assert (await gateway.get(f"/conda/chan/noarch/{swap.file}", Authorization=ADMIN)).status == 200
            clock.advance(LATER_S)
            first.add(replaced(swap, b"other" * 30))
            first.remove("noarch", "moved-1.0-0.conda")
            second.add(bare("moved", subdir="noarch"))
            for form in (SHARD_INDEX, "repodata.json.zst", "repodata.json"):
                origin.always(first.path("osx-64", form), Fault(status=503))
            await refreshed()
            assert (await gateway.get(f"/conda/chan/noarch/{wrong.file}", Authorization=ADMIN)).status == 502
            for name, (words, in_explain) in CONDA.items():
                await assert_seen(gateway, "chan", name, words, in_explain=in_explain or "seen first")
            await gateway.get("/conda/outer/noarch/repodata.json")
            assert (await gateway.get("/api/v1/feeds/chan")).status == 401
            told = (await gateway.get("/readyz")).json()["degraded"]
            assert told == (await gateway.get("/api/v1/feeds/outer")).json()["notes"]
            assert not [line for line in told if "chan" in line or origin.url in line], (
                "a closed feed's are its own"
            )
