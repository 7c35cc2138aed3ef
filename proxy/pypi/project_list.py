"""The root list of an index: every project's name (PEP 503, 691; sheet, section 7).

PyPI's is 40 MB of HTML: it is read as a stream of chunks by one regular expression (an HTML parser would need
a gigabyte) and written as a stream of chunks, so that a child process does it in little more memory than the
names take. A name is what its link says, in the text's spelling where that means the same name. What is no
name is left out. A document without any name is an empty list if it says that it is a list: by a version, by its
title, or by holding no text at all. Whether it is all there is what the transport says.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from html import escape, unescape
from urllib.parse import unquote

import msgspec
import orjson

from proxy.pypi.damage import read_damaged
from proxy.pypi.intake import BadPage
from proxy.pypi.names import is_valid, projects_of
from proxy.pypi.page_version import api_version_of

#: (normalised name, the origin's spelling)
Listed = tuple[str, str]

# No part reaches over a "<", and of a tag the first href is taken and no other tried, so that a hostile list costs no
# more than an honest one.
_ANCHOR = re.compile(
    rb"""<a[\s/](?>(?:[^<>]*?[\s/])??href\s*=\s*(?:"([^"<]*)"|'([^'<]*)'|([^\s"'<>=`]++)))[^<>]*+>([^<]*+)""",
    re.IGNORECASE,
)
_START = re.compile(rb"<(?:!--|a[\s/])", re.IGNORECASE)
#: What may be the beginning of a comment or an anchor that the next chunk goes on with.
_BEGINNING = re.compile(rb"<(?:!-?|a)?\Z", re.IGNORECASE)
_TITLE = re.compile(
    rb"<(?:title|h1)[^<>]*>[^<]*\b(?:simple|index|links|packages|projects|list)\b", re.IGNORECASE
)
_SAYS_LIST = re.compile(rb"pypi:repository-version", re.IGNORECASE)
_MARKUP = re.compile(rb"<[^<>]*>|\s+")
#: What a page of a portal has beside text.
_LEADS_ON = re.compile(rb"<(?:script|form|frame|iframe|img|input)\b|http-equiv", re.IGNORECASE)
#: An empty list is short; more of it is not looked at.
_MOST_EMPTY = 64 * 1024
_NORMAL = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_RUN = re.compile(r"[-_.]+")
#: An anchor that has not ended after so many bytes is none.
_MAX_ANCHOR = 16 * 1024
_BATCH = 4096
#: A damaged list is read whole, at some twenty times its size.
_MOST_DAMAGED = 64 * 1024**2
#: A body of this size that has more brackets than names is not read so.
_MOST_DENSE = 64 * 1024
_BYTES_PER_BRACKET = 8


class _Entry(msgspec.Struct, gc=False):
    name: object = None


class _Root(msgspec.Struct):
    projects: list[_Entry]
    meta: object = None


_DECODER = msgspec.json.Decoder(_Root)


def parse(
    chunks: Iterable[bytes], content_type: str | None, *, is_flat: bool = False, is_framed: bool = True
) -> list[Listed]:
    """Return the names of a root list, sorted and unique by normalised name; raise BadPage.

    A flat page links files, not projects: then the names are those of the files' projects. `is_framed` is false where
    nothing but the end of the connection marked the end of the body: then its markup has to.
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind.endswith("+json"):
        names = _names_of_json(b"".join(chunks))
    elif kind in ("text/html", "application/vnd.pypi.simple.v1+html"):
        names = _names_of_html(chunks, _owner if is_flat else _listed, is_framed)
    else:
        raise BadPage(f"content type {kind[:80]!r} is not one of an index")
    found: dict[str, str] = {}
    for name, spelled in names:
        found.setdefault(name, spelled)
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
    chunks: Iterable[bytes], read: Callable[[bytes, bytes], Listed | None], is_framed: bool
) -> Iterator[Listed]:
    has_any = False
    head = tail = b""
    for href, text in _anchors(_watched(chunks, seen := bytearray())):
        listed = read(href, text)
        if listed is not None:
            has_any = True
            yield listed
    head, tail = bytes(seen[:_MOST_EMPTY]), bytes(seen[-256:])
    if not is_framed and b"</html" not in tail.lower() and b"</body" not in tail.lower():
        raise BadPage("a root list that is cut off")
    if not has_any:
        _refuse_other(head)


def _watched(chunks: Iterable[bytes], seen: bytearray) -> Iterator[bytes]:
    """Yield the chunks; leave the beginning and the end of what they hold in `seen`."""
    for chunk in chunks:
        seen += chunk
        del seen[_MOST_EMPTY:-256]
        yield chunk


def _refuse_other(head: bytes) -> None:
    """Raise BadPage unless a document without a project says that it is an empty list."""
    if _SAYS_LIST.search(head) or (_TITLE.search(head) and b"<form" not in head.lower()):
        return
    if not head.strip() or len(head) >= _MOST_EMPTY or _MARKUP.sub(b"", head) or _LEADS_ON.search(head):
        raise BadPage("an HTML document that is no list of projects")


def _anchors(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield link and text of every anchor outside of comments; the text is b"" where the anchor has none."""
    rest = b""
    is_comment = False
    for chunk, is_last in _with_last(chunks):
        window = rest + chunk
        at, end = 0, len(window)
        while True:
            if is_comment:
                closed = window.find(b"-->", at)
                if closed < 0:
                    rest = window[max(at, end - 2) :]
                    break
                at, is_comment = closed + 3, False
            start = _START.search(window, at)
            if start is None:
                begun = _BEGINNING.search(window, max(at, end - 3))
                rest = window[begun.start() :] if begun else b""
                break
            at = start.start()
            if start[0].startswith(b"<!"):
                # "<!-->" is a whole comment.
                at, is_comment = at + 2, True
                continue
            found = _ANCHOR.match(window, at)
            upto = found.end() if found else window.find(b"<", at + 1)
            is_open = not is_last and (upto < 0 or upto == end) and end - at < _MAX_ANCHOR
            if is_open:
                rest = window[at:]
                break
            if found:
                yield found[1] or found[2] or found[3] or b"", found[4]
            at = found.end() if found else at + 2


def _with_last(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield each chunk and whether it is the last one."""
    held: bytes | None = None
    for chunk in chunks:
        if held is not None:
            yield held, False
        held = chunk
    if held is not None:
        yield held, True


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
        is_dense = (body.count(b"[") + body.count(b"{")) * _BYTES_PER_BRACKET > len(body) > _MOST_DENSE
        told = read_damaged(body) if len(body) <= _MOST_DAMAGED and not is_dense else None
        if told is None or not isinstance(listed := told.get("projects"), list):
            raise BadPage(f"not a JSON root list: {err}") from err
        entries = (entry.get("name") for entry in listed if isinstance(entry, dict))
        root = _Root([_Entry(name) for name in entries], told.get("meta"))
    meta = root.meta if isinstance(root.meta, dict) else {}
    version = meta.get("api-version")
    api_version_of(version if isinstance(version, (str, int, float)) else None, "api-version")
    has_any = False
    for entry in root.projects:
        if isinstance(entry.name, str) and (name := _normal(entry.name)) is not None:
            has_any = True
            yield name, entry.name
    if root.projects and not has_any:
        raise BadPage("none of its entries is a project")


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
