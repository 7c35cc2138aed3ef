"""The root list of an index: every project's name (PEP 503, 691; sheet, section 7).

PyPI's is 40 MB of HTML: it is read as a stream of chunks by one regular expression (an HTML parser would need
a gigabyte) and written as a stream of chunks, so that a child process does it in little more memory than the
names take. A name is what its link says, in the text's spelling where that means the same name. What is no
name is left out; a document without any name is `BadPage`.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from html import escape, unescape
from urllib.parse import unquote

import msgspec
import orjson

from proxy.pypi.intake import BadPage
from proxy.pypi.names import is_valid, projects_of

#: (normalised name, the origin's spelling)
Listed = tuple[str, str]

# No part reaches over a "<", and of a tag the first href is taken and no other tried, so that a hostile list costs no
# more than an honest one.
_ANCHOR = re.compile(
    rb"""<a\s(?>(?:[^<>]*?\s)??href\s*=\s*(?:"([^"<]*)"|'([^'<]*)'))[^<>]*+>([^<]*+)</a""", re.IGNORECASE
)
_NORMAL = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_RUN = re.compile(r"[-_.]+")
#: An anchor that has not ended after so many bytes is none.
_MAX_ANCHOR = 16 * 1024
_BATCH = 4096


class _Entry(msgspec.Struct, gc=False):
    name: object = None


class _Meta(msgspec.Struct):
    api_version: object = msgspec.field(default="1.0", name="api-version")


class _Root(msgspec.Struct):
    projects: list[_Entry]
    meta: _Meta = msgspec.field(default_factory=_Meta)


_DECODER = msgspec.json.Decoder(_Root)


def parse(chunks: Iterable[bytes], content_type: str | None, *, is_flat: bool = False) -> list[Listed]:
    """Return the names of a root list, sorted and unique by normalised name; raise BadPage.

    A flat page links files, not projects: then the names are those of the files' projects.
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind.endswith("+json"):
        names = _names_of_json(b"".join(chunks))
    elif kind in ("text/html", "application/vnd.pypi.simple.v1+html"):
        names = _names_of_html(chunks, _owner if is_flat else _listed)
    else:
        raise BadPage(f"content type {kind[:80]!r} is not one of an index")
    found: dict[str, str] = {}
    for name, spelled in names:
        found.setdefault(name, spelled)
    if not found:
        raise BadPage("a root list without a project")
    return sorted(found.items())


def render_html(listed: Iterable[Listed]) -> Iterator[bytes]:
    """Yield the HTML form in chunks; links are relative, because Poetry takes the name from them."""
    yield (
        b'<!DOCTYPE html>\n<html>\n  <head>\n    <meta name="pypi:repository-version" content="1.4">\n'
        b"    <title>Simple index</title>\n  </head>\n  <body>\n"
    )
    for batch in _batches(listed):
        yield "".join(
            f'    <a href="{name}/">{escape(spelled)}</a><br />\n' for name, spelled in batch
        ).encode()
    yield b"  </body>\n</html>\n"


def render_json(listed: Iterable[Listed]) -> Iterator[bytes]:
    """Yield the JSON form in chunks."""
    yield b'{"meta":{"api-version":"1.4"},"projects":['
    comma = b""
    for batch in _batches(listed):
        yield comma + orjson.dumps([{"name": spelled} for _, spelled in batch])[1:-1]
        comma = b","
    yield b"]}"


def _names_of_html(
    chunks: Iterable[bytes], read: Callable[[bytes, bytes], Listed | None]
) -> Iterator[Listed]:
    rest = b""
    tail = b""
    for chunk in chunks:
        window = rest + chunk
        end = 0
        for match in _ANCHOR.finditer(window):
            end = match.end()
            listed = read(match[1] or match[2] or b"", match[3])
            if listed is not None:
                yield listed
        # Only the last anchor may still be waiting for its end.
        start = max(window.rfind(b"<a", end), window.rfind(b"<A", end))
        rest = window[max(start if start >= 0 else len(window) - 1, len(window) - _MAX_ANCHOR, end) :]
        tail = (tail + chunk)[-256:]
    if b"</html" not in tail.lower() and b"</body" not in tail.lower():
        raise BadPage("a root list that is cut off")


def _last(href: bytes) -> str | None:
    """Return the last component of a link's path."""
    try:
        link = href.decode("ascii").partition("#")[0].partition("?")[0]
    except UnicodeDecodeError:
        return None
    if "&" in link or "%" in link:
        link = unquote(unescape(link))
    return link.rstrip("/").rpartition("/")[2]


def _owner(href: bytes, _: bytes) -> Listed | None:
    """Return the project of a linked file."""
    projects = projects_of(_last(href) or "")
    return (projects[0], projects[0]) if projects else None


def _listed(href: bytes, text: bytes) -> Listed | None:
    try:
        spelled = text.decode("ascii").strip()
    except UnicodeDecodeError:
        return None
    name = _normal(_last(href) or "")
    if name is None:
        return None
    return name, spelled if spelled == name or _normal(spelled) == name else name


def _names_of_json(body: bytes) -> Iterator[Listed]:
    try:
        root = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as err:
        raise BadPage(f"not a JSON root list: {err}") from err
    if not str(root.meta.api_version).startswith("1."):
        raise BadPage(f"api-version {str(root.meta.api_version)[:20]!r} is not 1.x")
    for entry in root.projects:
        if isinstance(entry.name, str) and (name := _normal(entry.name)) is not None:
            yield name, entry.name


def _normal(spelled: str) -> str | None:
    """Return the normalised name, or None; without a cache, which a million names would only flush."""
    if _NORMAL.match(spelled) and len(spelled) < 256:
        return spelled
    return _RUN.sub("-", spelled).lower() if is_valid(spelled) else None


def _batches(listed: Iterable[Listed]) -> Iterator[list[Listed]]:
    batch: list[Listed] = []
    for item in listed:
        batch.append(item)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
