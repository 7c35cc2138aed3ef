"""The HTML form of a project page, read (PEP 503, 592, 629, 658, 714, 740, 792; sheet, section 8).

A 200 with HTML need not be a page: portals and proxies answer so. The rule, in this order:

1. An empty or absurdly nested document is bad, and one in an encoding that nobody knows. Whether it is all there is
   what the transport says; only where it says nothing (`is_framed` false) the markup has to show its end: one that
   opens `<html>` or `<body>` closes either behind its last anchor, another ends outside of tags and anchors.
2. A repository-version meta makes it a page; another major version is bad.
3. A `<title>` or `<h1>` "Links for <this project>" makes it a page, which may then be empty: without a link, or
   with files of other projects. With links of which none is a file it is bad.
4. A file of this project among its anchors makes it a page.
5. Files of other projects only, and no `<form>`: a flat link page that has nothing of this project.
6. Everything else is bad.

The file's name is the last component of its URL, as clients take it, or what an `#egg=` in its fragment says; the
anchor's text is ignored. An anchor with a byte that means nothing in the page's encoding is left out alone.
"""

import re
from collections.abc import Iterator
from itertools import islice

from selectolax.lexbor import LexborHTMLParser

from proxy.pypi import facts
from proxy.pypi.charsets import BadCharset, text_of
from proxy.pypi.distribution import Distribution
from proxy.pypi.egg_fragment import filename_of_egg
from proxy.pypi.intake import BadPage, Intake, Parsed, Place
from proxy.pypi.links import BadLink, Links, filename_of, fragment_hashes
from proxy.pypi.names import is_valid, kind_of, normalize
from proxy.pypi.order import in_order
from proxy.pypi.page_version import api_version_of
from proxy.pypi.project import Project

_Attributes = dict[str, str | None]

_SERIAL = re.compile(rb"<!--\s*SERIAL\s+(\d{1,18})\s*-->\s*\Z")
#: The start of anything but an anchor, a line break and an end tag; usual pages have next to none.
_STRUCTURE = re.compile(rb"<(?!/|[aA]\s|[bB][rR][\s/>])")
_ANCHOR = re.compile(r"<[aA]\s")
_TAG = re.compile(rb"<(/?)([a-zA-Z][^\s/>]*)")
#: A quoted value that holds a `>`, and one that has not ended at the end of a text.
_QUOTED_END = re.compile(rb"""=\s*+(?:"[^">]*+|'[^'>]*+)>""")
_OPEN_QUOTE = re.compile(rb"""=\s*+(?:(")[^"]*+|(')[^']*+)\Z""")
_FLAT = frozenset(
    {b"a", b"br", b"p", b"li", b"tr", b"td", b"th", b"dt", b"dd", b"meta", b"link", b"hr", b"img", b"input"}
)
#: The parser's cost grows with the square of the depth: 20,000 levels take half a second, 100,000 twelve; and
#: with the square of a tag's attributes: 40,000 take three seconds. It lets other threads run meanwhile.
_MAX_DEPTH = 2000
_MAX_WORDS = 5000
#: Stands for a byte that means nothing.
_NO_CHARACTER = "\ufffd"


def parse(body: bytes, place: Place, charset: str | None = None, *, is_framed: bool = True) -> Parsed:
    """Return the project of an HTML page; raise BadPage. A page of 4,400 links takes some 60 ms of CPU."""
    text = _text(body, charset)
    if not is_framed:
        _refuse_cut(text)
    plain = text.encode("utf-8", "replace")
    _refuse_endless(plain)
    _refuse_deep(plain)
    document = LexborHTMLParser(text)
    metas = {
        node.attributes.get("name") or "": node.attributes.get("content") for node in document.css("meta")
    }
    api_version = _api_version(metas)
    intake = Intake(place, _links(document, place))
    files = in_order(_files(document, intake))
    if not files:
        _refuse_empty(
            text, document, intake, is_page=api_version is not None or _is_titled(document, place.name)
        )
    return Parsed(_project(place.name, files, metas, api_version, _serial(plain)), intake.dropped)


def _project(
    name: str,
    files: tuple[Distribution, ...],
    metas: _Attributes,
    api_version: str | None,
    serial: int | None,
) -> Project:
    return Project(
        name=name,
        files=files,
        status=facts.status_of(metas.get("pypi:project-status")),
        status_reason=facts.line_of(metas.get("pypi:project-status-reason")),
        serial=serial,
        api_version=api_version or "1.0",
    )


def _files(document: LexborHTMLParser, intake: Intake) -> Iterator[Distribution]:
    for node in document.css("a"):
        attributes = node.attributes
        href = attributes.get("href")
        if href is not None and (file := _file(href, attributes, intake)) is not None:
            yield file


