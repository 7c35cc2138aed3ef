"""The feeds as a person meets them: their URLs and the lines to paste, on the terminal and on the page."""

from collections.abc import Sequence

from proxy.config.settings import Feed, Settings
from proxy.pypi.snippets import WARNING, snippets
from proxy.web.health import FeedCard, Paste

_SHOWN = ("pip", "uv", "poetry", "pdm")


def feed_url(feed: Feed, base_url: str) -> str:
    """Return the URL that clients of the feed are given."""
    tail = f"pypi/{feed.name}/simple/" if feed.kind == "pypi" else f"{feed.kind}/{feed.name}/"
    return f"{base_url}/{tail}"


def feed_cards(settings: Settings, base_url: str) -> Sequence[FeedCard]:
    """Return what the page shows, with the server's URL as the client sees it."""
    return [_card(feed, feed_url(feed, base_url)) for feed in settings.feeds.values()]


def banner(settings: Settings, base_url: str) -> str:
    """Return what `serve` prints once it listens."""
    lines = [f"feedgate listens at {base_url}/"]
    for feed in settings.feeds.values():
        url = feed_url(feed, base_url)
        lines += [
            "",
            f"feed {feed.name} ({feed.kind}): {url}",
            f"  {snippets(url, feed.name)['pip'].strip()}",
        ]
    lines += ["", WARNING, "Lines for other clients: feedgate snippet FEED"]
    return "\n".join(lines)


def _card(feed: Feed, url: str) -> FeedCard:
    texts = snippets(url, feed.name)
    pastes = tuple(Paste(client, texts[client]) for client in _SHOWN)
    return FeedCard(feed.name, feed.kind, url, pastes, WARNING)
