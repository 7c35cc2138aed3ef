"""Reading the management API: whole lists by their cursors, and problems."""

from typing import Any
from urllib.parse import urlencode

from tests.support.gateway import Gateway


async def items(gateway: Gateway, path: str, **query: Any) -> list[list[dict[str, Any]]]:
    """Return every page of a list."""
    pages: list[list[dict[str, Any]]] = []
    while len(pages) < 100:
        answer = await gateway.get(f"{path}?{urlencode(query)}")
        assert answer.status == 200, answer.body
        pages.append(answer.json()["items"])
        query["cursor"] = answer.json()["next"]
        if query["cursor"] is None:
            return pages
    raise AssertionError("the list has no end")


async def names(gateway: Gateway, feed: str, **query: Any) -> list[str]:
    """Return the names of a feed's packages."""
    pages = await items(gateway, f"/api/v1/feeds/{feed}/packages", **query)
    return [item["name"] for page in pages for item in page]


async def problem(gateway: Gateway, path: str, status: int, word: str, part: str) -> None:
    """Ask for a path that is answered with a problem."""
    answer = await gateway.get(path)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), (
        answer.body
    )
    assert answer.json()["type"] == f"urn:feedgate:{word}"
    assert part in answer.json()["detail"]
