"""The rules that ask one thing each: age, pre-releases, yanked, quarantined, size; and the newest versions."""

from datetime import UTC, datetime, timedelta

import pytest

from proxy.model.verdict import Outcome
from proxy.policy.facts import License
from proxy.policy.tick import TICK_MS, tick_at_or_after, tick_of, time_of
from tests.policy.made import DAY_MS, MIT, NOW, OLD_MS, conda, judged, ms, pypi, shown, verdict

WEEK = {"min_age": 7 * 86400}


def test_file_of_the_first_snapshot_is_as_old_as_its_origin_says() -> None:
    assert verdict(WEEK, conda("foo", uploaded_ms=ms(NOW) - 8 * DAY_MS)).is_visible
    held = verdict(WEEK, conda("foo", uploaded_ms=ms(NOW) - 6 * DAY_MS))
    assert (held.outcome, held.rule, held.word) == (Outcome.HOLD, "min_age", "held")


def test_file_of_the_first_snapshot_without_a_time_is_old() -> None:
    assert verdict(WEEK, conda("foo", uploaded_ms=None)).is_visible
    assert verdict(WEEK, conda("foo", uploaded_ms=None, first_seen_ms=ms(NOW))).is_visible
    assert verdict(WEEK, conda("foo", uploaded_ms=0)).is_visible
    assert verdict(WEEK, conda("foo", uploaded_ms=10**18)).is_visible


def test_later_file_counts_from_the_later_of_upload_and_first_sight() -> None:
    forged = conda("foo", uploaded_ms=OLD_MS, first_seen_ms=ms(NOW) - DAY_MS, is_initial=False)
    assert verdict(WEEK, forged).rule == "min_age"
    silent = conda("foo", uploaded_ms=None, first_seen_ms=ms(NOW) - DAY_MS, is_initial=False)
    assert verdict(WEEK, silent).rule == "min_age"
    late = conda("foo", uploaded_ms=ms(NOW) - DAY_MS, first_seen_ms=OLD_MS, is_initial=False)
    assert verdict(WEEK, late).rule == "min_age"
    ripe = conda("foo", uploaded_ms=OLD_MS, first_seen_ms=ms(NOW) - 8 * DAY_MS, is_initial=False)
    assert verdict(WEEK, ripe).is_visible


def test_date_in_the_future_holds() -> None:
    assert verdict(WEEK, conda("foo", uploaded_ms=ms(NOW) + 900 * DAY_MS)).outcome is Outcome.HOLD
    never = verdict(WEEK, conda("foo", uploaded_ms=253_402_300_799_000))
    assert (never.outcome, never.until) == (Outcome.HOLD, None)


@pytest.mark.parametrize("leniency", ["allow", "warn", "hold", "block"])
def test_age_that_nobody_knows_is_a_question_for_the_policy(leniency: str) -> None:
    unseen = conda("foo", uploaded_ms=OLD_MS, first_seen_ms=None, is_initial=False)
    found = verdict({**WEEK, "unknown_age": leniency}, unseen)
    assert found.outcome.value == leniency
    assert verdict({"unknown_age": "block"}, unseen).is_visible


def test_hold_ends_with_the_first_tick_at_or_after_the_age() -> None:
    born = datetime(2026, 11, 20, 12, 7, 31, 1000, tzinfo=UTC)
    for kind, until in (("conda", (12, 15)), ("pypi", (12, 8))):
        facts = (
            pypi("foo-1.0.tar.gz", uploaded_ms=ms(born))
            if kind == "pypi"
            else conda("foo", uploaded_ms=ms(born))
        )
        found = verdict(WEEK, facts, "pypi" if kind == "pypi" else "conda")
        assert found.until == datetime(2026, 11, 27, *until, tzinfo=UTC)
        for moment, is_visible in ((found.until - timedelta(seconds=1), False), (found.until, True)):
            assert (
                verdict(WEEK, facts, "pypi" if kind == "pypi" else "conda", moment).is_visible is is_visible
            )


def test_tick_rounds_down_and_up() -> None:
    now = datetime(2026, 11, 20, 12, 44, 59, tzinfo=UTC)
    assert time_of(tick_of("conda", now)) == datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
    assert time_of(tick_of("pypi", now)) == datetime(2026, 11, 20, 12, 44, tzinfo=UTC)
    for kind in ("conda", "pypi"):
        step = TICK_MS["conda" if kind == "conda" else "pypi"]
        assert tick_at_or_after("conda" if kind == "conda" else "pypi", step * 7) == step * 7
        assert tick_at_or_after("conda" if kind == "conda" else "pypi", step * 7 + 1) == step * 8


def test_prereleases_yanked_quarantined_and_large_files_are_hidden() -> None:
    assert verdict({"prereleases": False}, pypi("foo-1.0rc1.tar.gz"), "pypi").rule == "prereleases"
    assert verdict({"yanked": "hide"}, pypi("foo-1.0.tar.gz", is_yanked=True), "pypi").rule == "yanked"
    assert verdict({"yanked": "keep"}, pypi("foo-1.0.tar.gz", is_yanked=True), "pypi").is_visible
    bad = pypi("foo-1.0.tar.gz", is_quarantined=True)
    assert (verdict({}, bad, "pypi").rule, verdict({}, bad, "pypi").word) == ("quarantined", "quarantined")
    assert verdict({"quarantined": "keep"}, bad, "pypi").is_visible
    assert verdict({"max_size": 1000}, conda("foo", size=1000)).is_visible
    large = verdict({"max_size": 1000}, conda("foo", size=1001))
    assert large.rule == "max_size"
    assert "1001" not in large.reason


