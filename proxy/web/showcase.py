"""The feeds as a person meets them: their URLs and the lines to paste, on the terminal and on the page."""

from collections.abc import Sequence
from pathlib import Path

from proxy.config.addresses import feed_url
from proxy.config.pastes import SHOWN, WARNINGS, first_line, once, pastes, why
from proxy.config.settings import Feed, Settings
from proxy.web.health import FeedCard, Paste

CLOSED = "This feed is closed: put a key that may read it in place of YOUR-KEY."


def feed_cards(settings: Settings, base_url: str) -> Sequence[FeedCard]:
    """Return what the page shows, in its order, with the server's URL as the client sees it."""
    return [_card(feed, feed_url(feed, settings.server, base_url), base_url) for feed in _in_order(settings)]


def banner(
    settings: Settings,
    base_url: str,
    admin_key: Path | None = None,
    *,
    listening: str = "",
    is_new: bool = False,
) -> str:
    """Return what `serve` prints once it listens; `admin_key` is where one was made just now.

    `listening` is the address that is listened on, where `base_url` is what people are given in its place; `is_new`
    says that the state was made just now, too.
    """
    lines = [f"feedgate listens at {listening or base_url}/"]
    if listening not in ("", base_url):
        lines.append(f"people reach it at {base_url}/ (server.public_url)")
    if is_new:
        lines.append(f"New data folder: there was no state in {settings.server.data_dir}")
    for feed in _in_order(settings):
        lines += [
            "",
            f"feed {feed.name} ({feed.kind}): {feed_url(feed, settings.server, base_url)}",
            f"  {first_line(feed, base_url)}",
        ]
    kinds = {feed.kind for feed in settings.feeds.values()}
    lines += ["", *(warning for kind, warning in WARNINGS.items() if kind in kinds)]
    lines += [f"The admin key was made just now: {admin_key}"] if admin_key is not None else []
    return "\n".join([*lines, "Lines for other clients: feedgate snippet FEED"])


def _in_order(settings: Settings) -> Sequence[Feed]:
    """Return curated feeds first: they are what developers are meant to use."""
    return sorted(settings.feeds.values(), key=lambda feed: not feed.curated_from)


def _card(feed: Feed, url: str, base_url: str) -> FeedCard:
    missing = why(feed, base_url)
    texts = once(pastes(feed, base_url), WARNINGS[feed.kind], missing)
    shown = tuple(Paste(client, texts[client]) for client in SHOWN[feed.kind])
    note = WARNINGS[feed.kind] if feed.anonymous else f"{CLOSED} {WARNINGS[feed.kind]}"
    return FeedCard(feed.name, feed.kind, url, shown, f"{note} {missing}")
