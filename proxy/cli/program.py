"""The whole command line: every command in its own file, put together here.

Exit status: 0 done, 1 refused or failed, 2 usage or configuration.
"""

import os
import traceback
from collections.abc import Sequence
from pathlib import Path

import typer

import proxy
from proxy.cli import (
    accept,
    approvals,
    audit,
    backup,
    cache,
    check_config,
    client,
    doctor,
    explain,
    feed,
    init,
    key,
    policy,
    promote,
    reload,
    route,
    serve,
    snippet,
)
from proxy.cli.group import Group, told
from proxy.cli.options import Before, ConfigFile, DataDir
from proxy.cli.output import fail

#: Set, a mistake is shown whole.
_TRACEBACK = "FEEDGATE_TRACEBACK"

program = typer.Typer(
    name="feedgate",
    cls=Group,
    help="A package gateway: verified, cached feeds for conda and PyPI clients.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"feedgate {proxy.__version__}")
        raise typer.Exit


@program.callback()
def before(
    context: typer.Context,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Remember what is named before the command."""
    context.obj = Before(config, data_dir)


program.command("init")(init.init)
program.command("serve")(serve.serve)
program.command("reload")(reload.reload)
program.command("check-config")(check_config.check_config)
program.command("snippet")(snippet.snippet)
program.command("doctor")(doctor.doctor)
program.command("audit")(audit.audit)
program.command("backup")(backup.backup)
program.command("restore")(backup.restore)
program.command("explain")(explain.explain)
program.command("promote")(promote.promote)
program.command("accept")(accept.accept)
program.command("approvals")(approvals.approvals)
program.command("revoke")(approvals.revoke)
program.add_typer(client.commands, name="client")
program.add_typer(feed.commands, name="feed")
program.add_typer(policy.commands, name="policy")
program.add_typer(route.commands, name="route")
program.add_typer(key.commands, name="key")
program.add_typer(cache.commands, name="cache")


def run(argv: Sequence[str]) -> int:
    """Run the words as a command and return its exit status."""
    try:
        program(list(argv), prog_name="feedgate")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except OSError as err:
        return fail(told(err), as_json="--json" in argv)
    except Exception as err:
        if os.environ.get(_TRACEBACK):
            raise
        return fail(_mistake(err), as_json="--json" in argv)
    return 0


def _mistake(err: Exception) -> str:
    """Return one line about what should not have happened, and how to see more of it."""
    at = traceback.extract_tb(err.__traceback__)[-1]
    return (
        f"a mistake in feedgate, or an answer that it does not understand: {type(err).__name__} at"
        f" {Path(at.filename).name}:{at.lineno}; please report it with what {_TRACEBACK}=1 shows"
    )
