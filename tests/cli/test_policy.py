"""`feedgate policy`: list, show; and check-config's notes about policies."""

from tests.cli.calling import QUIET_FEED, Place

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
