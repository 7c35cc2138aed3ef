"""Lists of the API as commands read them: page by page, to the end or to a limit."""

import pytest

import proxy.cli.asking as asking
from proxy.cli.asking import Api, Asked, Reply

NAMES = [f"name{number}" for number in range(7)]


class Pages:
    """An API that has one list."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    def send(self, asked: Asked) -> Reply:
        self.asked.append(dict(asked.query))
        start = NAMES.index(asked.query["cursor"]) + 1 if "cursor" in asked.query else 0
        stop = start + int(asked.query["limit"])
        following = NAMES[stop - 1] if stop < len(NAMES) else None
        return Reply(200, {"items": NAMES[start:stop], "next": following})


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Pages:
    monkeypatch.setattr(asking, "_PAGE", 3)
    return Pages()


def listed(pages: Pages, limit: int | None = None) -> tuple[list[str], str | None]:
    document = Api(pages.send, lambda _: None).listed("/things", {"q": "name"}, limit)
    return document["items"], document["next"]


def test_a_list_is_read_to_its_end(pages: Pages) -> None:
    assert listed(pages) == (NAMES, None)
    assert pages.asked == [
        {"q": "name", "limit": "3"},
        {"q": "name", "limit": "3", "cursor": "name2"},
        {"q": "name", "limit": "3", "cursor": "name5"},
    ]


@pytest.mark.parametrize(
    ("limit", "following"), [(1, "name0"), (3, "name2"), (4, "name3"), (7, None), (9, None)]
)
def test_so_many_are_read_and_no_page_more(pages: Pages, limit: int, following: str | None) -> None:
    assert listed(pages, limit) == (NAMES[:limit], following)
    assert sum(int(each["limit"]) for each in pages.asked) <= max(limit, 3)
