"""What every command has in common: what ends it in the middle is one line, whichever command it was."""

import errno
from typing import Any

import typer
from typer.core import TyperGroup

from proxy.cli.asking import AskFailed, Refused
from proxy.cli.output import fail, refuse
from proxy.config.faults import ConfigError
from proxy.state.errors import StateError


class Group(TyperGroup):
    """The whole program."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; tell what it did not tell itself."""
        words = [*ctx._protected_args, *ctx.args]
        as_json = "--json" in words
        try:
            return super().invoke(ctx)
        except ConfigError as err:
            raise typer.Exit(refuse(err, as_json=as_json)) from err
        except (AskFailed, Refused, StateError) as err:
            raise typer.Exit(fail(str(err), as_json=as_json)) from err
        except OSError as err:
            if err.errno == errno.EPIPE:
                raise  # nobody reads any more
            raise typer.Exit(fail(told(err), as_json=as_json)) from err


def told(err: OSError) -> str:
    """Return what the system refused, where, and what to do."""
    # What is written to a stream has no name.
    where = f"{err.filename}: " if err.filename else "the output, or a file: "
    match err.errno:
        case errno.ENOSPC | errno.EDQUOT:
            what = "make room on the disk, then try again"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            what = "run the command as the user that it belongs to, or give this one the right"
        case errno.EMFILE | errno.ENFILE:
            what = "allow more open files (ulimit -n 4096)"
        case _:
            what = ""
    return f"{where}{err.strerror or type(err).__name__}" + (f"; {what}" if what else "")
