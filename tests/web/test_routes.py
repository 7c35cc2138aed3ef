"""The table of routes."""

import pytest

from proxy.web.inbound import Inbound
from proxy.web.outbound import Bytes, Outbound
from proxy.web.routes import Found, NotAllowed, Route, Routes, Unknown
from tests.support.raw_http import ask
from tests.web.stand import get, standing


async def nothing(inbound: Inbound) -> Outbound:
    raise NotImplementedError


TABLE = (
    Route(("GET",), "/pypi/{feed}/simple/", nothing),
    Route(("GET",), "/pypi/{feed}/simple/{project}/", nothing),
    Route(("GET",), "/pypi/{feed}/packages/{path...}", nothing),
    Route(("POST",), "/pypi/{feed}/legacy/", nothing),
    Route(("DELETE",), "/pypi/{feed}/simple/", nothing),
    Route(("GET",), "/healthz", nothing, everywhere=True),
)


def find(method: str, *segments: str, prefix: str = "") -> Found | Unknown | NotAllowed:
    return Routes(TABLE, prefix).find(method, segments)


def params(method: str, *segments: str, prefix: str = "") -> dict[str, str]:
    found = find(method, *segments, prefix=prefix)
    assert isinstance(found, Found)
    return dict(found.params)


def test_segments_are_captured_by_name() -> None:
    assert params("GET", "pypi", "main", "simple", "requests", "") == {"feed": "main", "project": "requests"}


def test_rest_is_captured_whole() -> None:
    assert params("GET", "pypi", "main", "packages", "a", "b", "c.whl") == {
        "feed": "main",
        "path": "a/b/c.whl",
    }


def test_head_is_allowed_where_get_is() -> None:
    assert isinstance(find("HEAD", "pypi", "main", "simple", ""), Found)


@pytest.mark.parametrize(
    "segments",
    [
        ("",),
        ("pypi", "main", "simple"),
        ("pypi", "", "simple", ""),
        ("pypi", "main", "packages"),
        ("healthz", ""),
        ("pypi", "main", "packages", ""),
        ("pypi", "main", "simple", "a", "b", ""),
        ("PYPI", "main", "simple", ""),
    ],
)
def test_path_outside_the_table_is_unknown(segments: tuple[str, ...]) -> None:
    assert find("GET", *segments) == Unknown()


def test_wrong_method_is_told_every_method_of_the_path() -> None:
    assert find("PUT", "pypi", "main", "simple", "") == NotAllowed("DELETE, GET, HEAD")


def test_prefix_is_taken_off() -> None:
    found = find("GET", "a", "b", "pypi", "main", "simple", "", prefix="/a/b")
    assert isinstance(found, Found)
    assert found.segments == ("pypi", "main", "simple", "")


@pytest.mark.parametrize(
    "segments", [("pypi", "main", "simple", ""), ("a", "pypi", "main", "simple", ""), ("a",)]
)
def test_path_outside_the_prefix_is_unknown(segments: tuple[str, ...]) -> None:
    assert find("GET", *segments, prefix="/a/b") == Unknown()


@pytest.mark.parametrize("segments", [("healthz",), ("a", "b", "healthz")])
def test_probes_are_answered_inside_and_outside_the_prefix(segments: tuple[str, ...]) -> None:
    assert isinstance(find("GET", *segments, prefix="/a/b"), Found)


@pytest.mark.parametrize("pattern", ["no-slash", "/{rest...}/more"])
def test_pattern_that_cannot_match_is_refused_at_the_start(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"slash|rest"):
        Routes([Route(("GET",), pattern, nothing)])


async def test_the_prefix_without_its_slash_leads_to_the_list_of_feeds() -> None:
    async with standing(
        get("/", Bytes(body=b"list", content_type="text/plain")), path_prefix="/a/b"
    ) as stand:
        reply = await ask(stand.port, "GET", "/a/b")
        assert (reply.status, reply.header("location")) == (302, "b/")
        assert (await ask(stand.port, "GET", "/a/b/")).body == b"list"
        assert (await ask(stand.port, "GET", "/a")).status == 404
        assert (await ask(stand.port, "POST", "/a/b")).status == 404
