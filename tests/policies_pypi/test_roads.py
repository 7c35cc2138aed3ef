"""By no road does anything download that the index forms do not list (cases D01 to D04, D09, D15).

The bypasses of peers that the catalogue lists (section 0, item 9) are here: an HTML page unfiltered while JSON was
filtered, another spelling of the coordinates, HEAD and Range around the gate, a cached copy exempt.
"""

from pathlib import Path
from typing import Any

import pytest

from proxy.policy.settings import Policy
from tests.policies_pypi.roads import ROADS, Road, agreed, assert_refused, by_html, by_json, place
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import HTML, HTML_ONLY, JSON, PLAIN, FakeIndex, Shape
from tests.support.origin import Origin
from tests.support.wheels import sdist, wheel

OLD, NEW = "demo-1.0-py3-none-any.whl", "demo-2.0-py3-none-any.whl"
OLD_SDIST = "demo-1.0.tar.gz"
BLOCKED = Policy("strict", block=("demo <2", "evil"))


def filled(index: FakeIndex) -> None:
    index.add(wheel("demo", "1.0"), sdist("demo", "1.0"), wheel("demo", "2.0"), wheel("evil", "1.0"))
    index.file(OLD).provenance = "https://origin.invalid/attestations"


@pytest.mark.parametrize("shape", [Shape(), HTML_ONLY, PLAIN], ids=["public", "html", "plain"])
async def test_what_is_blocked_is_in_no_form_and_on_no_road(
    origin: Origin, tmp_path: Path, shape: Shape
) -> None:
    index = FakeIndex(origin, shape)
    filled(index)
    settings = feed(upstream(index.url), policy="strict")
    async with Gateway(tmp_path, settings, policies=[BLOCKED]) as gateway:
        assert await agreed(gateway, index, "demo") == {NEW}
        assert await agreed(gateway, index, "evil") == set()
        assert origin.hits(index.file_path(OLD)) == 0
        assert origin.hits(index.file_path(OLD) + ".metadata") == 0


