"""The pages that explain to a person: what they say, to whom, and that no client gets them (P17)."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.config.settings import Feed, Upstream
from proxy.policy.settings import Policy
from tests.faults.turned_clock import TurnedClock
from tests.support.channel import FakeChannel
from tests.support.conda_packages import bare
from tests.support.gateway import Gateway, Got, eventually, feed, upstream
from tests.support.index import HTML, JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel
from tests.web.test_accept import BROWSERS, PIP, POETRY, UV

BROWSER = BROWSERS[0]
KEY = "admin-key-0123456789"
#: A policy whose words would be markup if anybody took them for it.
POLICY = Policy("corp", block=("evil", "part <2", "tool <2"), min_age_s=7 * 86400)


class Stand:
    """A server with open, curated and closed feeds, one for all tests of a kind."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.index, self.channel, self.clock = FakeIndex(origin), FakeChannel(origin), TurnedClock()
        young = self.clock.now() - timedelta(days=1)
        self.index.add(
            wheel("evil", "1.0"), wheel("part", "1.0"), wheel("part", "2.0"), wheel("whole", "1.0")
        )
        self.index.add(wheel("young", "1.0"), uploaded_at=young)
        self.channel.add(bare("tool", "1.0"), bare("tool", "2.0"))
        self.gateway: Gateway

    def feeds(self) -> list[Feed]:
        up = upstream(self.index.url)
        return [
            feed(up, policy="corp", contact="mailto:desk@corp.example?subject=a&body=b", aliases=("py",)),
            feed(name="cur", curated_from=("pypi",), contact="https://desk.example/ask"),
            feed(upstream(self.index.url, "other"), name="closed", anonymous=False, policy="corp"),
            feed(replace(up, id="deep"), name="secret", anonymous=False, policy="inner"),
            feed(Upstream("outer-of", feed="secret"), name="outer"),
            Feed(
                "chan", "conda", (upstream(self.channel.url, "chan"),), policy="corp", subdirs=("linux-64",)
            ),
        ]

    def asked(self) -> list[str]:
        """Return what the index was asked; the channel is asked for its noarch without anybody asking here."""
        return [
            seen.target
            for seen in self.origin.requests
            if "/simple/" in seen.target or "/pypi/" in seen.target
        ]

    async def get(self, path: str, accept: str = BROWSER, key: str | None = None) -> Got:
        if key is None:
            return await self.gateway.get(path, Accept=accept)
        return await self.gateway.get(path, Accept=accept, Authorization=f"Bearer {key}")


@pytest.fixture
async def stand(tmp_path: Path, origin: Origin) -> AsyncIterator[Stand]:
    made = Stand(origin)
    policies = [POLICY, Policy("inner", block=("part",))]
    made.gateway = Gateway(
        tmp_path, *made.feeds(), clock=made.clock, admin_key=KEY, policies=policies, path_prefix="/gate"
    )
    async with made.gateway:
        yield made


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


