import pytest

from proxy.pypi.versions import latest, parse_version, ranks, visible_versions


def test_versions_are_recomputed_in_the_origins_spelling() -> None:
    assert visible_versions(["1.0.0", "2.0", "3.0"], ["1.0", "3.0", None]) == ("1.0.0", "3.0")


def test_versions_without_an_upstream_list_are_spelled_as_their_files() -> None:
    assert visible_versions([], ["1.10", "1.9", "1.9", "1.9rc1"]) == ("1.9rc1", "1.9", "1.10")


def test_versions_that_nobody_can_parse_are_left_out() -> None:
    assert visible_versions(["2004d", "1.0"], ["1.0", None]) == ("1.0",)


@pytest.mark.parametrize("text", ["", "1.0-", "2004d", "1" * 200, "１.０", "1.0\n2"])
def test_text_that_is_no_version_is_none(text: str) -> None:
    assert parse_version(text) is None


def test_unparsable_versions_rank_first_and_equal_ones_alike() -> None:
    order = ranks(["1.0", "1.0.0", "0.9", "2004d", None])
    assert order["2004d"] == order[None] == 0
    assert 0 < order["0.9"] < order["1.0"] == order["1.0.0"]


@pytest.mark.parametrize(
    ("candidates", "chosen"),
    [
        ([("1.0", False), ("2.0", False)], "2.0"),
        ([("1.0", False), ("2.0rc1", False)], "1.0"),
        ([("1.0", True), ("2.0rc1", False)], "2.0rc1"),
        ([("1.0", True), ("2.0", True)], "2.0"),
        ([("1.0.post1", False), ("1.0", False)], "1.0.post1"),
        ([("nonsense", False)], None),
        ([], None),
    ],
)
def test_latest_is_chosen_by_pypis_rule(candidates: list[tuple[str, bool]], chosen: str | None) -> None:
    assert latest(candidates) == chosen
