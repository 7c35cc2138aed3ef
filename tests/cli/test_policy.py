"""`feedgate policy`: list, show; and check-config's notes about policies."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from typer.testing import Result

from tests.cli.calling import QUIET_FEED, Place
from tests.support.channel import FakeChannel
from tests.support.conda_packages import package
from tests.support.origin import Origin

pytestmark = pytest.mark.usefixtures("begun")

CORP = (
    QUIET_FEED
    + """
[policies.corp]
platforms = ["linux-64"]
block = ["bzip2"]
min_age = "7d"
[policies.spare]
keep_versions = 1
"""
)


def test_policies_are_listed_with_their_feeds(place: Place) -> None:
    place.write(CORP)
    told = place.json("policy", "list")
    assert [item["name"] for item in told["items"]] == ["corp", "spare"]  # type: ignore[attr-defined]
    assert "corp" in place.call("policy", "list").stdout


def test_policy_is_shown_in_plain_words(place: Place) -> None:
    place.write(CORP)
    lines = place.call("policy", "show", "corp").stdout.splitlines()
    assert lines == [
        "policy corp (enforce), used by no feed:",
        "  Only files for linux-64 are shown.",
        "  Packages that are blocked: bzip2.",
        "  A file is held until it is 7 days old.",
        "  A file whose age nobody knows is held.",
    ]
    assert place.json("policy", "show", "spare")["settings"] == {"keep_versions": 1}


def test_policy_that_is_not_there_fails_with_one_line(place: Place) -> None:
    place.write(CORP)
    result = place.call("policy", "show", "nope")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == ["feedgate: Not found: there is no policy nope"]


def test_check_config_shows_policies_with_sources_and_what_is_hardly_meant(place: Place) -> None:
    place.write(CORP)
    result = place.call("check-config")
    assert 'policies.corp.min_age = "7d" ' in result.stdout
    assert "policies.corp.platforms: does not name noarch" in result.stderr
    notes = place.json("check-config")["notes"]
    assert any("does not name noarch" in note for note in notes)  # type: ignore[attr-defined]


def test_check_config_tells_all_faults_of_policies(place: Place) -> None:
    place.write(QUIET_FEED + '[policies.corp]\nblock = ["a >>1"]\nmin_aeg = "7d"\n')
    told = place.json("check-config", status=2)
    assert {fault["key"] for fault in told["errors"]} == {  # type: ignore[attr-defined]
        "policies.corp.block[0]", "policies.corp.min_aeg",
    }  # fmt: skip


# -- policy test -----------------------------------------------------------------------------------------------


@pytest.fixture
async def filled(place: Place) -> AsyncIterator[Place]:
    async with Origin() as origin:
        channel = FakeChannel(origin)
        channel.add(package("tool", noarch="python"), package("data", noarch="generic"))
        place.write(
            f'[feeds.forge]\nkind = "conda"\nsubdirs = ["noarch"]\nupstreams = [{{ url = "{channel.url}",'
            ' allow_private = true, route = "direct", retries = 0 }]\n'
        )
        yield place


async def tried(place: Place, *words: str, status: int = 0) -> Result:
    result = await asyncio.to_thread(place.call, "policy", "test", *words)
    assert result.exit_code == status, result.output
    return result


async def test_draft_is_tried_without_a_server(filled: Place) -> None:
    filled.write('[policies.draft]\nplatforms = ["noarch"]\nblock = ["tool"]\n', "draft.toml")
    lines = (await tried(filled, "draft.toml", "--feed", "forge")).stdout.splitlines()
    assert lines[0].startswith("policy draft on feed forge: all that its channels have in noarch")
    assert lines[1] == "2 files of 2 names, 1 shown, 1 hidden"
    assert lines[-1] == "1 names lose all versions: tool"
    told = json.loads((await tried(filled, "draft.toml", "--feed", "forge", "--json")).stdout)
    assert told["lost_names"] == ["tool"]


async def test_draft_may_be_the_keys_alone_with_dates(filled: Place) -> None:
    exempt = '[[exemptions]]\nspec = "tool"\nrules = ["block"]\nexpires = 2099-01-31\n'
    filled.write('block = ["tool", "data"]\n' + exempt, "draft.toml")
    result = await tried(filled, "draft.toml", "--feed", "forge")
    assert "1 names lose all versions: data" in result.stdout


async def test_one_of_several_policies_is_chosen(filled: Place) -> None:
    filled.write('[policies.a]\nblock = ["tool"]\n[policies.b]\nprereleases = false\n', "draft.toml")
    result = await tried(filled, "draft.toml", "--feed", "forge", status=2)
    assert "several policies; choose one with --name: a, b" in result.stderr
    result = await tried(filled, "draft.toml", "--feed", "forge", "--name", "b")
    assert "no name loses all versions" in result.stdout


async def test_draft_with_faults_tells_all_of_them(filled: Place) -> None:
    filled.write('[policies.a]\nblock = ["x >>1"]\nmin_aeg = "7d"\n', "draft.toml")
    lines = (await tried(filled, "draft.toml", "--feed", "forge", status=2)).stderr.splitlines()
    assert [line.split(":")[1].strip() for line in lines] == ["block[0]", "min_aeg"]


@pytest.mark.parametrize("text", ["not toml [", "[feeds.x]\nkind = 'pypi'\n[policies]\n"])
async def test_file_without_a_policy_is_wrong_usage(filled: Place, text: str) -> None:
    filled.write(text, "draft.toml")
    result = await tried(filled, "draft.toml", "--feed", "forge", status=2)
    assert result.stderr.startswith("feedgate: draft.toml: ")


async def test_file_that_is_not_there_is_wrong_usage(filled: Place) -> None:
    result = await tried(filled, "gone.toml", "--feed", "forge", status=2)
    assert "No such file" in result.stderr
