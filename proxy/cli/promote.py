"""`feedgate promote`: approve artifacts for a curated feed, see what that means first, wait for their bytes."""

from typing import Annotated, Any

import typer

from proxy.cli.asking import Api, AskFailed, CaFile, Key, Refused, ServerUrl, Whom, asking, segment
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.output import (
    FAILED,
    USAGE,
    fail,
    print_error,
    print_json,
    print_notes,
    print_table,
    rounded,
    until_in_words,
)
from proxy.cli.progress import progress, so_far
from proxy.cli.waiting import waiting
from proxy.config.faults import printable

Words = list[str] | None
_POLL_S = 0.5
_VIRTUAL = "conda: what your machines have, such as __archspec=1=x86_64_v3; NAME= for what they lack."


def promote(
    context: typer.Context,
    target: Annotated[str, typer.Argument(help="The curated feed.")],
    specs: Annotated[Words, typer.Argument(help="What to promote: the newest version of each spec.")] = None,
    source: Annotated[str | None, typer.Option("--from", metavar="FEED", help="Where from, if not obvious.")] = None,
    artifact: Annotated[Words, typer.Option(metavar="FILE", help="One file: subdir/file, or a PyPI file.")] = None,
    every: Annotated[bool, typer.Option("--all-versions", help="All versions instead of the newest.")] = False,
    platform: Annotated[Words, typer.Option(metavar="P", help="For this platform, such as linux-64.")] = None,
    python: Annotated[Words, typer.Option(metavar="V", help="For this Python, such as 3.12.")] = None,
    virtual: Annotated[Words, typer.Option("--virtual-package", metavar="NAME=VERSION=BUILD", help=_VIRTUAL)] = None,
    deps: Annotated[bool, typer.Option("--with-dependencies", help="And all they need there.")] = False,
    digest: Annotated[Words, typer.Option(metavar="FILE=SHA256", help="What was seen; else refuse.")] = None,
    comment: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept in the history.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be promoted.")] = False,
    once: Annotated[str | None, typer.Option("--once", metavar="KEY", help="The same KEY promotes once.")] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the bytes.")] = False,
    server: ServerUrl = None, key: Key = None, ca: CaFile = None, config: ConfigFile = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Approve artifacts of another feed for a curated one: all of them, or none."""
    body: dict[str, Any] = {
        "specs": specs or [], "artifacts": artifact or [], "versions": "all" if every else "newest",
        "platforms": platform or [], "python_versions": python or [], "include_dependencies": deps,
        **({"virtual_packages": virtual} if virtual else {}),
        "digests": dict(_digest(each, as_json) for each in digest or ()), "comment": comment, "dry_run": dry_run,
    }  # fmt: skip
    path = f"/feeds/{segment(target)}"
    fields = {"Idempotency_Key": once} if once is not None else {}
    try:
        with asking(Whom(server, ca, key), lambda: load_or_exit(context, config, as_json=as_json)) as api:
            feed = api(path)["settings"]
            body["from"] = source if source is not None else _source(api, target, feed, as_json)
            what = f"finding out what this means for {target}"
            with waiting(api, str(body["from"]), what, is_quiet=as_json):
                document = api.send("POST", f"{path}/promotions", body, None, **fields).document
            waits = feed["fetch"] == "eager" and not (dry_run or no_wait)
            failed = _waited(api, path, document, is_quiet=as_json) if waits else {}
    except Refused as err:
        raise typer.Exit(refuse(err, as_json=as_json)) from err
    except AskFailed as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if as_json:
        print_json(document)
        return
    _show(document)
    print_notes(f"{name} is approved, but its bytes did not come yet: {why}" for name, why in failed.items())


def refuse(err: Refused, *, as_json: bool, done: str = "promoted") -> int:
    """Print all that was refused; what is wrong with the words themselves is wrong usage."""
    faults, refused = err.document.get("faults"), err.document.get("artifacts")
    if as_json:
        print_json({"ok": False, "error": err.message, "errors": faults or [], "artifacts": refused or []})
        return USAGE if faults else FAILED
    if isinstance(faults, list):
        for fault in faults:
            print_error(f"{fault['key']}: {fault['message']}" if fault["key"] else fault["message"])
        return USAGE
    if not isinstance(refused, list):
        return fail(err.message)
    print_error(f"nothing was {done}: {len(refused)} refused" if refused else err.message)
    for each in refused:
        until = f" ({until_in_words(each['until'])})" if each["until"] else ""
        print_error(f"{each.get('spec') or each.get('artifact')}: {each['outcome']}: {each['reason']}{until}")
    return FAILED


def _digest(text: str, as_json: bool) -> tuple[str, str]:
    name, equals, digest = text.rpartition("=")
    if not equals or not name:
        fail(f"--digest {text}: write FILE=SHA256", as_json=as_json)
        raise typer.Exit(USAGE)
    return name, digest


def _source(api: Api, target: str, feed: dict[str, Any], as_json: bool) -> str:
    """Return the feed that a curated one is promoted from, where there is only one that this key may read."""
    sources: list[str] = feed["curated_from"]
    if len(sources) == 1:
        return sources[0]
    if sources:
        fail(f"say which feed with --from: {', '.join(sources)}", as_json=as_json)
        raise typer.Exit(USAGE)
    try:
        # Who may not read a source is told of none, so the list does not tell whether there is one.
        api(f"/feeds/{segment(target)}/promotions", {"limit": "1"})
    except Refused as err:
        fail(str(err.document["detail"]) if err.word == "unprocessable" else err.message, as_json=as_json)
        raise typer.Exit(USAGE if err.word == "unprocessable" else FAILED) from err
    told = (
        f"promoting for {target} needs a key with promote on it and read on the feed that it is approved from: "
        "name one with --key or FEEDGATE_KEY"
    )
    raise typer.Exit(fail(told, as_json=as_json))


def _waited(api: Api, path: str, document: dict[str, Any], *, is_quiet: bool) -> dict[str, str]:
    """Wait until the bytes are here; return what did not come, and why."""
    sizes = {item["artifact"]: item["size"] or 0 for item in document["artifacts"] if item["bytes"] != "held"}
    failed: dict[str, str] = {}
    of_size = sum(sizes.values())
    with progress("fetching what was approved", is_quiet=is_quiet or not sizes) as bar:
        while True:
            pending = api.listed(f"{path}/approvals", {"state": "pending"})["items"]
            missing = {item["artifact"]: item for item in pending if item["artifact"] in sizes}
            failed = {name: item["failure"] for name, item in missing.items() if item["bytes"] == "failed"}
            size = of_size - sum(
                sizes[name] - min(sizes[name], item["arrived_bytes"]) for name, item in missing.items()
            )
            more = so_far(len(sizes) - len(missing), len(sizes), size, of_size)
            bar.tell(done=size, total=of_size, more=f"{more}, {len(failed)} failed" if failed else more)
            if len(failed) == len(missing):
                return failed
            api.pause(_POLL_S)


def _show(document: dict[str, Any]) -> None:
    rows = [
        [
            item["artifact"], item["state"] + (" (was revoked)" if "revoked" in item else ""), item["why"],
            rounded(item["size"]) if item["size"] is not None else "", item["sha256"],
        ]
        for item in document["artifacts"]
    ]  # fmt: skip
    print_table(["FILE", "STATE", "WHY", "SIZE", "SHA256"], rows)
    print_notes(f"left out: {each['artifact']}: {each['reason']}" for each in document.get("left_out", ()))
    new = sum(item["state"] == "new" for item in document["artifacts"])
    if document["dry_run"]:
        print_notes([f"a dry run: {new} would be approved for {document['target']}"])
    else:
        print(
            printable(
                f"{new} approved for {document['target']} from {document['from']}: promotion {document['id']}"
            )
        )
