"""`feedgate snippet FEED`: the lines to paste into a client's settings."""

from typing import Annotated

import typer

from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.output import USAGE, fail, print_json
from proxy.config.addresses import feed_url
from proxy.config.faults import nearest, quote
from proxy.config.pastes import WARNINGS, pastes, warned_once
from proxy.config.settings import Feed, Settings


def snippet(
    context: typer.Context,
    feed: Annotated[str, typer.Argument(help="The feed's name.")],
    client: Annotated[str | None, typer.Option("--client", help="Only this client's lines.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Print the lines that make clients install from a feed."""
    settings = load_or_exit(context, config, as_json=as_json).settings
    found = find_feed(settings, feed, as_json=as_json)
    texts = pastes(found, settings.server.base_url())
    if client is not None:
        if client not in texts:
            message = f"there are no lines for {quote(client)}; there are for {', '.join(texts)}"
            raise typer.Exit(_usage(message, as_json=as_json))
        texts = {client: texts[client]}
    if as_json:
        print_json({"feed": found.name, "url": feed_url(found, settings.server), "snippets": texts})
        return
    shown = warned_once(found, texts)
    parts = [f"# {WARNINGS[found.kind]}", *(f"# {name}\n{text.rstrip()}" for name, text in shown.items())]
    print("\n\n".join(parts))


def find_feed(settings: Settings, name: str, *, as_json: bool) -> Feed:
    """Return the feed of that name or alias; leave with status 2 if there is none."""
    for feed in settings.feeds.values():
        if name == feed.name or name in feed.aliases:
            return feed
    message = f"there is no feed {quote(name)}{nearest(name, settings.feeds)}"
    raise typer.Exit(_usage(message, as_json=as_json))


def _usage(message: str, *, as_json: bool) -> int:
    fail(message, as_json=as_json)
    return USAGE
