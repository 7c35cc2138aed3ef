"""`feedgate reload`: make the running server read its settings anew, and say what came of it."""

from typing import Annotated

import typer

from proxy.cli import running
from proxy.cli.asking import AskFailed, CaFile, Key, Refused, ServerUrl, Whom, asking
from proxy.cli.options import AsJson, ConfigFile, DataDir, is_of_environment, load_or_exit
from proxy.cli.output import FAILED, USAGE, fail, print_error, print_json
from proxy.config.faults import printable
from proxy.config.load import Loaded


def reload(
    context: typer.Context,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    timeout: Annotated[float, typer.Option(min=0.1, max=600, help="Seconds to wait for the answer.")] = 30.0,
    server: ServerUrl = None,
    key: Key = None,
    ca: CaFile = None,
    as_json: AsJson = False,
) -> None:
    """Apply changed settings to the running server: to all of it, or, if they have an error, to nothing."""
    if server is not None and data_dir is not None and not is_of_environment(context, "server"):
        fail("--server and --data-dir name two servers; leave one out", as_json=as_json)
        raise typer.Exit(USAGE)
    if server is not None and data_dir is None:
        _over_http(Whom(server, ca, key), as_json)
        return
    settings = load_or_exit(context, config, {"server.data_dir": data_dir}, as_json=as_json).settings
    state_dir = settings.server.state_dir
    try:
        found = running.find(state_dir)
        if found is None:
            message = f"no server runs on {settings.server.data_dir}; start one with `feedgate serve`"
            raise typer.Exit(fail(message, as_json=as_json))
        answer = running.reload(found, state_dir, timeout)
    except running.NotReachableError as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if as_json:
        print_json({"ok": answer.ok, "messages": list(answer.messages)})
    for message in answer.messages if not as_json else ():
        print(message) if answer.ok else print_error(message)
    if not answer.ok:
        raise typer.Exit(FAILED)


def _over_http(whom: Whom, as_json: bool) -> None:
    """Ask a server elsewhere, which tells each fault."""
    try:
        with asking(whom, _nothing) as api:
            document = api.send("POST", "/reload").document
    except Refused as err:
        faults = [f"{fault['key']}: {fault['message']}" for fault in err.document.get("faults", ())]
        if as_json:
            print_json({"ok": False, "messages": faults or [str(err)]})
        for message in () if as_json else faults or [str(err)]:
            print_error(message)
        raise typer.Exit(FAILED) from err
    except AskFailed as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if as_json:
        print_json(document)
    for message in () if as_json else document["messages"]:
        print(printable(message))


def _nothing() -> Loaded:
    raise AssertionError("a server that is named needs no settings")