class _Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, got: Got) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(got.body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


def page(got: Got, status: int = 200) -> _Page:
    """Return an answer that has to be a page, harmless and for whoever prefers one."""
    assert (got.status, got.headers["content-type"]) == (status, "text/html; charset=utf-8"), got.body
    policy = got.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert got.headers["vary"] == "Accept"
    read = _Page(got)
    assert not read.tags & {"script", "form", "img", "iframe", "link"}
    return read


async def test_a_browser_reads_why_and_every_client_gets_what_it_got(stand: Stand) -> None:
    simple = "/pypi/pypi/simple"
    for name, word in (("evil", "blocked"), ("young", "held"), ("part", None), ("whole", None)):
        for accept in (PIP, UV, POETRY, HTML, "text/html", "*/*"):
            got = await stand.get(f"{simple}/{name}/", accept)
            if word is None:
                assert got.status == 200
                assert b"<table>" not in got.body
            else:
                assert (got.status, got.json()["type"]) == (404, f"urn:feedgate:{word}")
                assert got.headers["content-type"] == "application/problem+json"
    stand.origin.forget()
    evil, young = (
        page(await stand.get(f"{simple}/evil/"), 404),
        page(await stand.get(f"{simple}/young/"), 404),
    )
    part = page(await stand.get(f"{simple}/part/"))
    assert "evil is blocked by the rule block of the policy corp" in evil.text
    assert re.search(
        r"held by the rule min_age of the policy corp until \d{4}-\d\d-\d\d \d\d:\d\d UTC", young.text
    )
    assert "1 file is shown, 1 file hidden." in part.text
    assert '"part <2" is on the list' in part.text
    assert part.links == [
        "mailto:desk@corp.example?subject=a&body=b",
        "?format=application/vnd.pypi.simple.v1%2Bhtml",
    ]
    assert stand.asked() == [], "what is held explains; nobody is asked"
    index = await stand.get(f"{simple}/part/{part.links[1]}")
    assert index.headers["content-type"] == "application/vnd.pypi.simple.v1+html"
    whole = await stand.get(f"{simple}/whole/")
    assert b"whole-1.0-py3-none-any.whl</a>" in whole.body, "nothing hidden: the index itself"
    curated = page(await stand.get("/pypi/cur/simple/part/"), 404)
    assert "part is not there (not-approved)" in curated.text
    assert curated.links == ["https://desk.example/ask"]


async def test_a_project_that_nobody_asked_for_is_explained_by_its_index_and_not_by_why(stand: Stand) -> None:
    assert "nothing of this name is known here" in page(await stand.get("/why/pypi/part")).text
    assert stand.asked() == []
    assert "1 file is shown, 1 file hidden." in page(await stand.get("/pypi/pypi/simple/part/")).text
    assert "1 file is shown, 1 file hidden." in page(await stand.get("/why/pypi/part")).text


async def test_why_explains_names_and_files_of_both_kinds_and_asks_no_origin(stand: Stand) -> None:
    await stand.get("/pypi/pypi/simple/part/", PIP)
    await eventually(lambda: stand.get("/conda/chan/linux-64/repodata.json", "*/*"))
    await stand.origin.off()
    stand.clock.advance(3600)
    stand.origin.forget()
    asked = (
        "pypi/part",
        "py/Part",
        "pypi/part-1.0-py3-none-any.whl",
        "chan/tool",
        "chan/tool-1.0-0.conda",
    )
    for path in asked:
        for accept in (BROWSER, "*/*"):
            told = page(await stand.get(f"/why/{path}", accept))
            assert "blocked by the rule block of the policy corp" in told.text, path
    assert "evil is blocked" in page(await stand.get("/why/pypi/evil")).text
    assert "is not there" in page(await stand.get("/why/chan/nope")).text
    items = (await stand.get("/why/pypi/part", "application/json")).json()["items"]
    assert [(item["artifact"], item["outcome"]) for item in items] == [
        ("part-1.0-py3-none-any.whl", "block"), ("part-2.0-py3-none-any.whl", "allow"),
    ]  # fmt: skip
    more = page(await stand.get("/why/pypi/part?limit=1"))
    assert "2.0" not in more.text.replace("part <2", "")
    assert "part-2.0" in page(await stand.get(f"/why/pypi/part{more.links[0]}")).text
    for bad in (
        "/why/pypi/%2B",
        "/why/pypi/..%2Fx",
        "/why/pypi/" + "x" * 600,
        "/why/pypi/a%0Ab",
        "/why/pypi/",
    ):
        got = await stand.get(bad)
        assert got.status in (400, 404), bad
    assert stand.origin.requests == []


async def test_explain_is_a_page_for_a_browser_and_says_so_to_caches(stand: Stand) -> None:
    refused = await stand.get(
        f"/pypi/pypi/packages{stand.index.file_path('part-1.0-py3-none-any.whl')}", "*/*"
    )
    title = refused.json()["title"]
    assert (refused.status, refused.reason) == (403, title)
    assert title.startswith('Blocked by policy (block): "part <2" is on the list')
    where = title.rpartition("; see ")[2]
    assert where == f"{stand.gateway.url}/why/pypi/part"
    assert "blocked by the rule block" in page(await stand.get(where.removeprefix(stand.gateway.url))).text
    path = refused.json()["explain"].removeprefix("/gate")
    for accept in (BROWSER, "text/html"):
        told = page(await stand.get(path, accept))
        assert "part-1.0-py3-none-any.whl is blocked by the rule block of the policy corp" in told.text
    for accept in ("*/*", JSON, "application/json"):
        plain = await stand.get(path, accept)
        assert plain.json()["items"][0]["outcome"] == "block"
        assert plain.headers["vary"] == "Accept"


async def test_a_closed_feed_stays_closed_and_no_other_feed_is_named(stand: Stand) -> None:
    made = await stand.gateway.get(
        "/api/v1/keys", method="POST", Authorization=f"Bearer {KEY}", Content_Type="application/json",
        body=orjson.dumps({"name": "a", "grants": [{"feed": "closed", "rights": ["read"]}]}),
    )  # fmt: skip
    key = made.json()["value"]
    for path in ("/why/closed/evil", "/why/nobody/evil"):
        got = await stand.get(path)
        assert (got.status, got.headers["www-authenticate"][:5]) == (401, "Basic")
    assert page(await stand.get("/why/closed/evil", key=key)).text
    assert (await stand.get("/why/secret/part", key=key)).status == 404
    keyed = page(await stand.get(f"/t/{key}/why/closed/evil"))
    assert key not in keyed.text + "".join(keyed.links)
    assert (await stand.get("/t/wrong-key-0/why/closed/evil")).status == 401
    await stand.get("/pypi/outer/simple/part/", PIP)
    for path in ("/why/outer/part", "/pypi/outer/simple/part/"):
        got = await stand.get(path)
        assert "blocked by the rule block" in page(got, 200 if "why" in path else 404).text
        assert b"secret" not in got.body
        assert b"inner" not in got.body
    phrase = (await stand.get("/pypi/outer/simple/part/", PIP)).reason
    assert phrase.endswith("/why/outer/part")
    assert "inner" not in phrase


async def test_what_comes_from_outside_is_text_and_stays_on_its_line(stand: Stand) -> None:
    stand.index.add(wheel("bad", "1.0"))
    stand.index.quarantine("bad", "<script>alert(1)</script>\r\nX-Evil: 1\u202e\u00e9" + "x" * 5000)
    path = f"/pypi/pypi/packages{stand.index.file_path('bad-1.0-py3-none-any.whl')}"
    got = await stand.get(path, "*/*")
    assert got.status == 403
    assert "x-evil" not in got.headers
    assert got.reason.startswith("Quarantined at the origin (quarantine): ")
    assert got.reason.endswith("/why/pypi/bad")
    assert got.reason.isascii()
    assert len(got.reason) < 900
    told = page(await stand.get("/why/pypi/bad"))
    assert "<script>alert(1)</script> X-Evil: 1\\u202e\u00e9" in told.text
    assert page(await stand.get("/pypi/pypi/simple/bad/")).text, "quarantine has a page (PEP 792)"


async def test_the_addresses_are_named_where_people_look(stand: Stand) -> None:
    front = _Page(await stand.get("/")).text
    snippets: dict[str, Any] = (await stand.get("/api/v1/feeds/pypi/snippets", "*/*")).json()
    why, simple = f"{stand.gateway.url}/why/pypi/PACKAGE", f"{stand.gateway.url}/pypi/pypi/simple/PACKAGE/"
    for text in (front, snippets["why"], *(item["text"] for item in snippets["items"])):
        assert why in text
        assert simple in text
    assert f"{stand.gateway.url}/why/chan/PACKAGE" in front
