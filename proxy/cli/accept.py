"""`feedgate accept FEED FILE`: take what a file's origin has made of it, in an open feed or in a curated one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from proxy.cli.asking import Api, AskFailed, CaFile, Key, Refused, ServerUrl, Whom, asking, segment
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.output import USAGE, fail, print_json
from proxy.cli.promote import refuse
from proxy.conda.names import parse_file
from proxy.config.faults import printable
from proxy.pypi.names import projects_of


def accept(
    context: typer.Context,
    feed: Annotated[str, typer.Argument(help="The feed.")],
    file: Annotated[
        str, typer.Argument(help="The file: conda subdir/file, PyPI a file name; of a curated feed an approval's id.")
    ],
    sha256: Annotated[
        str | None, typer.Option("--sha256", metavar="DIGEST", help="The digest of what the origin has by now.")
    ] = None,
    digest: Annotated[
        str | None,
        typer.Option("--digest", metavar="ALGORITHM:HEX", help="The same where the origin tells no SHA-256."),
    ] = None,
    server: ServerUrl = None, key: Key = None, ca: CaFile = None, config: ConfigFile = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Take a changed file as its origin has it by now; `explain` says what has changed."""
    if (sha256 is None) == (digest is None):
        fail("--sha256 or --digest is needed, one of them", as_json=as_json)
        raise typer.Exit(USAGE)
    given = {"sha256": sha256} if sha256 is not None else {"digest": digest}
    try:
        with asking(Whom(server, ca, key), lambda: load_or_exit(context, config, as_json=as_json)) as api:
            path = f"/feeds/{segment(feed)}"
            document = (_approval if api(path)["curated_from"] else _file)(api, path, file, given)
    except Refused as err:
        raise typer.Exit(refuse(err, as_json=as_json)) from err
    except AskFailed as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if as_json:
        print_json(document)
        return
    taken = document["sha256"] or document.get("digest")
    print(printable(f"accepted {document['artifact']} of {feed} as its origin has it by now: {taken}"))


def approval_of(api: Api, path: str, wanted: str) -> dict[str, Any]:
    """Return the active approval of a file, or the one of an id. Raises AskFailed, Refused."""
    items: list[dict[str, Any]] = api.listed(path, {"q": wanted, "state": "active"})["items"]
    found = next((item for item in items if item["artifact"] == wanted), None)
    if found is not None:
        return found
    try:
        return api(f"{path}/{segment(wanted)}")
    except Refused as err:
        if err.word != "unknown":
            raise
        raise AskFailed(f"there is no active approval of {wanted}; `feedgate approvals` lists them") from err


def _approval(api: Api, path: str, file: str, given: Mapping[str, str | None]) -> dict[str, Any]:
    if given.get("sha256") is None:
        raise AskFailed("a curated feed takes a file by its SHA-256: --sha256")
    one = approval_of(api, f"{path}/approvals", file)
    return api.send("POST", f"{path}/approvals/{one['id']}/accept", dict(given)).document


def _file(api: Api, path: str, file: str, given: Mapping[str, str | None]) -> dict[str, Any]:
    name, artifact = _found(api, path, file)
    body = {"artifact": artifact, **given}
    return api.send("POST", f"{path}/packages/{segment(name)}/accept", body).document


def _found(api: Api, path: str, file: str) -> tuple[str, str]:
    """Return the name of the package that has the file, and how the feed calls the file. Raises AskFailed, Refused."""
    for name in _names_of(file):
        try:
            items: Sequence[dict[str, Any]] = api(f"{path}/packages/{segment(name)}")["items"]
        except Refused as err:
            if err.word != "unknown":
                raise
            continue
        found = sorted({item["artifact"] for item in items if file in (item["artifact"], item["filename"])})
        if len(found) > 1:
            raise AskFailed(f"{file} is in several subdirs; say which: {', '.join(found)}")
        if found:
            return name, found[0]
    raise AskFailed(f"this feed has no file {file}; `feedgate feed packages` lists what it has")


def _names_of(file: str) -> Iterator[str]:
    """Yield the names of packages that a file may be of, whatever the feed's kind."""
    parsed = parse_file(file.rpartition("/")[2])
    if parsed is not None:
        yield parsed.name
    yield from projects_of(file.rpartition("/")[2])
