"""Kinds: what a key's value may be, how it is read from what was given, and how it is shown again.

`read` returns the typed value or raises RefusedError with words for a person; `show` returns JSON's values in
the form in which the file would spell them, secrets as "***". Strictness is the point: "8080" in the file is
not a port, true is not a number, 600 is no duration; only text from the environment or command line is read
as what is needed.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from proxy.config import units
from proxy.config.faults import RefusedError, describe, nearest, quote
from proxy.config.layers import Given, parse_json
from proxy.config.secrets import check_url, read_secret, read_secret_url

T = TypeVar("T")
Environ = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Kind:
    """How one sort of value is read and shown."""

    read: Callable[[Given, Environ], Any]
    show: Callable[[Any], object]


def text_in(given: Given) -> str:
    """Return a non-empty printable string."""
    if not isinstance(given.value, str):
        raise RefusedError.because(f"must be a string, not {describe(given.value)}")
    if not given.value.strip():
        raise RefusedError.because("must not be empty")
    if not given.value.isprintable():
        raise RefusedError.because("must not hold line ends or control characters")
    return given.value


def as_given(value: object) -> object:
    return value


TEXT = Kind(lambda given, _: text_in(given), as_given)

_WORDS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def _boolean(given: Given, _: Environ) -> bool:
    if isinstance(given.value, bool):
        return given.value
    if given.is_text and str(given.value).lower() in _WORDS:
        return _WORDS[str(given.value).lower()]
    raise RefusedError.because(f"must be true or false, not {quote(given.value)}")


BOOLEAN = Kind(_boolean, as_given)


def integer(least: int, most: int) -> Kind:
    """Return the kind of whole numbers between the two, both included."""

    def read(given: Given, _: Environ) -> int:
        value = given.value
        if given.is_text and re.fullmatch(r"[+-]?[0-9]{1,18}", str(value)):
            value = int(str(value))
        if not isinstance(value, int) or isinstance(value, bool):
            raise RefusedError.because(f"must be a whole number, not {quote(value)}")
        if not least <= value <= most:
            raise RefusedError.because(f"must be between {least} and {most}, not {str(value)[:20]}")
        return value

    return Kind(read, as_given)


def choice(*words: str) -> Kind:
    """Return the kind of a string that is one of the words; a number is compared by its digits."""

    def read(given: Given, _: Environ) -> str:
        value = given.value
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if text not in words:
            raise RefusedError.because(f"must be one of {', '.join(words)}, not {quote(value)}")
        return str(text)

    return Kind(read, as_given)


def quantity(
    parse: Callable[[str], T], form: Callable[[T], str], *, bare: bool = False, positive: bool = False
) -> Kind:
    """Return the kind of a text with a unit; `bare` also takes a plain number, `positive` refuses zero."""

    def read(given: Given, _: Environ) -> T:
        value = given.value
        if isinstance(value, int) and not isinstance(value, bool) and (bare or value == 0):
            value = str(value)
        if not isinstance(value, str):
            hint = ': write its unit, such as "600s"' if isinstance(value, int | float) else ""
            raise RefusedError.because(f"must be a string with a unit, not {describe(value)}{hint}")
        try:
            result = parse(value)
        except ValueError as err:
            raise RefusedError.because(f"{quote(value)} {err}") from err
        if positive and not result:
            raise RefusedError.because("must be above zero")
        return result

    return Kind(read, lambda value: None if value is None else form(value))


DURATION = quantity(units.parse_duration, units.format_duration)
TIMEOUT = quantity(units.parse_duration, units.format_duration, positive=True)
SIZE = quantity(units.parse_size, units.format_size, bare=True, positive=True)
RATE = quantity(units.parse_rate, units.format_rate)
_BANDWIDTH = quantity(units.parse_bandwidth, units.format_bandwidth, positive=True)
BANDWIDTH = Kind(
    lambda given, environ: None if given.value == "none" else _BANDWIDTH.read(given, environ), _BANDWIDTH.show
)


def path_in(given: Given) -> Path:
    """Return an absolute path; a relative one counts from the file that names it.

    Links are not resolved: a mounted secret's link is turned to a new folder at each change.
    """
    text = text_in(given)
    if text.startswith("~"):
        raise RefusedError.because("must be a path; '~' is not expanded here, write the folder out")
    return Path(given.base, text)


def _existing(given: Given, _: Environ) -> Path:
    path = path_in(given)
    if not path.exists():
        raise RefusedError.because(f"there is no file {path}")
    return path


def shown_path(path: Path | None) -> object:
    return None if path is None else str(path)


FOLDER = Kind(lambda given, _: path_in(given), shown_path)
FILE = Kind(_existing, shown_path)


def list_of(item: Kind) -> Kind:
    """Return the kind of a list, a tuple once read; from the environment it is JSON."""

    def read(given: Given, environ: Environ) -> tuple[Any, ...]:
        value = parse_json(given) if given.is_text else given.value
        if not isinstance(value, list):
            raise RefusedError.because(f"must be a list, not {describe(value)}")
        items, refused = [], []
        for place, element in enumerate(value):
            try:
                items.append(item.read(given.part(element), environ))
            except RefusedError as err:
                refused += [(f"[{place}]{where}", why) for where, why in err.parts]
        if refused:
            raise RefusedError(*refused)
        return tuple(items)

    return Kind(read, lambda values: [item.show(value) for value in values])


def matching(pattern: str, meaning: str) -> Kind:
    """Return the kind of a string that matches the whole pattern; `meaning` completes 'must be …'."""
    compiled = re.compile(pattern)

    def read(given: Given, _: Environ) -> str:
        text = text_in(given)
        if not compiled.fullmatch(text):
            raise RefusedError.because(f"must be {meaning}, not {quote(text)}")
        return text

    return Kind(read, as_given)


_NAME_PATTERN = r"(?!t\Z)[a-z0-9][a-z0-9-]{0,62}"
NAME_MEANING = "a name of a-z, 0-9 and '-' (at most 63, not beginning with '-', and not \"t\")"


def is_feed_name(name: str) -> bool:
    """Return whether a feed may be called so (contract, section 1)."""
    return re.fullmatch(_NAME_PATTERN, name) is not None


def is_plain_name(name: str) -> bool:
    """Return whether a route or policy may be called so."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", name) is not None


