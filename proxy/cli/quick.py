"""The short way to `serve`: its usual spelling read without the command-line library, and the start itself.

`parse` understands `serve` with its options, each once and with a value, and nothing else. What it does not
understand is not an error here: the full program (`serve.py`) explains it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from proxy.cli.output import fail, print_notes, refuse

#: Option -> the setting that it overrides.
OPTIONS: Mapping[str, str] = {
    "--host": "server.host",
    "--port": "server.port",
    "--workers": "server.workers",
    "--data-dir": "server.data_dir",
    "--public-url": "server.public_url",
    "--log-level": "log.level",
    "--log-format": "log.format",
}
_CONFIG = "--config"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of `serve`: the file asked for and the settings of the command line."""

    config: str | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    as_json: bool = False


def parse(argv: Sequence[str]) -> Call | None:
    """Return the call, or None if the words are anything but plain `serve`."""
    words = list(argv)
    if words.count("serve") != 1:
        return None
    words.remove("serve")
    given: dict[str, str] = {}
    while words:
        option, equals, value = words.pop(0).partition("=")
        if option not in OPTIONS and option != _CONFIG:
            return None
        if not equals:
            value = words.pop(0) if words else ""
        if option in given or not value or value.startswith("-"):
            return None
        given[option] = value
    config = given.pop(_CONFIG, None)
    return Call(config, {OPTIONS[option]: value for option, value in given.items()})


def serve(call: Call) -> int:
    """Load the settings and run the server until it is told to stop."""
    from proxy.config.faults import ConfigError
    from proxy.config.load import DEFAULT_FILE, Request, load
    from proxy.state.declared import read_stored
    from proxy.state.errors import StateError

    try:
        config = load(Request.here(call.config, call.overrides, stored=read_stored))
    except ConfigError as err:
        return refuse(err, as_json=call.as_json)
    except StateError as err:
        return fail(str(err), as_json=call.as_json)
    print_notes(config.notes)
    if config.path is None:
        folder = config.request.cwd
        print_notes(
            [f"there is no {DEFAULT_FILE} in {folder}; only built-in defaults and the environment count"]
        )
    from proxy.process import run

    return run(config.settings, config)
