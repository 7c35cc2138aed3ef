"""Credentials for an origin: exactly one of basic, bearer, header, token and netrc (contract, section 1)."""

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit, urlunsplit

from proxy.config import kinds
from proxy.config.faults import RefusedError, describe, nearest
from proxy.config.layers import Given
from proxy.config.secrets import read_secret
from proxy.config.settings import Auth
from proxy.model.redact import Secret, SecretUrl

KINDS = ("basic", "bearer", "header", "token", "netrc")
#: Headers that the outbound door itself decides; a credential has no business there.
_TAKEN = {
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "accept-encoding",
    "range",
    "cookie",
    "via",
}


def read_auth(given: Given, environ: Mapping[str, str]) -> Auth | None:
    """Return the credentials, None for `{ netrc = false }`; raise RefusedError."""
    if not isinstance(given.value, dict):
        raise RefusedError.because(
            f"must be a table such as {{ basic = [user, secret] }}, not {describe(given.value)}"
        )
    unknown = [name for name in given.value if name not in KINDS]
    if unknown:
        raise RefusedError(*((f".{name}", "is not known" + nearest(name, KINDS)) for name in unknown))
    if len(given.value) != 1:
        raise RefusedError.because(f"needs exactly one of {', '.join(KINDS)}")
    ((kind, value),) = given.value.items()
    try:
        return _read_kind(kind, given.part(value), environ)
    except RefusedError as err:
        raise RefusedError(*((f".{kind}{where}", why) for where, why in err.parts)) from err


def _read_kind(kind: str, given: Given, environ: Mapping[str, str]) -> Auth | None:
    if kind == "netrc":
        return Auth("netrc") if kinds.BOOLEAN.read(given, environ) else None
    if kind in ("bearer", "token"):
        secret = read_secret(given, environ)
        if not secret.reveal().isascii() or " " in secret.reveal():
            raise RefusedError.because("must be ASCII without blanks")
        if kind == "token" and "/" in secret.reveal():
            raise RefusedError.because("must not hold '/'")
        return Auth(kind, secret=secret)
    name, secret = _pair(kind, given, environ)
    return Auth(kind, name=name, secret=secret)


def _pair(kind: str, given: Given, environ: Mapping[str, str]) -> tuple[str, Secret]:
    first = "user" if kind == "basic" else "name"
    if not isinstance(given.value, list) or len(given.value) != 2:
        raise RefusedError.because(f"must be a list [{first}, secret]")
    refused: list[tuple[str, str]] = []
    name, secret = "", Secret("")
    try:
        name = (
            _basic_user(given.part(given.value[0]))
            if kind == "basic"
            else _header(given.part(given.value[0]))
        )
    except RefusedError as err:
        refused += (("[0]" + where, why) for where, why in err.parts)
    try:
        secret = read_secret(given.part(given.value[1]), environ)
    except RefusedError as err:
        refused += (("[1]" + where, why) for where, why in err.parts)
    if refused:
        raise RefusedError(*refused)
    return name, secret


def _basic_user(given: Given) -> str:
    """Return a user name, which may be empty: some indexes want only a token as the password."""
    if given.value == "":
        return ""
    user = kinds.text_in(given)
    if ":" in user:
        raise RefusedError.because("must not hold ':' (Basic authentication cannot carry it)")
    return user


def _header(given: Given) -> str:
    name: str = kinds.TOKEN.read(given, {})
    if name.lower() in _TAKEN:
        raise RefusedError.because("this header is the server's own")
    return name


def take_userinfo(url: SecretUrl) -> tuple[SecretUrl, Auth | None]:
    """Return the URL without user and password, and these as Basic credentials."""
    parts = urlsplit(url.reveal())
    userinfo, at, address = parts.netloc.rpartition("@")
    if not at:
        return url, None
    user, _, password = userinfo.partition(":")
    bare = SecretUrl(urlunsplit((parts.scheme, address, parts.path, parts.query, "")))
    return bare, Auth("basic", name=unquote(user), secret=Secret(unquote(password)))
