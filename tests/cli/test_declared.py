"""`feed`, `policy` and `route` with `create`, `show`, `edit`, `delete`: on the data folder, and on a running server."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.api.managed import KEY, Managed
from tests.cli.calling import QUIET_FEED, Place

pytestmark = pytest.mark.usefixtures("begun")

UPSTREAMS = '["https://other.example/simple/"]'


def feed(place: Place, name: str = "more", *words: str) -> None:
    made = place.call("feed", "create", name, "--set", "kind=pypi", "--set", f"upstreams={UPSTREAMS}", *words)
    assert (made.exit_code, made.stdout) == (0, f"feed {name} created\n"), made.output


def test_a_feed_is_made_changed_and_deleted_on_the_data_folder(place: Place) -> None:
    place.write(QUIET_FEED)
    feed(place)
    assert [item["name"] for item in json.loads(place.call("feed", "list", "--json").stdout)] == [
        "pypi",
        "more",
    ]
    edited = place.call("feed", "edit", "more", "--set", "offline=true", "--set", 'aliases=["also"]')
    assert (edited.exit_code, edited.stdout) == (0, "feed more changed\n")
    edited = place.call("feed", "edit", "more", "--unset", "aliases")
    shown = place.json("feed", "show", "more")
    assert shown["declared"] == {"kind": "pypi", "upstreams": json.loads(UPSTREAMS), "offline": True}
    assert "source: API" in place.call("feed", "show", "more").stdout
    checked = place.json("check-config")["settings"]
    assert isinstance(checked, dict) and checked["feeds.more.offline"] == {"value": True, "source": "API"}
    assert place.call("feed", "delete", "more").stdout == "feed more deleted\n"
    assert place.call("feed", "show", "more").exit_code == 1
    story = place.json("audit")["items"]
    assert isinstance(story, list)
    assert [(item["actor"], item["action"]) for item in story] == [
        ("local command", "feed.create"), ("local command", "feed.edit"), ("local command", "feed.edit"),
        ("local command", "feed.delete"),
    ]  # fmt: skip


def test_a_feed_is_made_in_the_words_of_mirrors(place: Place) -> None:
    """U16: what others call a mirror: kind, source, packages, proxy, policy."""
    place.write(QUIET_FEED)
    source = "https://channel.example/corp"
    words = (
        "--kind",
        "conda",
        "--source",
        source,
        "--only",
        "numpy >=2",
        "--only",
        "zlib",
        "--proxy",
        "http://out.example:3128",
    )
    made = place.call("feed", "create", "corp", *words)
    assert (made.exit_code, made.stdout) == (0, "feed corp created\n"), made.output
    route = {"proxy": "http://out.example:3128"}
    declared = place.json("feed", "show", "corp")["declared"]
    assert declared == {"kind": "conda", "policy": "corp", "upstreams": [{"url": source, "route": route}]}
    policy = place.json("policy", "show", "corp")
    assert isinstance(policy["settings"], dict) and policy["settings"]["only"] == ["numpy >=2", "zlib"]


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("--kind", "pypi", "--only", "rich", "--policy", "corp"), 2, "give one of them"),
        (("--kind", "pypi", "--proxy", "http://out.example"), 2, "--source"),
        (("--kind", "cobol", "--only", "rich"), 1, "kind"),
    ],
)
def test_a_feed_that_cannot_be_made_leaves_no_policy(
    place: Place, words: tuple[str, ...], status: int, told: str
) -> None:
    place.write(QUIET_FEED)
    result = place.call("feed", "create", "bad", *words)
    assert (result.exit_code, result.stdout) == (status, "") and told in result.stderr
    assert place.call("policy", "show", "bad").exit_code == 1


def test_what_is_wrong_is_told_line_by_line(place: Place) -> None:
    place.write(QUIET_FEED)
    result = place.call(
        "feed", "create", "bad", "--set", "kind=pypi", "--set", "offlin=1", "--set", "upstreams=[1]"
    )
    assert (result.exit_code, result.stdout) == (1, "")
    lines = sorted(result.stderr.splitlines())
    assert [line.split(": ")[1] for line in lines] == ["offlin", "upstreams[0]"]
    named = place.call("feed", "create", "X_y", "--kind", "pypi")
    assert named.exit_code == 1 and named.stderr.rstrip().endswith('not "X_y"')
    document = place.json("feed", "create", "bad", "--set", "kind=cobol", status=1)
    assert isinstance(document["faults"], list) and document["faults"][0]["key"] == "kind"


def test_what_the_file_declares_is_not_changed(place: Place) -> None:
    place.write(QUIET_FEED)
    for words in (("edit", "pypi", "--set", "offline=true"), ("delete", "pypi")):
        result = place.call("feed", *words)
        assert result.exit_code == 1 and "config.toml" in result.stderr


@pytest.mark.parametrize(
    "words", [("--set", "x"), ("--set", "=x"), ("--file", "gone.json"), ("--file", "list.json")]
)
def test_keys_that_cannot_be_read_are_a_usage_error(place: Place, words: tuple[str, ...]) -> None:
    place.write(QUIET_FEED)
    place.write("[]", "list.json")
    result = place.call("policy", "create", "x", *words)
    assert (result.exit_code, result.stdout) == (2, "") and len(result.stderr.splitlines()) == 1


def test_secrets_come_from_a_file_and_are_not_shown(place: Place) -> None:
    place.write(QUIET_FEED)
    place.write('{"proxy": "http://p.example:1", "username": "u", "password": "hunter2"}', "route.json")
    assert place.call("route", "create", "corp", "--file", "route.json").exit_code == 0
    feed(place, "more", "--set", 'upstreams=[{"url": "https://o.example/simple/", "route": "corp"}]')
    assert place.call("route", "edit", "corp", "--set", "verify=false").exit_code == 0
    shown = place.call("route", "show", "corp").output + place.call("route", "list").output
    assert "hunter2" not in shown and "***" in shown and "more" in shown
    header, row = place.call("route", "list").stdout.splitlines()
    assert header.split() == ["NAME", "PROXY", "FROM", "FEEDS"]
    assert row.split() == ["corp", "http://p.example:1", "API", "more"]
    refused = place.call("route", "delete", "corp")
    assert refused.exit_code == 1 and "feeds.more.upstreams[0].route: there is no route" in refused.stderr


def test_a_policy_is_made_and_used(place: Place) -> None:
    place.write(QUIET_FEED)
    assert (
        place.call("policy", "create", "corp", "--set", "min_age=7d", "--set", 'block=["tk"]').exit_code == 0
    )
    feed(place, "more", "--set", "policy=corp")
    assert "tk" in place.call("policy", "show", "corp").stdout
    assert "feeds.more.policy" in place.call("policy", "delete", "corp").stderr


async def test_a_running_server_is_changed(place: Place, tmp_path: Path) -> None:
    async with Managed(tmp_path, QUIET_FEED) as server:
        where = ("--server", server.url, "--key", KEY)
        made = await asyncio.to_thread(
            place.call,
            "feed",
            "create",
            "more",
            "--set",
            "kind=pypi",
            "--set",
            f"upstreams={UPSTREAMS}",
            *where,
        )
        assert made.exit_code == 0, made.output
        assert "more" in server.app.settings.feeds
        edited = await asyncio.to_thread(place.call, "feed", "edit", "more", "--set", "offline=true", *where)
        assert edited.exit_code == 0 and server.app.settings.feeds["more"].offline
        server.file.write_text(QUIET_FEED + "[feeds.bad]\n")
        reloaded = await asyncio.to_thread(place.call, "reload", *where)
        assert reloaded.exit_code == 1 and 'feeds.bad.kind: is missing: "pypi" or "conda"' in reloaded.stderr
        server.file.write_text(QUIET_FEED)
        reloaded = await asyncio.to_thread(place.call, "reload", *where)
        assert (reloaded.exit_code, reloaded.stdout) == (
            0,
            "nothing has changed; the settings in force are those of the file\n",
        )
        gone = await asyncio.to_thread(place.call, "feed", "delete", "more", *where)
        assert gone.exit_code == 0 and "more" not in server.app.settings.feeds


def test_a_name_in_both_places_stops_the_start(place: Place) -> None:
    place.write(QUIET_FEED)
    feed(place)
    place.write(QUIET_FEED + f'[feeds.more]\nkind = "pypi"\nupstreams = {UPSTREAMS}\n')
    for words in ("serve", "check-config", "feed list"):
        result = place.call(*words.split())
        assert result.exit_code == 2 and "through the API too" in result.stderr


def test_without_its_key_nothing_that_is_stored_is_lost_silently(place: Place) -> None:
    place.write(QUIET_FEED)
    feed(place)
    (place.folder / "data" / "state" / "secret.key").unlink()
    for words in ("check-config", "serve", "feed list"):
        done = place.start(*words.split())
        assert done.returncode == 1 and "secret.key is missing" in done.stderr


def test_what_stops_the_start_can_be_deleted(place: Place) -> None:
    place.write(QUIET_FEED)
    feed(place)
    both = QUIET_FEED + f'[feeds.more]\nkind = "pypi"\nupstreams = {UPSTREAMS}\n'
    place.write(both)
    told = place.call("check-config")
    assert told.exit_code == 2 and "`feedgate feed delete more --broken`" in told.stderr
    assert place.call("feed", "delete", "more").exit_code == 2
    done = place.call("feed", "delete", "more", "--broken")
    assert (done.exit_code, done.stdout) == (0, "feed more deleted\n"), done.output
    assert place.call("check-config").exit_code == 0
    again = place.call("feed", "delete", "more", "--broken")
    assert again.exit_code == 1 and "no feed more was made through the API" in again.stderr
    story = place.json("audit")["items"]
    assert isinstance(story, list) and [item["action"] for item in story] == ["feed.create", "feed.delete"]
    assert place.json("audit", "--verify")["ok"] is True


async def test_a_broken_thing_is_not_deleted_under_a_running_server(place: Place) -> None:
    async with Managed(place.folder, QUIET_FEED) as server:
        await server.made("/policies", name="mine", block=["a"])
        refused = await asyncio.to_thread(place.call, "policy", "delete", "mine", "--broken")
        assert refused.exit_code == 1 and "another feedgate" in refused.stderr
