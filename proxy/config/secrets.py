"""Secrets: a string, `{ env = "X" }` or `{ file = "path" }`, and URLs that may hold one.

A secret becomes a `Secret` or a `SecretUrl` the moment it is read, and no error here repeats what was given:
only the name of the variable or file that should have had it.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from proxy.config.faults import RefusedError, describe, nearest
from proxy.config.hosts import why_unusable
from proxy.config.layers import API, Given, text_of
from proxy.model.redact import Secret, SecretUrl

#: The outbound door asks for none above 8,000, and names are added below a base.
_LONGEST_URL = 4000
#: What to do about a password that ends the host's part of a URL too early.
ENCODED = (
    "in a user or password write '@' as %40, '/' as %2F, ':' as %3A, '?' as %3F, '#' as %23 and '%' as %25 "
    "(percent-encoding)"
)
_FORMS = 'a string, { env = "NAME" } or { file = "path" }'


class WithoutSecrets(dict[str, str]):
    """An environment in which no secret is looked up: each reads as a text that only says where it would come from.

    For commands that show settings or look for the server: they have neither the service's variables nor the right to
    read its files, and no business with either. What is read so is never asked anything.
    """


def read_secret_text(given: Given, environ: Mapping[str, str], scheme: str = "") -> str:
    """Return the bare text of a secret for the caller to wrap at once; raise RefusedError.

    `scheme` is that of a URL which stands for one that is not looked up.
    """
    if isinstance(given.value, dict) and given.source == API:
        raise RefusedError.because("must be a string: only config.toml may refer to variables and files")
    if isinstance(given.value, dict):
        text = _read_reference(given, given.value, environ, scheme)
    elif isinstance(given.value, str):
        text = given.value
    else:
        raise RefusedError.because(f"must be {_FORMS}, not {describe(given.value)}")
    if not text:
        raise RefusedError.because("must not be empty")
    if not text.isprintable():
        raise RefusedError.because("must not hold line ends or control characters")
    return text


def _read_reference(
    given: Given, table: Mapping[str, object], environ: Mapping[str, str], scheme: str
) -> str:
    unknown = [name for name in table if name not in ("env", "file")]
    if unknown:
        hints = ((f".{name}", "is not known" + nearest(name, ("env", "file"))) for name in unknown)
        raise RefusedError(*hints)
    if len(table) != 1:
        raise RefusedError.because("needs exactly one of env and file")
    ((form, name),) = table.items()
    if not isinstance(name, str) or not name or "\0" in name:
        raise RefusedError((f".{form}", f"must be a name, not {describe(name)}"))
    if isinstance(environ, WithoutSecrets):
        told = "-".join((form, *re.findall(r"[a-z0-9]+", name.lower())))[:60].rstrip("-")
        return f"{scheme}://{told}.not-looked-up.invalid" if scheme else told
    if form == "file":
        return text_of(Path(given.base, name))
    if name not in environ:
        raise RefusedError((".env", f"the environment has no variable {name}"))
    return environ[name]


def read_secret(given: Given, environ: Mapping[str, str]) -> Secret:
    return Secret(read_secret_text(given, environ))


def read_secret_url(given: Given, environ: Mapping[str, str], schemes: tuple[str, ...]) -> SecretUrl:
    """Return an absolute URL of one of the schemes, which may hold credentials and may be a reference."""
    text = read_secret_text(given, environ, schemes[0])
    check_url(text, schemes)
    return SecretUrl(text)


def check_url(text: str, schemes: tuple[str, ...], *, needs_host: bool = True) -> None:
    """Raise RefusedError, without repeating the text, unless it is a URL without query and fragment."""
    wanted = " or ".join(f"{scheme}://" for scheme in schemes)
    if not text.isascii() or any(char.isspace() or char == "\\" for char in text):
        raise RefusedError.because(
            "must be an ASCII URL without blanks and backslashes (percent-encode them)"
        )
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as err:
        advice = f"; {ENCODED}" if "@" in text else ""
        raise RefusedError.because(f"is not a URL: its host or port cannot be read{advice}") from err
    if parts.scheme not in schemes:
        raise RefusedError.because(f"must be a URL that begins with {wanted}")
    if needs_host and (not host or port == 0):
        raise RefusedError.because("is a URL without a usable host and port")
    unusable = why_unusable(host) if needs_host and host else None
    if unusable is not None:
        raise RefusedError.because(unusable)
    if len(text) > _LONGEST_URL:
        raise RefusedError.because(f"is longer than {_LONGEST_URL} characters")
    if parts.query or parts.fragment:
        advice = f"; {ENCODED}" if "@" in parts.query + parts.fragment else ""
        raise RefusedError.because(f"must be a URL without '?' and '#'{advice}")
