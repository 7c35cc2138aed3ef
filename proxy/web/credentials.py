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
#: What stands for something that cannot be a key.
WRONG = ""


def presented(headers: MultiMapping[str], params: Mapping[str, str]) -> str | None:
    """Return the value of the key, WRONG for what cannot be one, None where there is none."""
    value = _raw(headers, params)
    return value if value is None or is_key(value) else WRONG


def _raw(headers: MultiMapping[str], params: Mapping[str, str]) -> str | None:
    token = params.get("token")
    if token is not None:
        return token
    lines = headers.getall(X_API_KEY, ())
    if lines:
        return lines[0].strip() if len(lines) == 1 else WRONG
    lines = headers.getall(AUTHORIZATION, ())
    if lines:
        return _of_authorization(lines[0]) if len(lines) == 1 else WRONG
    return None


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