def _file(href: str, attributes: _Attributes, intake: Intake) -> Distribution | None:
    url = intake.absolute(href, href)
    filename = (filename_of_egg(href, url, intake.project) or filename_of(url)) if url else None
    # Links that lead elsewhere on the site are no files and not worth a word.
    if url is None or filename is None or ("#" not in href and kind_of(filename) is None):
        return None
    if any(value is not None and _NO_CHARACTER in value for value in attributes.values()):
        intake.drop(filename, "it holds bytes that are no text in the page's encoding")
        return None
    try:
        hashes = fragment_hashes(href)
    except BadLink as err:
        intake.drop(filename, str(err))
        return None
    admitted = intake.admit(filename, url, hashes.get("sha256"))
    if admitted is None:
        return None
    return Distribution(
        filename=filename,
        url=admitted.url,
        path=admitted.path,
        hashes=hashes,
        kind=admitted.kind,
        version=admitted.version,
        size=facts.size_of_text(attributes.get("data-size")),
        upload_time=facts.upload_time_of(attributes.get("data-upload-time")),
        requires_python=facts.requires_python_of(attributes.get("data-requires-python")),
        yanked="data-yanked" in attributes and facts.yanked_of(attributes["data-yanked"] or True),
        core_metadata=facts.core_metadata_of_text(
            attributes.get("data-core-metadata") or attributes.get("data-dist-info-metadata")
        ),
        provenance=intake.resolved(attributes.get("data-provenance")),
    )


def _text(body: bytes, charset: str | None) -> str:
    if not body.strip():
        raise BadPage("an empty body")
    try:
        return text_of(body, charset)
    except BadCharset as err:
        raise BadPage(str(err)) from err


def _refuse_cut(text: str) -> None:
    lowered = text.lower()
    anchor, closed = lowered.rfind("<a "), lowered.rfind("</a")
    if "<html" in lowered[:4096] or "<body" in lowered[:4096]:
        whole = max(lowered.rfind("</html"), lowered.rfind("</body")) > anchor
    else:
        whole = anchor <= closed and lowered.rfind("<") < lowered.rfind(">")
    if not whole and ("<" in text):
        raise BadPage("an HTML document that is cut off")


def _refuse_endless(body: bytes) -> None:
    """Count what may be attributes up to each end of a tag; a `>` in a quoted value ends none."""
    parts = body.split(b">")
    long = (part for part in parts if len(part) > 2 * _MAX_WORDS)
    if max(map(len, parts)) > 2 * _MAX_WORDS and any(_most_attributes(part) > _MAX_WORDS for part in long):
        raise BadPage("an HTML document with an endless tag")
    if _QUOTED_END.search(body) is None:
        return
    count, quote = 0, b""
    for part in parts:
        count += _most_attributes(part)
        if count > _MAX_WORDS:
            raise BadPage("an HTML document with an endless tag")
        if quote and quote not in part:
            continue
        found = _OPEN_QUOTE.search(part.partition(quote)[2] if quote else part)
        quote = found[1] or found[2] if found else b""
        count = count if quote else 0


def _most_attributes(part: bytes) -> int:
    """Return how many attributes there are at most: each begins behind white space, a slash or a closing quote."""
    return len(part.split()) + part.count(b"/") + part.count(b'"') + part.count(b"'")


def _refuse_deep(body: bytes) -> None:
    """Count, for each tag, what is open; a stray end tag closes nothing."""
    if next(islice(_STRUCTURE.finditer(body), _MAX_DEPTH, None), None) is None:
        return
    depth = 0
    opened: dict[bytes, int] = {}
    for match in _TAG.finditer(body):
        tag = match[2].lower()
        if tag in _FLAT or (match[1] and not opened.get(tag)):
            continue
        change = -1 if match[1] else 1
        opened[tag] = opened.get(tag, 0) + change
        depth += change
        if depth > _MAX_DEPTH:
            raise BadPage("an HTML document that is nested too deep")


def _api_version(metas: _Attributes) -> str | None:
    """Return the version that the page tells; None where it does not say that it is a page."""
    name = "pypi:repository-version"
    return api_version_of(metas[name], "repository version") if name in metas else None


def _links(document: LexborHTMLParser, place: Place) -> Links:
    base = document.css_first("base[href]")
    try:
        return Links(place.url, base.attributes.get("href") if base else None)
    except BadLink as err:
        raise BadPage(f"its <base> is unusable: {err}") from err


def _is_titled(document: LexborHTMLParser, name: str) -> bool:
    for selector in ("title", "h1"):
        node = document.css_first(selector)
        words = node.text(strip=True) if node else ""
        titled = words[10:].strip() if words.lower().startswith("links for ") else ""
        if is_valid(titled) and normalize(titled) == name:
            return True
    return False


def _refuse_empty(text: str, document: LexborHTMLParser, intake: Intake, *, is_page: bool) -> None:
    if is_page:
        # The text is asked, since damage may hide the links from the parser.
        if not intake.distributions and _ANCHOR.search(text):
            raise BadPage("none of its links is a file")
        return
    if not intake.distributions:
        raise BadPage("an HTML document that is no page of an index")
    if document.css_first("form") is not None:
        raise BadPage("an HTML document with a form and no file of the project")


def _serial(body: bytes) -> int | None:
    match = _SERIAL.search(body[-200:])
    return int(match[1]) if match else None
