"""`feedgate explain FEED THING`: why can I not get X? Or: what of X can I get?"""

from typing import Annotated, Any

import typer

from proxy.cli.asking import AskFailed, CaFile, Key, Refused, ServerUrl, Whom, asking, segment
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.output import fail, print_json, print_notes, print_state, until_in_words
from proxy.cli.packages import change_told
from proxy.cli.waiting import waiting
from proxy.config.faults import printable

_LIMIT = 20


def explain(
    context: typer.Context,
    feed: Annotated[str, typer.Argument(help="The feed's name.")],
    thing: Annotated[str, typer.Argument(help="A file's name, a MatchSpec or a requirement.")],
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many files.")] = _LIMIT,
    server: ServerUrl = None,
    key: Key = None,
    ca: CaFile = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a feed lets a package through, and if not, which rule stops it, why, and until when."""
    path = f"/feeds/{segment(feed)}/explain"
    try:
        with (
            asking(Whom(server, ca, key), lambda: load_or_exit(context, config, as_json=as_json)) as get,
            waiting(get, feed, f"asking {feed} about {thing}", is_quiet=as_json),
        ):
            document = get(path, {"spec": thing, "limit": str(limit)})
    except (AskFailed, Refused) as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if as_json:
        print_json(document)
        return
    for item in document["items"]:
        _show(item)
    if document["next"] is not None:
        print_notes(["there are more, of older versions; --limit shows more of them"])


#: What a fact is called where people read it, if its name alone says too little.
_WORDS = {
    "is_initial": "listed since the feed began",
    "uploaded_at": "uploaded",
    "first_seen_at": "first seen",
    "license": "licence",
    "license_family": "licence family",
    "license_classifiers": "licence classifiers",
    "requires_python": "needs Python",
}


def _show(item: dict[str, Any]) -> None:
    print_state(f"{item['artifact']}: ", _decided(item))
    print(printable(f"  {item['reason']}"))
    if item.get("change"):
        print(f"  {change_told(item['change'])}")
    for finding in item["findings"]:
        if (finding["rule"], finding["reason"]) != (item["rule"], item["reason"]):
            print(printable(f"  also {finding['rule']} ({finding['outcome']}): {finding['reason']}"))
    facts = ", ".join(
        f"{_WORDS.get(name, name)} {_told(value)}".rstrip() for name, value in item["facts"].items() if value
    )
    if facts:
        print(printable(f"  ({facts})"))


def _decided(item: dict[str, Any]) -> str:
    if item["outcome"] == "absent":
        return f"not there ({item['rule']})"
    if item.get("change") and item["outcome"] == "hold":
        return "held: changed at its origin"
    if item["outcome"] == "allow" and item["rule"] == "open":
        return "allowed"
    done = {"allow": "allowed", "warn": "shown with a warning", "hold": "held", "block": "blocked"}
    policy = f" of policy {item['policy']}" if item["policy"] is not None else ""
    return f"{done[item['outcome']]} by {item['rule']}{policy} {until_in_words(item['until'])}".rstrip()


def _told(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is True else str(value)
