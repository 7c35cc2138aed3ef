"""Who is a program and who a person, by the Accept lists that are really sent (protocol sheet, section 3)."""

import pytest

from proxy.web.accept import is_browser, prefers_json, prefers_page

PIP = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"
UV = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
POETRY = "application/vnd.pypi.simple.v1+json, */*;q=0.1"
PROGRAMS = [None, "", "*/*", "text/html", "application/json", PIP, UV, POETRY]
BROWSERS = [
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
    "text/html, application/xhtml+xml, image/jxr, */*",
]


@pytest.mark.parametrize("accept", PROGRAMS)
def test_no_client_of_an_index_is_taken_for_a_browser(accept: str | None) -> None:
    assert not is_browser(accept)


@pytest.mark.parametrize("accept", BROWSERS)
def test_browsers_are_known_and_prefer_pages(accept: str) -> None:
    assert is_browser(accept)
    assert prefers_page(accept)
    assert not prefers_json(accept)


@pytest.mark.parametrize(
    ("accept", "page", "json"),
    [
        (None, False, False), ("*/*", False, False), ("text/html", True, False), ("text/*", True, False),
        ("application/json", False, True), ("application/*;q=0.5, */*;q=0.1", False, True),
        ("application/json, text/html", False, False), ("text/html;q=0.5, application/json", False, True),
        ("text/html;q=x, */*", False, True), ("text/html;q=nan", False, False), ("text/html;q=0", False, False),
    ],
)  # fmt: skip
def test_the_higher_weight_decides(accept: str | None, page: bool, json: bool) -> None:
    assert (prefers_page(accept), prefers_json(accept)) == (page, json)
