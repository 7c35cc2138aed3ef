"""The admin key that the environment gives: FEEDGATE_ADMIN_KEY, or FEEDGATE_ADMIN_KEY_FILE (contract, section 5)."""

from collections.abc import Mapping
from pathlib import Path

from proxy.config.faults import Fault, RefusedError
from proxy.config.layers import text_of
from proxy.model.key_value import why_refused
from proxy.model.redact import Secret

NAME = "FEEDGATE_ADMIN_KEY"
IN_FILE = f"{NAME}_FILE"


def read_admin_key(environ: Mapping[str, str], cwd: Path) -> Secret | Fault | None:
    """Return the key, None where none is given, or what is wrong; a fault never repeats the value."""
    if NAME in environ and IN_FILE in environ:
        return Fault(NAME, f"is given twice, here and by {IN_FILE}", "environment")
    name = IN_FILE if IN_FILE in environ else NAME
    try:
        text = text_of(Path(cwd, environ[IN_FILE])) if IN_FILE in environ else environ.get(NAME)
    except RefusedError as err:
        return Fault(name, "; ".join(why for _, why in err.parts), "environment")
    if text is None:
        return None
    why = why_refused(text)
    return (
        Secret(text)
        if why is None
        else Fault(name, f"{why}; nothing is served with such a key", "environment")
    )
