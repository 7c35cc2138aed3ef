"""`feedgate snippet FEED`: the lines to paste into a client's settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from proxy.cli.asking import AskFailed, CaFile, Key, Refused, ServerUrl, Whom, asking, segment
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.output import USAGE, fail, print_json
from proxy.config.addresses import feed_url
from proxy.config.faults import nearest, quote
from proxy.config.pastes import WARNINGS, once, pastes, why
from proxy.config.settings import Feed, Settings


def snippet(
    context: typer.Context,
    feed: Annotated[str, typer.Argument(help="The feed's name.")],
    client: Annotated[str | None, typer.Option("--client", help="Only this client's lines.")] = None,
    server: ServerUrl = None,
    key: Key = None,
    ca: CaFile = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Print the lines that make clients install from a feed."""
    told = ask_lines(context, feed, Whom(server, ca, key), config, as_json=as_json)
    name, url, notes, texts = told.feed, told.url, (told.warning, told.why), told.texts
    if client is not None:
        if client not in texts:
            message = f"there are no lines for {quote(client)}; there are for {', '.join(texts)}"
            raise typer.Exit(_usage(message, as_json=as_json))
        texts = {client: texts[client]}
    if as_json:
        print_json({"feed": name, "url": url, "snippets": texts})
        return
    shown = once(texts, *notes)
    parts = [
        "\n".join(f"# {note}" for note in notes),
        *(f"# {name}\n{text.rstrip()}" for name, text in shown.items()),
    ]
    print("\n\n".join(parts))


@dataclass(frozen=True, slots=True)
class Lines:
    """A feed's lines to paste: client -> text, what would get around the feed, where a person reads what it hides."""

    feed: str
    url: str
    warning: str
    why: str
    texts: Mapping[str, str]


def ask_lines(context: typer.Context, feed: str, whom: Whom, config: str | None, *, as_json: bool) -> Lines:
    """Return the lines as the named server tells them, else by the settings here; leaves where there are none."""
    if whom.url is not None:
        try:
            with asking(whom, lambda: load_or_exit(context, config, as_json=as_json)) as api:
                told = api(f"/feeds/{segment(feed)}/snippets", {"limit": "1000"})
        except (AskFailed, Refused) as err:
            raise typer.Exit(fail(str(err), as_json=as_json)) from err
        texts = {item["client"]: item["text"] for item in told["items"]}
        return Lines(told["feed"], told["url"], told["warning"], told["why"], texts)
    settings = load_or_exit(context, config, as_json=as_json).settings
    found = find_feed(settings, feed, as_json=as_json)
    base_url = settings.server.base_url()
    return Lines(
        found.name, feed_url(found, settings.server), WARNINGS[found.kind], why(found, base_url),
        dict(pastes(found, base_url)),
    )  # fmt: skip


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