def test_size_that_the_origin_does_not_tell_is_held() -> None:
    assert verdict({"max_size": 1000}, conda("foo", size=None)).outcome is Outcome.HOLD


def test_newest_versions_are_counted_after_all_other_rules() -> None:
    files = [conda(f"foo {version}") for version in ("1.0", "1.10", "1.9", "2.0rc1")]
    young = conda("foo 3.0", uploaded_ms=ms(NOW))
    table = {"keep_versions": 1, "prereleases": False, **WEEK}
    assert shown(table, [*files, young]) == ["linux-64/foo-1.10-h0_0.conda"]
    result = judged(table, [*files, young])
    assert [found.rule for found in result.verdicts] == [
        "keep_versions",
        "open",
        "keep_versions",
        "prereleases",
        "min_age",
    ]
    assert result.until is not None


def test_all_builds_of_a_kept_version_stay_and_equal_versions_are_one() -> None:
    files = [
        conda(f"foo {version} h{at}_0") for at, version in enumerate(("1.0", "1.0.0", "2.0", "2.0.0", "0.9"))
    ]
    assert len(shown({"keep_versions": 1}, files)) == 2
    assert len(shown({"keep_versions": 2}, files)) == 4
    assert len(shown({"keep_versions": 9}, files)) == 5


def test_versions_are_counted_per_subdir() -> None:
    files = [conda("foo 1.0", "osx-64"), conda("foo 1.0"), conda("foo 2.0")]
    assert shown({"keep_versions": 1}, files) == ["osx-64/foo-1.0-h0_0.conda", "linux-64/foo-2.0-h0_0.conda"]


def test_finals_come_first_then_prereleases_then_development_versions() -> None:
    names = ["foo-1.0.tar.gz", "foo-1.0.post1.tar.gz", "foo-2.0rc1.tar.gz", "foo-3.0.dev1.tar.gz"]
    files = [pypi(name) for name in names]
    assert shown({"keep_versions": 1}, files, "pypi") == ["foo-1.0.post1.tar.gz"]
    assert shown({"keep_versions": 3}, files, "pypi") == names[:2]
    assert shown({"keep_versions": 1}, files[2:], "pypi") == ["foo-2.0rc1.tar.gz"]
    assert shown({"keep_versions": 1}, files[3:], "pypi") == ["foo-3.0.dev1.tar.gz"]


def test_version_whose_files_are_all_yanked_does_not_count() -> None:
    files = [pypi("foo-1.0.tar.gz"), pypi("foo-2.0.tar.gz", is_yanked=True)]
    assert shown({"keep_versions": 1}, files, "pypi") == ["foo-1.0.tar.gz"]
    partly = [*files, pypi("foo-2.0-py3-none-any.whl")]
    assert shown({"keep_versions": 1}, partly, "pypi") == ["foo-2.0.tar.gz", "foo-2.0-py3-none-any.whl"]
    assert shown({"keep_versions": 5}, [files[1]], "pypi") == []


def test_local_versions_are_builds_of_their_version() -> None:
    names = [
        "torch-2.0+cpu-py3-none-any.whl",
        "torch-2.0+cu118-py3-none-any.whl",
        "torch-1.9-py3-none-any.whl",
    ]
    assert shown({"keep_versions": 1}, [pypi(name) for name in names], "pypi") == names[:2]


def test_version_that_pep_440_does_not_know_is_never_the_newest() -> None:
    files = [pypi("foo-1.0.tar.gz"), pypi("foo-zzz.tar.gz", version=None)]
    assert shown({"keep_versions": 3}, files, "pypi") == ["foo-1.0.tar.gz"]


def test_licences_worth_looking_up_are_those_of_files_that_nothing_else_blocks() -> None:
    files = [
        pypi("foo-1.0.tar.gz", license=None), pypi("foo-2.0rc1.tar.gz", license=None),
        pypi("foo-3.0.tar.gz", license=MIT),
        pypi("foo-4.0.tar.gz", license=None, uploaded_ms=ms(NOW)),
    ]  # fmt: skip
    table = {"block_licenses": ["GPL3"], "prereleases": False, **WEEK}
    wanted = judged(table, files, "pypi").wanted
    assert [each.file for each in wanted] == ["foo-1.0.tar.gz", "foo-4.0.tar.gz"]


def test_licences_of_versions_that_cannot_be_among_the_newest_are_not_asked_for() -> None:
    files = [pypi(f"foo-{at}.0.tar.gz", license=None) for at in range(1, 60)]
    result = judged({"block_licenses": ["GPL3"], "keep_versions": 2}, files, "pypi")
    assert [each.version for each in result.wanted] == ["58.0", "59.0"]
    known = [*files[:-1], pypi("foo-59.0.tar.gz", license=License(expression="GPL-3.0-only"))]
    assert [
        each.version
        for each in judged({"block_licenses": ["GPL3"], "keep_versions": 2}, known, "pypi").wanted
    ] == [
        "57.0",
        "58.0",
    ]
