"""The body of a request to the management API: JSON of the type that the handler takes, or a problem that says why not.

415 for another media type (a form of a foreign page can send text/plain, but not JSON: E09), 413 for too much, 422 with
all that is known to be wrong in `faults`, each `{"key", "message"}` with the place inside the body.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from proxy.model.problem import Problem
from proxy.web.inbound import Inbound

MAX_BYTES = 1024 * 1024
_MEDIA_TYPES = ("application/json", "application/merge-patch+json")


def check_own(request: Inbound) -> None:
    """Refuse a change that a page of another site makes a person's browser ask for (E09)."""
    site, origin = request.header("Sec-Fetch-Site"), request.header("Origin")
    own = "/".join(request.base_url.split("/")[:3])
    if site not in (None, "same-origin", "none") or (origin is not None and origin.lower() != own.lower()):
        raise Problem("forbidden", "a page of another site may not change anything here")


async def read_body(request: Inbound, wanted: Any, *, max_bytes: int = MAX_BYTES) -> Any:
    """Return the body as a value of the type. Raises Problem."""
    given = (request.header("Content-Type") or "").partition(";")[0].strip().lower()
    if given not in _MEDIA_TYPES:
        raise Problem("unsupported-media-type", "the body must be JSON: send Content-Type: application/json")
    return parse_body(await request.read_body(max_bytes), wanted)


def parse_body(body: bytes, wanted: Any) -> Any:
    """Return a body as a value of the type. Raises Problem."""
    try:
        return msgspec.json.decode(body, type=wanted)
    except msgspec.ValidationError as err:
        message, _, place = str(err).partition(" - at `")
        raise refused([(place.strip("`").removeprefix("$").removeprefix("."), message)]) from err
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise Problem("unprocessable", "the body is not JSON") from err


def refused(faults: Iterable[tuple[str, str]]) -> Problem:
    """Return the problem of a body with faults, each (place inside it, what is wrong)."""
    told = [{"key": key, "message": message} for key, message in faults]
    first = " ".join(
        part for part in (f"{told[0]['key']}:" if told[0]["key"] else "", told[0]["message"]) if part
    )
    more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
    return Problem("unprocessable", f"{first}{more}", more={"faults": told})
