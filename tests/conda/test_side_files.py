"""run_exports.json, channeldata.json and notices.json, filtered."""

import json
from datetime import UTC, datetime

import pytest

from proxy.conda.channeldata import BadChannelData, Visible, filter_channeldata
from proxy.conda.notices import hidden_notice, render_notices
from proxy.conda.run_exports import BadRunExports, filter_run_exports
from tests.conda.sets import committed

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def test_run_exports_of_shown_files_stay_as_they_are() -> None:
    document = {
        "info": {"subdir": "x", "platform": "linux", "url": "https://elsewhere.invalid"},
        "packages": {"a-1-0.tar.bz2": {"run_exports": {"weak": ["a >=1"]}}},
        "packages.conda": {"a-1-0.conda": {"run_exports": {}}, "b-1-0.conda": {"run_exports": {}}},
        "v3": {"x": 1},
    }
    found = json.loads(
        filter_run_exports(json.dumps(document).encode(), "linux-64", {"a-1-0.tar.bz2", "b-1-0.conda"})
    )
    assert found == {
        "info": {"subdir": "linux-64", "version": 1},
        "packages": {"a-1-0.tar.bz2": {"run_exports": {"weak": ["a >=1"]}}},
        "packages.conda": {"b-1-0.conda": {"run_exports": {}}},
    }


def test_a_real_run_exports_is_read() -> None:
    document = committed("rattler/channels/openssl-run-exports-test/linux-64/run_exports.json")
    assert json.loads(filter_run_exports(document, "linux-64", set()))["packages.conda"] == {}


@pytest.mark.parametrize("document", [b"", b"[]", b"<html>", b'{"packages":[]}', b"{" * 100_000])
def test_what_is_no_run_exports_is_refused(document: bytes) -> None:
    with pytest.raises(BadRunExports):
        filter_run_exports(document, "linux-64", set())


def channeldata() -> bytes:
    said = {
        "home": "https://a.invalid", "version": "2.0", "subdirs": ["linux-64", "win-64"],
        "run_exports": {"1.0": {"weak": ["a"]}, "2.0": {"weak": ["b"]}}, "reference_package": "linux-64/a-2.0-0.conda",
    }  # fmt: skip
    return json.dumps(
        {"channeldata_version": 1, "packages": {"a": said, "b": {}}, "subdirs": ["linux-64"]}
    ).encode()


def test_channeldata_speaks_only_of_what_is_shown() -> None:
    shown = {"a": Visible("1.0", {"1.0"}, {"linux-64"})}
    assert json.loads(filter_channeldata(channeldata(), shown, ["noarch", "linux-64"])) == {
        "channeldata_version": 1,
        "packages": {
            "a": {
                "home": "https://a.invalid",
                "version": "1.0",
                "subdirs": ["linux-64"],
                "run_exports": {"1.0": {"weak": ["a"]}},
            }
        },
        "subdirs": ["linux-64", "noarch"],
    }


def test_channeldata_of_a_name_that_is_wholly_shown_stays() -> None:
    shown = {"a": Visible("2.0", {"1.0", "2.0"}, {"linux-64", "win-64"}, {"linux-64/a-2.0-0.conda"})}
    assert (
        json.loads(filter_channeldata(channeldata(), shown, []))["packages"]["a"]
        == json.loads(channeldata())["packages"]["a"]
    )


def test_an_origin_without_channeldata_has_an_empty_one() -> None:
    assert json.loads(filter_channeldata(None, {}, ["noarch"])) == {
        "channeldata_version": 1, "packages": {}, "subdirs": ["noarch"],
    }  # fmt: skip


@pytest.mark.parametrize("document", [b"x", b"[]", b"<html>", b'{"packages":[]}', b'{"packages":{"a":1}}'])
def test_what_is_no_channeldata_is_refused(document: bytes) -> None:
    with pytest.raises(BadChannelData):
        filter_channeldata(document, {}, [])


def test_a_real_channeldata_is_read() -> None:
    document = committed("conda/conda_format_repo/channeldata.json")
    found = json.loads(
        filter_channeldata(document, {"vc": Visible("14.1", {"14.1"}, {"win-64"})}, ["win-64"])
    )
    assert list(found["packages"]) == ["vc"]


def test_a_notice_tells_how_much_is_hidden_and_where_to_ask() -> None:
    notice = hidden_notice("corp", 14, "Ask the packages team.", NOW)
    assert notice is not None
    (found,) = json.loads(render_notices([notice]))["notices"]
    assert (
        found["message"] == "14 packages are hidden from the feed corp by its policy. Ask the packages team."
    )
    assert (found["level"], found["created_at"]) == ("info", "2026-11-20T00:00:00+00:00")
    assert found["expires_at"] > found["created_at"]


def test_a_notice_has_a_new_id_only_when_it_says_something_new() -> None:
    one, same, other = (hidden_notice("corp", hidden, "", NOW) for hidden in (1, 1, 2))
    assert one is not None
    assert same is not None
    assert other is not None
    assert one.id == same.id != other.id


def test_a_feed_that_hides_nothing_has_no_notice() -> None:
    assert hidden_notice("corp", 0, "", NOW) is None
    assert json.loads(render_notices([])) == {"notices": []}
