"""The addresses that people are given: one place that knows a feed's URL from its settings (contract, section
2)."""

from proxy.config.settings import Feed, Server


def feed_url(feed: Feed, server: Server, base: str | None = None) -> str:
    """Return the URL for the feed's clients; `base` is the server's real one where it is known."""
    tail = f"pypi/{feed.name}/simple/" if feed.kind == "pypi" else f"{feed.kind}/{feed.name}/"
    return f"{base or server.base_url()}/{tail}"
