"""`promote`, `approvals`, `revoke`: with a server that runs and without one, for people and for programs."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from typer.testing import Result

from proxy.config.settings import Feed
from tests.cli.calling import Place
from tests.support.faults import Fault
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import sdist, wheel

pytestmark = pytest.mark.usefixtures("begun")

DEMO = "demo-2.0-py3-none-any.whl"
LEAF = "leaf-1.0-py3-none-any.whl"
FEEDS = """
[feeds.open]
kind = "pypi"
upstreams = [{{ url = "{index}", allow_private = true, route = "direct", retries = 0 }}]
[feeds.approved]
kind = "pypi"
curated_from = ["open"]
"""
KEY = "reviewer-key-0123456789"
CLOSURE = ("--with-dependencies", "--platform", "linux-64", "--python", "3.12")


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


@pytest.fixture
def index(origin: Origin, place: Place) -> FakeIndex:
    made = FakeIndex(origin)
    made.add(wheel("demo", "1.0"), sdist("demo", "1.0"), wheel("demo", "2.0", requires=["leaf"]))
    made.add(wheel("leaf", "1.0"))
    place.write(FEEDS.format(index=made.url))
    return made


async def call(place: Place, *words: str) -> Result:
    """Run the words while the origin serves."""
    return await asyncio.to_thread(place.call, *words)


async def read(place: Place, *words: str, status: int = 0) -> Any:
    result = await call(place, *words, "--json")
    assert (result.exit_code, result.stderr) == (status, ""), result.output
    return json.loads(result.stdout)


async def test_what_is_promoted_is_approved_and_its_bytes_are_waited_for(
    place: Place, index: FakeIndex
) -> None:
    document = await read(place, "promote", "approved", "demo", *CLOSURE, "--comment", "for the team")
    assert {item["artifact"]: item["why"] for item in document["artifacts"]} == {
        DEMO: "requested",
        LEAF: "needed by demo",
    }
    items = (await read(place, "approvals", "approved"))["items"]
    assert {item["artifact"]: item["bytes"] for item in items} == {DEMO: "held", LEAF: "held"}
    assert {item["actor"] for item in items} == {"local command"}


async def test_people_see_a_table_and_how_many(place: Place, index: FakeIndex) -> None:
    result = await call(place, "promote", "approved", "demo", *CLOSURE)
    assert result.exit_code == 0, result.output
    assert DEMO in result.stdout and "needed by demo" in result.stdout
    assert "2 approved for approved from open" in result.stdout
    result = await call(place, "approvals", "approved")
    assert LEAF in result.stdout and "active" in result.stdout


async def test_a_dry_run_approves_nothing(place: Place, index: FakeIndex) -> None:
    result = await call(place, "promote", "approved", "demo", "--dry-run")
    assert result.exit_code == 0 and "dry run" in result.stderr
    assert (await read(place, "approvals", "approved"))["items"] == []


async def test_every_refusal_is_a_line(place: Place, index: FakeIndex) -> None:
    result = await call(place, "promote", "approved", "demo ==9", "nothere")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "demo ==9: unknown" in result.stderr and "nothere: unknown" in result.stderr
    document = await read(place, "promote", "approved", "demo ==9", status=1)
    assert document["artifacts"][0]["outcome"] == "unknown"
    result = await call(place, "promote", "approved", "--artifact", DEMO, "--digest", f"{DEMO}={'0' * 64}")
    assert result.exit_code == 1 and "mismatch" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("promote", "approved"),
        ("promote", "approved", "demo", "--with-dependencies"),
        ("promote", "approved", "not a spec!"),
        ("promote", "approved", "demo", "--digest", "nothing"),
        ("promote", "approved", "demo", "--virtual-package", "__cuda=12"),
        ("promote", "open", "demo"),
        ("approvals", "approved", "--accept", DEMO),
        ("revoke", "approved", DEMO),
        ("revoke", "approved", "--reason", "x"),
    ],
)
async def test_wrong_usage_is_told(place: Place, index: FakeIndex, words: tuple[str, ...]) -> None:
    result = await call(place, *words)
    assert (result.exit_code, result.stdout) == (2, "")


async def test_a_revoked_file_is_listed_as_such(place: Place, index: FakeIndex) -> None:
    await read(place, "promote", "approved", "demo")
    result = await call(place, "revoke", "approved", DEMO, "--reason", "CVE-1")
    assert result.exit_code == 0 and DEMO in result.stdout
    items = (await read(place, "approvals", "approved", "--state", "revoked"))["items"]
    assert [(item["artifact"], item["reason"]) for item in items] == [(DEMO, "CVE-1")]
    result = await call(place, "promote", "approved", "--artifact", DEMO, "--dry-run")
    assert "new (was revoked)" in " ".join(result.stdout.split())
    result = await call(place, "promote", "approved", "demo >=2", "--dry-run")
    assert result.exit_code == 1 and "revoked: its approval was revoked: CVE-1" in result.stderr
    result = await call(place, "revoke", "approved", DEMO, "--reason", "again")
    assert result.exit_code == 1 and "no active approval" in result.stderr


async def test_revoking_tells_what_breaks_first_by_a_dry_run(place: Place, index: FakeIndex) -> None:
    made = await read(place, "promote", "approved", "demo", *CLOSURE)
    result = await call(place, "revoke", "approved", "leaf", "--dry-run")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"would be revoked {LEAF} of approved",
        "this would break 1 that stay approved:",
        f"  {DEMO} needs leaf, which {LEAF} met",
    ]
    result = await call(place, "revoke", "approved", "leaf >1", "other", "--reason", "CVE-1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nothing was revoked: 2 refused" in result.stderr and "leaf >1: unknown" in result.stderr
    document = await read(place, "revoke", "approved", "--promotion", made["id"], "--reason", "CVE-1")
    assert {item["artifact"]: item["state"] for item in document["artifacts"]} == {
        DEMO: "revoked",
        LEAF: "revoked",
    }
    assert (await read(place, "approvals", "approved", "--state", "active"))["items"] == []


async def test_explain_says_what_an_approved_package_lacks(place: Place, index: FakeIndex) -> None:
    await read(place, "promote", "approved", "demo")
    result = await call(place, "explain", "approved", DEMO)
    assert result.stdout.startswith(f"{DEMO}: allowed") and "it needs leaf, and nothing" in result.stdout


async def test_the_same_key_promotes_once(place: Place, index: FakeIndex) -> None:
    first = await read(place, "promote", "approved", "demo", "--once", "k")
    again = await read(place, "promote", "approved", "demo", "--once", "k")
    assert first["id"] == again["id"]


async def test_bytes_that_do_not_come_are_told_and_stay_approved(
    place: Place, origin: Origin, index: FakeIndex
) -> None:
    origin.always(index.file_path(DEMO), Fault(status=500))
    result = await call(place, "promote", "approved", "demo")
    assert result.exit_code == 0
    assert DEMO in result.stderr and "500" in result.stderr
    items = (await read(place, "approvals", "approved"))["items"]
    assert [item["artifact"] for item in items] == [DEMO]


async def test_a_server_that_is_named_is_asked_with_the_key(place: Place, index: FakeIndex) -> None:
    feeds = (feed(upstream(index.url), name="open"), Feed("approved", "pypi", curated_from=("open",)))
    async with Gateway(place.folder / "elsewhere", *feeds, admin_key=KEY) as gateway:
        whom = ("--server", gateway.url, "--key", KEY)
        document = await read(place, "promote", "approved", "demo", *CLOSURE, *whom)
        assert len(document["artifacts"]) == 2
        items = (await read(place, "approvals", "approved", "--q", "leaf", *whom))["items"]
        assert [(item["artifact"], item["bytes"]) for item in items] == [(LEAF, "held")]
        result = await call(place, "revoke", "approved", LEAF, "--reason", "CVE-1", *whom)
        assert result.exit_code == 0
        got = await gateway.get(f"/pypi/approved/packages{index.file_path(LEAF)}")
        assert got.status == 403
        result = await call(place, "promote", "approved", "leaf", "--server", gateway.url)
        assert result.exit_code == 1 and "Authentication required" in result.stderr
        assert "; name one with --key or FEEDGATE_KEY" in result.stderr


async def test_who_may_not_read_the_source_is_told_what_a_key_needs(place: Place, index: FakeIndex) -> None:
    feeds = (
        feed(upstream(index.url), name="open", anonymous=False),
        Feed("approved", "pypi", curated_from=("open",)),
    )
    async with Gateway(place.folder / "elsewhere", *feeds, admin_key=KEY) as gateway:
        result = await call(place, "promote", "approved", "leaf", "--server", gateway.url)
        assert result.exit_code == 1 and "not curated" not in result.stderr
        assert "a key with promote on it and read on" in result.stderr
        result = await call(place, "promote", "open", "leaf", "--server", gateway.url, "--key", KEY)
        assert (result.exit_code, "open is not curated" in result.stderr) == (2, True)


async def test_what_the_origin_has_made_of_a_file_is_accepted(place: Place, index: FakeIndex) -> None:
    feeds = (
        feed(upstream(index.url, ttl_s=0.0), name="open"),
        Feed("approved", "pypi", curated_from=("open",)),
    )
    async with Gateway(place.folder / "elsewhere", *feeds, admin_key=KEY) as gateway:
        whom = ("--server", gateway.url, "--key", KEY)
        await read(place, "promote", "approved", "leaf", *whom)
        index.yank(LEAF, "broken")
        async with asyncio.timeout(20):
            while not (
                items := (await read(place, "approvals", "approved", "--state", "drifted", *whom))["items"]
            ):
                await gateway.app.curating.watch.look()
        (one,) = items
        result = await call(place, "approvals", "approved", "--state", "drifted", *whom)
        assert "yanked" in result.stdout
        words = ("approvals", "approved", "--accept", LEAF, "--sha256")
        refused = await call(place, *words, "0" * 64, *whom)
        assert refused.exit_code == 1 and one["sha256"] in refused.stderr
        assert (await call(place, *words, one["sha256"], *whom)).exit_code == 0
        assert (await read(place, "approvals", "approved", "--state", "drifted", *whom))["items"] == []


async def test_the_audit_names_packages_and_keys(place: Place, index: FakeIndex) -> None:
    await read(place, "promote", "approved", "demo", *CLOSURE)
    await read(place, "revoke", "approved", LEAF, "--reason", "CVE-1")
    await call(place, "key", "create", "ci", "--read", "open")
    lines = (await call(place, "audit")).stdout.splitlines()
    assert [line[line.index("(") : line.index(")") + 1] for line in lines[1:]] == [
        "(demo 2.0, leaf 1.0)",
        "(leaf 1.0)",
        "(ci)",
    ]


async def test_an_empty_list_says_so_in_words(place: Place, index: FakeIndex) -> None:
    empty = {
        (
            "approvals",
            "approved",
        ): "no approvals in 'approved' yet: `feedgate promote approved SPEC` makes some",
        ("approvals", "approved", "--q", "x"): "no approvals in 'approved' are like that",
        ("feed", "packages", "approved"): "no packages in 'approved' yet",
        ("feed", "packages", "approved", "--q", "x"): "no packages in 'approved' are like that",
        ("audit",): "no changes yet",
    }
    for words, told in empty.items():
        result = await call(place, *words)
        assert (result.exit_code, result.stdout, result.stderr) == (0, f"{told}\n", ""), words
    assert (await call(place, "key", "list")).stdout.startswith("no keys yet but the first admin's")
    assert (await call(place, "policy", "list")).stdout == (await call(place, "route", "list")).stdout == ""


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "curated"])
async def test_one_command_takes_a_changed_file_of_any_feed(
    place: Place, index: FakeIndex, is_open: bool
) -> None:
    feeds = (
        feed(upstream(index.url, ttl_s=0.0), name="open"),
        Feed("approved", "pypi", curated_from=("open",)),
    )
    name = feeds[0 if is_open else 1].name
    async with Gateway(place.folder / "elsewhere", *feeds, admin_key=KEY) as gateway:
        whom = ("--server", gateway.url, "--key", KEY)
        await read(place, "promote", "approved", "leaf", *whom)
        old, new = index.file(LEAF).built, index.add(wheel("leaf", "1.0", payload=20)).built
        async with asyncio.timeout(20):
            while not (await read(place, "approvals", "approved", "--state", "drifted", *whom))["items"]:
                await gateway.app.curating.watch.look()
        told = await call(place, "explain", "open", LEAF, *whom)
        assert "held: changed" in told.stdout and old.sha256 in told.stdout and new.sha256 in told.stdout
        listed = await call(place, "feed", "packages", "open", "leaf", *whom)
        assert "held: changed" in listed.stdout
        words = ("accept", name, LEAF)
        assert (await call(place, *words, *whom)).exit_code == 2
        refused = await call(place, *words, "--sha256", "0" * 64, *whom)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert (await call(place, "accept", name, "none-1.0.zip", "--sha256", "0" * 64, *whom)).exit_code == 1
        taken = await call(place, *words, "--sha256", new.sha256, *whom)
        assert (taken.exit_code, taken.stderr) == (0, "") and new.sha256 in taken.stdout
        again = await call(place, *words, "--sha256", new.sha256, *whom)
        assert (again.exit_code, "nothing to accept" in again.stderr) == (1, True)
