"""The canonical path: decided once, from the raw request target, and used by everything (design, law 1).

`parse_target` decodes exactly once and refuses whatever has two readings: dot segments, empty segments,
encoded slashes, NUL and other control characters, backslashes, non-ASCII in either spelling. An encoded
percent sign is refused too, so that no canonical segment holds one and decoding a segment again by mistake
does no harm. The authority of an absolute-form target (RFC 9112, 3.2.2) is dropped, as is a fragment;
`;params` are data. Routing, authorisation, upstream URLs and logs use `Target.segments` and nothing else of
the request line.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

MAX_TARGET_CHARS = 4096
MAX_SEGMENT_CHARS = 512
MAX_SEGMENTS = 32
MAX_QUERY_FIELDS = 64

#: Visible ASCII without the backslash.
_VISIBLE = re.compile(r"[!-\[\]-~]*\Z")
_ABSOLUTE = re.compile(r"https?://[^/?#]+", re.IGNORECASE)
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})?")
#: Printable ASCII without what would make a second reading: slash, backslash, percent.
_DECODABLE = frozenset(map(chr, range(0x20, 0x7F))) - {"/", "\\", "%"}
_UNQUOTED = "!$&'()*+,;=:@~"


@dataclass(frozen=True, slots=True)
class Target:
    """A canonical target. The last segment is '' where the path ends in a slash; `query` is still encoded."""

    segments: tuple[str, ...]
    query: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A target without a canonical form; `reason` is one line for a person and holds nothing of it."""

    reason: str


def parse_target(target: str) -> Target | Refused:
    """Return the canonical form of a raw target in origin-form or absolute-form, or why there is none."""
    if len(target) > MAX_TARGET_CHARS:
        return Refused("the request target is too long")
    if not _VISIBLE.match(target):
        return Refused("the request target holds a backslash, a control character or non-ASCII")
    origin_form = _origin_form(target)
    if origin_form is None:
        return Refused("the request target is neither a path nor an http URL")
    path, _, query = origin_form.partition("#")[0].partition("?")
    try:
        return Target(_segments(path), query)
    except ValueError as error:
        return Refused(str(error))


def render(segments: tuple[str, ...]) -> str:
    """Return the one spelling of a canonical path; `parse_target` gives the same segments back."""
    return "/" + "/".join(quote(segment, safe=_UNQUOTED) for segment in segments)


def query_values(query: str, name: str) -> list[str]:
    """Return the decoded values of one query field in order; a query that cannot be decoded has none."""
    if not query:
        return []
    try:
        fields = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS, errors="strict")
    except ValueError:
        return []
    return [value for key, value in fields if key == name]


def _origin_form(target: str) -> str | None:
    if target.startswith("/"):
        return target
    absolute = _ABSOLUTE.match(target)
    if absolute is None:
        return None
    rest = target[absolute.end() :]
    return rest if rest.startswith("/") else f"/{rest}"


def _segments(path: str) -> tuple[str, ...]:
    raw = path.split("/")[1:]
    if len(raw) > MAX_SEGMENTS:
        raise ValueError("the path has too many segments")
    if "" in raw[:-1]:
        raise ValueError("the path has an empty segment")
    return tuple(_decoded(segment) if "%" in segment else _checked(segment) for segment in raw)


def _decoded(segment: str) -> str:
    return _checked(_ESCAPE.sub(_character, segment))


def _character(escape: re.Match[str]) -> str:
    digits = escape.group(1)
    if digits is None:
        raise ValueError("the path has a percent sign that escapes nothing")
    character = chr(int(digits, 16))
    if character not in _DECODABLE:
        raise ValueError("the path escapes a slash, backslash, percent sign, control character or non-ASCII")
    return character


def _checked(segment: str) -> str:
    if segment in {".", ".."}:
        raise ValueError("the path has a dot segment")
    if len(segment) > MAX_SEGMENT_CHARS:
        raise ValueError("the path has a segment that is too long")
    return segment