NAME = matching(_NAME_PATTERN, NAME_MEANING)
GLOB = matching(r"[A-Za-z0-9._*?\[\]!-]{1,200}", "a package name or a glob such as 'corp-*'")
HOST_GLOB = matching(
    r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[?[0-9a-fA-F:.]+\]?", "a host name or '*.domain'"
)
NO_PROXY = matching(
    r"\*|\*?\.?[A-Za-z0-9_.-]+(:[0-9]{1,5})?|[0-9a-fA-F:.]+(/[0-9]{1,3})?|\[[0-9a-fA-F:.]+\](:[0-9]{1,5})?",
    "a host, '.domain', host:port, address, network or '*'",
)
TOKEN = matching(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", "the name of a header")

SECRET = Kind(read_secret, lambda secret: None if secret is None else str(secret))


def secret_url(*schemes: str) -> Kind:
    """Return the kind of a URL that may hold credentials and may be a reference to a variable or file."""
    return Kind(
        lambda given, environ: read_secret_url(given, environ, schemes),
        lambda url: None if url is None else str(url),
    )


def _plain_url(given: Given, _: Environ) -> str:
    text = text_in(given)
    check_url(text, ("http", "https"))
    if "@" in urlsplit(text).netloc:
        raise RefusedError.because("must be a URL without user and password")
    return text


PLAIN_URL = Kind(_plain_url, as_given)


def _contact(given: Given, _: Environ) -> str:
    text = text_in(given)
    if re.fullmatch(r"mailto:[^\s\"<>@?]{1,100}@[^\s\"<>@?]{1,200}(\?[^\s\"<>]{1,300})?", text):
        return text
    if not text.lower().startswith("https://"):
        raise RefusedError.because("must be mailto:NAME@HOST or an https:// URL")
    check_url(text, ("https",))
    if "@" in urlsplit(text).netloc:
        raise RefusedError.because("must be a URL without user and password")
    return text


#: Whom people ask: a link on pages.
CONTACT = Kind(_contact, as_given)


def unknown(name: str, known: Mapping[str, object]) -> str:
    """Return the words for a key that does not exist."""
    return "is not known" + nearest(name, known)
