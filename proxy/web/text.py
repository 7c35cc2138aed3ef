"""Text from outside made fit to print: names, agents and targets are data (E22).

What could move a cursor, hide or reorder text (control characters, ANSI, bidi marks, lone surrogates, any
other unprintable) is written as an escape. Printable text of any script stays as it is where that is asked
for.
"""

import codecs
import re
from urllib.parse import unquote

MAX_PRINTED_CHARS = 300

#: Looked up now: the first look-up opens a file, and the log must not need a descriptor (B05).
_ENCODE = codecs.getencoder("unicode_escape")
_KEY = re.compile(r"/t/+[^/]+", re.IGNORECASE)
#: In a refused path whatever looks like the segment before a key hides all that follows. Only the start of a run of
#: signs is looked at, so the cost is linear.
_REFUSED_KEY = re.compile(
    r"(?<![^0-9a-z])([^0-9a-z/\\]*+)[/\\][^0-9a-z]*+t[^0-9a-z].*", re.IGNORECASE | re.DOTALL
)
#: More of a refused target is never read: the longest that is printed, with each character escaped.
_MOST_READ = 3 * MAX_PRINTED_CHARS
_MOST_DECODINGS = 4
_AUTHORITY = re.compile(r"\A[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


def escape_line(text: str) -> str:
    """Return the text as one line in which only printable characters stand for themselves."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def escape_ascii(text: str, limit: int = MAX_PRINTED_CHARS) -> str:
    """Return the text, cut at the limit, in printable ASCII; everything else is an escape."""
    if text.isascii() and text.isprintable() and len(text) <= limit:
        return text
    shown = "".join(char if char.isascii() and char.isprintable() else _escape(char) for char in text[:limit])
    return f"{shown}..." if len(text) > limit else shown


def mask_keys(path: str) -> str:
    """Return a decoded path with every `/t/KEY` masked."""
    return _KEY.sub("/t/***", path) if "/t/" in path.lower() else path


def printable_target(target: str) -> str:
    """Return what a log may show of a refused raw target: no authority, query, key or control."""
    is_cut = len(target) > _MOST_READ
    # Whatever stands before a key stands before the cut as well, if anything of the key does.
    path = _AUTHORITY.sub("", target[:_MOST_READ].partition("?")[0].partition("#")[0], count=1)
    read = path
    for _ in range(_MOST_DECODINGS):
        read = unquote(read, errors="surrogateescape")
        if _REFUSED_KEY.search(read):
            return escape_ascii(_REFUSED_KEY.sub(r"\1/t/***", read, count=1))
    shown = escape_ascii(unquote(path, errors="surrogateescape"))
    return f"{shown}..." if is_cut and not shown.endswith("...") else shown


def _escape(char: str) -> str:
    return _ENCODE(char, "surrogatepass")[0].decode("ascii")
