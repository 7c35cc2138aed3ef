"""Which upstreams may be asked for a name, and in what order (contract, section 1)."""

from proxy.config.settings import Feed, Upstream
from proxy.feeds.ownership import candidates

PRIVATE = Upstream("team", private=True)
PUBLIC = Upstream("world")


def ids(feed: Feed, name: str) -> list[str]:
    return [upstream.id for upstream in candidates(feed, name)]


def test_upstreams_are_asked_in_the_order_of_the_file() -> None:
    assert ids(Feed("f", "pypi", (PRIVATE, PUBLIC)), "requests") == ["team", "world"]


def test_reserved_names_are_asked_only_of_private_upstreams() -> None:
    feed = Feed("f", "pypi", (PUBLIC, PRIVATE), reserved=("acme-*",))
    assert ids(feed, "acme-core") == ["team"]
    assert ids(feed, "acme") == ["world", "team"]


def test_reserved_names_without_a_private_upstream_are_nobodys() -> None:
    assert ids(Feed("f", "pypi", (PUBLIC,), reserved=("acme*",)), "acme-core") == []


def test_only_restricts_and_except_removes() -> None:
    only = Upstream("some", only=("numpy", "scipy*"))
    rest = Upstream("rest", except_=("numpy",))
    feed = Feed("f", "pypi", (only, rest))
    assert ids(feed, "numpy") == ["some"]
    assert ids(feed, "scipy-stubs") == ["some", "rest"]
    assert ids(feed, "pandas") == ["rest"]
