"""The doctor judges an index with its intake's own reader, in its words, and whole (C7)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from proxy.config.settings import Feed
from tests.conda_feed.test_one_record import BAD, DROPPED, ENDS, MENDED, document
from tests.support.conda_index import zst
from tests.support.gateway import Gateway, feed, upstream
from tests.support.origin import Origin

KEY = "admin-key-0123456789"
#: What stands behind the 64 KiB that once were all that was looked at.
FAR = document(end=b',"info":{"x":"' + b"x" * 100_000 + b'"}')
WELL: Mapping[str, tuple[bytes, str]] = {
    "removed is a map": (document(end=ENDS["removed is a map"]), "it is an index of 1 record"),
    "a key that stands twice": (document(MENDED["a key that stands twice"]), "it is an index of 2 records"),
    "an escape in a key": (document(MENDED["an escape in its key"]), "it is an index of 2 records"),
    "a bad record": (
        document(DROPPED["a list"], late=True),
        f"it is an index of 2 records, with 1 record left out, such as {BAD} (",
    ),
    "an empty channel": (b"{}", "it is an index of 0 records"),
}
REFUSED: Mapping[str, tuple[bytes, str]] = {
    "half a document": (FAR[:90_000], "not an index of noarch: not the JSON of an index: "),
    "another document": (
        b'{"message": "try later"}',
        "not an index of noarch: it has none of the keys of an index",
    ),
    "sections that are texts": (b'{"info": {}, "packages": "none"}', "not an index of noarch: "),
}


async def looked(gateway: Gateway, name: str) -> tuple[bool, dict[str, Any]]:
    """Return whether all is well, and the findings by hop, the last of each."""
    answer = await gateway.get(f"/api/v1/feeds/{name}/doctor", Authorization=f"Bearer {KEY}")
    told = answer.json()
    return told["ok"], {each["name"].rpartition(", ")[2]: each for each in told["findings"]}


async def test_a_channel_is_read_as_its_intake_reads_it(tmp_path: Path) -> None:
    async with Origin() as origin:
        chan = Feed("chan", "conda", (upstream(f"{origin.url}/chan/"),))
        async with Gateway(tmp_path, chan, admin_key=KEY) as gateway:
            for kind, (body, words) in {**WELL, **REFUSED}.items():
                origin.add("/chan/noarch/repodata.json.zst", zst(body))
                is_well, found = await looked(gateway, "chan")
                content = found["content"]
                assert is_well is (kind in WELL), (kind, content)
                assert content["detail"].startswith(f"noarch/repodata.json.zst: {words}"), (kind, content)
                assert content["outcome"] == ("ok" if kind in WELL else "failed"), kind
            origin.add("/chan/noarch/repodata.json", document())
            is_well, found = await looked(gateway, "chan")
            assert (is_well, found["content"]["outcome"]) == (True, "warning")
            assert "the next form is read in its place" in found["content"]["detail"]


async def test_every_subdir_that_the_settings_name_is_read(tmp_path: Path) -> None:
    async with Origin() as origin:
        origin.add("/chan/noarch/repodata.json", document())
        origin.add("/chan/linux-64/repodata.json", json.dumps({"message": "x"}).encode())
        chan = Feed("chan", "conda", (upstream(f"{origin.url}/chan/"),), subdirs=("linux-64", "osx-64"))
        async with Gateway(tmp_path, chan, admin_key=KEY) as gateway:
            is_well, found = await looked(gateway, "chan")
            assert (is_well, found["content"]["outcome"]) == (False, "failed")
            assert found["content"]["detail"].startswith("linux-64/repodata.json: not an index of linux-64: ")
            assert "the channel has no osx-64" in found["origin"]["detail"]


LISTS: Mapping[str, tuple[str, bytes, str | None]] = {
    "a list": ("text/html", b"<html><body><a href='demo/'>demo</a></body></html>", None),
    "a list in JSON": ("application/vnd.pypi.simple.v1+json", b'{"meta":{},"projects":[{"name":"a"}]}', None),
    "half of one": (
        "application/vnd.pypi.simple.v1+json",
        b'{"meta":{},"projects":[' + b'{"name":"abc"},' * 10_000,
        "not a list of names: ",
    ),
    "an unknown type": (
        "application/x-other",
        b"<a href='demo/'>demo</a>",
        "not a list of names: content type ",
    ),
}


@pytest.mark.parametrize("kind", LISTS)
async def test_a_package_index_is_read_as_its_intake_reads_it(tmp_path: Path, kind: str) -> None:
    content_type, body, words = LISTS[kind]
    async with Origin() as origin:
        origin.add("/simple/", body, content_type=content_type)
        async with Gateway(tmp_path, feed(upstream(f"{origin.url}/simple/")), admin_key=KEY) as gateway:
            is_well, found = await looked(gateway, "pypi")
            assert is_well is (words is None), found["content"]
            assert found["content"]["detail"].startswith(words or "it is an index of ")
