"""Entity tags of named things: whoever changes one says which state of it was seen (contract, section 5; F05).

`If-Match` is needed for a change of what exists (428 without, 412 for another state than the one there is); `*` means
"whatever it is now". `If-None-Match: *` makes a PUT that only creates.
"""

from proxy.model.problem import Problem
from proxy.web.inbound import Inbound

CHANGES = {"If-Match": True}


def quoted(tag: str) -> str:
    return f'"{tag}"'


def check_match(request: Inbound, tag: str, what: str) -> None:
    """Refuse a change by somebody who has not seen the thing as it is now."""
    given = request.header("If-Match")
    if given is None:
        detail = f"say which state of {what} was seen: send If-Match with the ETag that a GET of it gives"
        raise Problem("precondition-required", detail)
    if not _names(given, tag):
        raise Problem("precondition-failed", f"{what} was changed meanwhile; read it again")


def check_absent(request: Inbound, tag: str, what: str) -> None:
    """Refuse a change that was to create a thing that is there."""
    given = request.header("If-None-Match")
    if given is not None and _names(given, tag):
        raise Problem("precondition-failed", f"{what} is there already")


def check_expected(request: Inbound, what: str) -> None:
    """Refuse the creation of a thing that the client expects to be there."""
    if request.header("If-Match") is not None:
        raise Problem("precondition-failed", f"{what} is not there (any more)")


def _names(field: str, tag: str) -> bool:
    given = [part.strip() for part in field.split(",")]
    return "*" in given or quoted(tag) in given
