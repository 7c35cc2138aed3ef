"""`feedgate feed …`: the feeds of the settings, or of the server that is named."""

from typing import Annotated, Any

import typer

from proxy.cli.asking import AskFailed, CaFile, Key, Refused, ServerUrl, Whom, asking, segment
from proxy.cli.declared import FromFile, Name, Sets, add_commands, calling, read_document, tell
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.output import USAGE, fail, print_json, print_notes, print_table
from proxy.cli.owners import owners
from proxy.cli.packages import packages
from proxy.config.addresses import feed_url
from proxy.config.load import DEFAULT_FILE
from proxy.config.settings import Feed, Server
from proxy.model.redact import origin_of

commands = typer.Typer(help="The feeds.", no_args_is_help=True)


@commands.callback()
def before() -> None:
    """The feeds."""


commands.command("packages")(packages)
commands.command("owners")(owners)
add_commands(commands, "feeds", with_show=True)


@commands.command("create")
def create(
    context: typer.Context,
    name: Name,
    kind: Annotated[str | None, typer.Option(help="conda or pypi.")] = None,
    source: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="Where it takes from; several: in their order.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="SPEC", help="Show these packages alone: a policy of the feed's name says so."),
    ] = None,
    proxy: Annotated[str | None, typer.Option(metavar="URL", help="The proxy on the way there.")] = None,
    policy: Annotated[str | None, typer.Option(metavar="NAME", help="The policy that filters it.")] = None,
    sets: Sets = None,
    file: FromFile = None,
    server: ServerUrl = None,
    key: Key = None,
    ca: CaFile = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a feed."""
    given = {"kind": kind, "policy": policy, "upstreams": [_upstream(url, proxy) for url in source or ()]}
    wrong = (
        "--only makes a policy, and --policy names another: give one of them" if only and policy
        else "--proxy is on the way to a --source: give one" if proxy and not source
        else None
    )  # fmt: skip
    if wrong is not None:
        fail(wrong, as_json=as_json)
        raise typer.Exit(USAGE)
    document = read_document(sets, None, file, as_json=as_json) | {
        key: value for key, value in given.items() if value
    }
    with calling(context, Whom(server, ca, key), config, as_json) as api:
        if only:
            api.send("POST", "/policies", {"name": name, "only": only})
            document["policy"] = name
        try:
            reply = api.send("POST", "/feeds", {**document, "name": name})
        except Refused:
            if only:
                api.send("DELETE", f"/policies/{segment(name)}", If_Match="*")
            raise
        tell(reply.document, f"feed {reply.document['name']} created", as_json)


def _upstream(url: str, proxy: str | None) -> dict[str, Any]:
    return {"url": url} | ({"route": {"proxy": proxy}} if proxy else {})


@commands.command("list")
def list_feeds(
    context: typer.Context, server: ServerUrl = None, key: Key = None, ca: CaFile = None, config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """List the feeds with their URLs and where they take from."""
    if server is not None:
        _list_feeds_of(context, Whom(server, ca, key), config, as_json=as_json)
        return
    loaded = load_or_exit(context, config, as_json=as_json)
    settings = loaded.settings
    feeds = [_as_json(feed, settings.server) for feed in settings.feeds.values()]
    if as_json:
        print_json(feeds)
        return
    if not feeds:
        where = (
            f"{loaded.path} has no feed" if loaded.path else f"there is no {DEFAULT_FILE} here and so no feed"
        )
        print_notes(
            [f"{where}: add a [feeds.NAME] table, start from `feedgate init`, or name a file with --config"]
        )
    _show(feeds)


def _list_feeds_of(context: typer.Context, whom: Whom, config: str | None, *, as_json: bool) -> None:
    """List what a server has and the key may read."""
    try:
        with asking(whom, lambda: load_or_exit(context, config, as_json=as_json)) as api:
            feeds = [_told(item) for item in api.listed("/feeds")["items"]]
    except (AskFailed, Refused) as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if as_json:
        print_json(feeds)
        return
    if not feeds:
        print_notes(["this server has no feed that may be read so; a key is given with --key"])
    _show(feeds)


def _show(feeds: list[dict[str, Any]]) -> None:
    rows = [[feed["name"], feed["kind"], feed["url"], _sources(feed)] for feed in feeds]
    print_table(["NAME", "KIND", "URL", "FROM"], rows)


def _source(upstream: dict[str, Any]) -> str:
    if upstream["feed"]:
        return f"feed {upstream['feed']}"
    return ", ".join(url if url.startswith("file:") else origin_of(url) for url in upstream["urls"])


def _sources(feed: dict[str, Any]) -> str:
    offline = " (offline)" if feed["offline"] else ""
    approved = [f"approved from {', '.join(feed['curated_from'])}"] if feed["curated_from"] else []
    return "; ".join([*(_source(upstream) for upstream in feed["upstreams"]), *approved]) + offline


def _told(item: dict[str, Any]) -> dict[str, Any]:
    """Return what a server told of a feed, as the list of the settings says it."""
    upstreams = [{key: upstream[key] for key in ("id", "feed", "urls")} for upstream in item["upstreams"]]
    keys = ("name", "kind", "url", "aliases", "offline", "curated_from")
    return {key: item[key] for key in keys} | {"upstreams": upstreams}


def _as_json(feed: Feed, server: Server) -> dict[str, Any]:
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
