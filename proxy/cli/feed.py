"""`feedgate feed …`: the feeds of the settings."""

import typer

from proxy.cli.declared import add_commands
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.output import print_json, print_notes, print_table
from proxy.cli.packages import packages
from proxy.config.addresses import feed_url
from proxy.config.load import DEFAULT_FILE
from proxy.config.settings import Feed, Server, Upstream
from proxy.config.urls import is_folder
from proxy.model.redact import origin_of

commands = typer.Typer(help="The feeds.", no_args_is_help=True)


@commands.callback()
def before() -> None:
    """The feeds."""


commands.command("packages")(packages)
add_commands(commands, "feeds", with_show=True)


@commands.command("list")
def list_feeds(context: typer.Context, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the feeds with their URLs and where they take from."""
    loaded = load_or_exit(context, config, as_json=as_json)
    settings, feeds = loaded.settings, loaded.settings.feeds.values()
    if as_json:
        print_json([_as_json(feed, settings.server) for feed in feeds])
        return
    if not feeds:
        where = (
            f"{loaded.path} has no feed" if loaded.path else f"there is no {DEFAULT_FILE} here and so no feed"
        )
        print_notes(
            [f"{where}: add a [feeds.NAME] table, start from `feedgate init`, or name a file with --config"]
        )
    rows = [[feed.name, feed.kind, feed_url(feed, settings.server), _sources(feed)] for feed in feeds]
    print_table(["NAME", "KIND", "URL", "FROM"], rows)


def _source(upstream: Upstream) -> str:
    return (
        f"feed {upstream.feed}"
        if upstream.feed
        else ", ".join(str(url) if is_folder(url) else origin_of(url.reveal()) for url in upstream.urls)
    )


def _sources(feed: Feed) -> str:
    offline = " (offline)" if feed.offline else ""
    approved = [f"approved from {', '.join(feed.curated_from)}"] if feed.curated_from else []
    return "; ".join([*(_source(upstream) for upstream in feed.upstreams), *approved]) + offline


def _as_json(feed: Feed, server: Server) -> dict[str, object]:
    return {
        "name": feed.name,
        "kind": feed.kind,
        "url": feed_url(feed, server),
        "aliases": list(feed.aliases),
        "offline": feed.offline,
        "curated_from": list(feed.curated_from),
        "upstreams": [
            {"id": upstream.id, "feed": upstream.feed, "urls": [str(url) for url in upstream.urls]}
            for upstream in feed.upstreams
        ],
    }