async def test_a_cached_file_is_refused_on_every_road_as_soon_as_it_is_blocked(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    filled(index)
    settings = feed(upstream(index.url), policy="strict")
    async with Gateway(tmp_path, settings, policies=[Policy("strict")]) as gateway:
        assert await agreed(gateway, index, "demo") == {OLD, OLD_SDIST, NEW}
        asked = len(origin.requests)
        gateway.reload(policies=[BLOCKED])
        for filename in (OLD, OLD_SDIST):
            for road in ROADS:
                got = await road.ask(gateway, place(index, filename))
                assert_refused(got, road.name)
        assert await agreed(gateway, index, "demo") == {NEW}
        assert len(origin.requests) == asked
        gateway.reload(policies=[Policy("strict")])
        got = await gateway.get(place(index, OLD))
        assert got.status == 200, got.body


async def test_the_refusal_says_who_and_why_and_neither_size_nor_digest(
    tmp_path: Path, index: FakeIndex
) -> None:
    filled(index)
    settings = feed(upstream(index.url), policy="strict")
    async with Gateway(tmp_path, settings, policies=[BLOCKED]) as gateway:
        for suffix in ("", ".metadata"):
            got = await gateway.get(place(index, OLD) + suffix)
            told = got.json()
            assert (got.status, told["type"]) == (403, "urn:feedgate:blocked")
            assert (told["policy"], told["rule"], told["artifact"]) == ("strict", "block", OLD)
            assert "demo <2" in told["detail"]
            assert told["explain"].endswith(f"/feeds/pypi/explain?artifact={OLD}")
            assert index.file(OLD).sha256.encode() not in got.body
        attested = await gateway.get(f"/pypi/pypi/integrity/demo/1.0/{OLD}/provenance")
        assert (attested.status, attested.json()["rule"]) == (403, "block")


@pytest.mark.parametrize(
    "spelled",
    [
        "/pypi/pypi/packages/packages/{0}/{1}/{2}/%64emo-1.0-py3-none-any.whl",
        "/pypi/pypi/packages/packages/{0}/{1}/{2}/DEMO-1.0-py3-none-any.whl",
        "/pypi/pypi/packages/packages/{0}/{1}/{2}/demo-1.0.0-py3-none-any.whl",
        "/pypi/pypi/packages/packages/{0}/{1}/{2}/demo-1.0-py3-none-any.whl/",
        "/pypi/pypi/packages/packages/{0}/{1}//{2}/demo-1.0-py3-none-any.whl",
        "/pypi/pypi/packages/packages/{0}/{1}/{2}/./demo-1.0-py3-none-any.whl",
        "/pypi/pypi/packages/packages/{0}/{1}/{2}/x/../demo-1.0-py3-none-any.whl",
        "/pypi/pypi/packages/packages/{0}/{1}/{2}%2Fdemo-1.0-py3-none-any.whl",
        "/pypi/pypi/packages/packages/{0}/{1}/{2}/demo-1.0-py3-none-any.whl;x",
        "/pypi/pypi/packages/packages/{0}/{1}/{2}/demo-1.0-py3-none-any.whl%00",
        "/pypi/pypi/files/{sha256}/demo-1.0-py3-none-any.whl",
        "/pypi/pypi/files/{sha256}/demo-2.0-py3-none-any.whl",
        "/pypi/pypi/packages/packages/{0}/{1}/{2}/demo-2.0-py3-none-any.whl",
    ],
)
async def test_no_spelling_leads_to_a_blocked_file_that_is_cached(
    tmp_path: Path, index: FakeIndex, spelled: str
) -> None:
    filled(index)
    settings = feed(upstream(index.url), policy="strict")
    async with Gateway(tmp_path, settings, policies=[Policy("strict")]) as gateway:
        assert (await gateway.get(place(index, OLD))).status == 200
        gateway.reload(policies=[BLOCKED])
        blake = index.file(OLD).built.blake2b
        path = spelled.format(blake[:2], blake[2:4], blake[4:], sha256=index.file(OLD).sha256)
        for road in (Road("get"), Road("head", "HEAD"), Road("range", headers={"Range": "bytes=0-9"})):
            got = await road.ask(gateway, path)
            assert got.status in (400, 403, 404), (path, got.status)
            assert index.file(OLD).built.data[:10] not in got.body


@pytest.mark.parametrize("spelled", ["Demo", "DEMO", "demo"])
async def test_a_page_in_another_spelling_lists_the_same(
    tmp_path: Path, index: FakeIndex, spelled: str
) -> None:
    filled(index)
    settings = feed(upstream(index.url), policy="strict")
    async with Gateway(tmp_path, settings, policies=[BLOCKED]) as gateway:
        got = await gateway.get(f"/pypi/pypi/simple/{spelled}/", Accept=JSON)
        if got.status == 301:
            got = await gateway.get(
                f"/pypi/pypi/simple/{spelled}/../demo/".replace(f"{spelled}/../", ""), Accept=JSON
            )
        assert [file["filename"] for file in got.json()["files"]] == [NEW]
        assert got.json()["versions"] == ["2.0"]
        told = await gateway.get(f"/pypi/pypi/pypi/{spelled}/json")
        assert set(told.json()["releases"]) == {"2.0"}
        assert (await gateway.get(f"/pypi/pypi/pypi/{spelled}/1.0/json")).status == 404


async def test_an_address_from_a_lock_file_is_refused_without_a_page_having_been_asked_for(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    filled(index)
    settings = feed(upstream(index.url), policy="strict", aliases=("main",))
    async with Gateway(tmp_path, settings, policies=[BLOCKED]) as gateway:
        for name in ("pypi", "main"):
            assert (await gateway.get(place(index, OLD, name))).json()["rule"] == "block"
        assert (await gateway.get(place(index, NEW))).status == 200
        await gateway.restart()
        assert (await gateway.get(place(index, OLD))).json()["rule"] == "block"
        assert origin.hits(index.file_path(OLD)) == 0


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (f"{JSON};q=0, {HTML}", HTML),
        (f"{HTML};q=0, text/html;q=0, {JSON};q=0.1", JSON),
        (f"{JSON};q=0.2, {HTML};q=0.9", HTML),
        ("*/*", "text/html"),
        ("text/html;q=0.01", "text/html"),
        (f"{JSON}, */*;q=0", JSON),
    ],
)
@pytest.mark.parametrize("encoding", ["", "gzip;q=0", "identity", "br, zstd, gzip"])
async def test_weights_choose_a_form_and_never_what_is_listed(
    tmp_path: Path, index: FakeIndex, accept: str, content_type: str, encoding: str
) -> None:
    filled(index)
    settings = feed(upstream(index.url), policy="strict")
    async with Gateway(tmp_path, settings, policies=[BLOCKED]) as gateway:
        fields: dict[str, Any] = {"Accept_Encoding": encoding} if encoding else {}
        got = await gateway.get("/pypi/pypi/simple/demo/", Accept=accept, **fields)
        assert got.status == 200
        assert got.headers["content-type"].startswith(content_type)
        assert "accept" in got.headers["vary"].lower()
        assert await by_json(gateway, "demo") == await by_html(gateway, "demo") != set()
        assert OLD.encode() not in got.body


async def test_both_forms_have_a_tag_of_their_own_that_changes_with_the_policy(
    tmp_path: Path, index: FakeIndex
) -> None:
    filled(index)
    settings = feed(upstream(index.url), policy="strict")
    async with Gateway(tmp_path, settings, policies=[Policy("strict")]) as gateway:
        page = "/pypi/pypi/simple/demo/"
        tags = {form: (await gateway.get(page, Accept=form)).headers["etag"] for form in (JSON, HTML)}
        gateway.reload(policies=[BLOCKED])
        for form, tag in tags.items():
            got = await gateway.get(page, Accept=form, If_None_Match=tag)
            assert got.status == 200
            assert OLD.encode() not in got.body
