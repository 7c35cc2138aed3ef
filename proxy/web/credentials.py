"""The key that a request carries (contract, section 5): `/t/KEY/`, `X-ApiKey`, Bearer, or Basic with any user.

The most explicit place counts, in that order, and no other is looked at then: tools add what a netrc file has for the
host to whatever a person wrote into the URL.
"""

import base64
import binascii
from collections.abc import Mapping

from multidict import MultiMapping, istr

from proxy.model.key_value import is_key

AUTHORIZATION = istr("Authorization")
X_API_KEY = istr("X-ApiKey")
#: Where a key stands, and the line as it came.
Line = tuple[str, str]
#: What stands for something that cannot be a key.
WRONG = ""


def key_line(headers: MultiMapping[str], params: Mapping[str, str]) -> Line | None:
    """Return the place that counts and what stands there as it came, None where nothing does."""
    token = params.get("token")
    if token is not None:
        return "t", token
    for name in (X_API_KEY, AUTHORIZATION):
        if name in headers:
            lines = headers.getall(name)
            return name, lines[0] if len(lines) == 1 else WRONG
    return None


def presented(headers: MultiMapping[str], params: Mapping[str, str]) -> str | None:
    """Return the value of the key, WRONG for what cannot be one, None where there is none."""
    line = key_line(headers, params)
    if line is None:
        return None
    name, text = line
    value = _of_authorization(text) if name == AUTHORIZATION else text if name == "t" else text.strip()
    return value if is_key(value) else WRONG


def _of_authorization(line: str) -> str:
    scheme, _, rest = line.strip().partition(" ")
    match scheme.lower():
        case "bearer":
            return rest.strip()
        case "basic":
            return _password(rest.strip())
    return WRONG


def _password(encoded: str) -> str:
    """Return the password of Basic credentials (RFC 7617); a user name has no colon, a password may."""
    try:
        decoded = base64.b64decode(encoded, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return WRONG
    return decoded.partition(":")[2]
