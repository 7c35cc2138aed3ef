"""Links of a page: where a file lies at the origin, and the path under which the feed serves it.

The feed keeps the origin's path (sheet, section 14; contract, section 2), so that lock files can be moved
between feed and origin by prefix. A path is used only in its canonical, once-decoded form; whatever has no
such form, or would not end with the file's own name, gets a path made from its digest. Credentials in a link
are cut off, so none is ever stored; query and fragment never reach a path.
"""

import hashlib
import re
from collections.abc import Collection
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes, urljoin

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST = re.compile(r"(?:[A-Za-z0-9._~%-]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?\Z", re.ASCII)
_PATH = re.compile(r"/[A-Za-z0-9._~!+=@,:$&'()*\- /]+\Z")
_NO_SEGMENT = re.compile(r"/\.{0,2}(?:/|\Z)")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_USUAL_FRAGMENT = re.compile(r"sha256=([0-9a-f]{64})\Z")
_CONTENT_ADDRESSED = re.compile(r"/packages/([0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60}/[^/]+)\Z")
_DEFAULT_PORT = {"http": "80", "https": "443"}
_MAX_PATH = 1024
#: A word of so many characters may stand in a name by chance.
SHORT = 5
_MAX_LINK = 4096
#: The algorithms that have one size; a digest of another length is none. blake2 has any size.
_DIGEST_CHARS = {
    "md5": 32,
    "sha1": 40,
    "sha224": 56,
    "sha256": 64,
    "sha384": 96,
    "sha512": 128,
    "sha3_224": 56,
    "sha3_256": 64,
    "sha3_384": 96,
    "sha3_512": 128,
    "blake2b_256": 64,
}
_FRAGMENT_NAMES = frozenset({*_DIGEST_CHARS, "blake2b", "blake2s"})
_ALGORITHM = re.compile(r"[a-z0-9_-]{1,24}\Z")
_HEX = re.compile(r"[0-9a-f]{8,256}\Z")


#: A relative path that joining leaves as it is; `urljoin` takes ten times as long.
_SIMPLE = re.compile(
    r"(?:[A-Za-z0-9_~!+=@,%-][A-Za-z0-9._~!+=@,%-]*/)*[A-Za-z0-9_~!+=@,%-][A-Za-z0-9._~!+=@,%-]*\Z"
)


class BadLink(ValueError):
    """A link that a feed cannot follow."""


class Links:
    """The links of one page: resolved against `<base href>` or the page's final URL."""

    def __init__(self, page_url: str, base_href: str | None = None) -> None:
        # A joined link takes over the page's authority, so credentials must be gone before.
        self._base = _lower_scheme(_without_credentials(page_url))
        self._above = _directories(self._base)
        if base_href is not None:
            self._base = self.absolute(base_href)
            self._above = _directories(self._base)

    def absolute(self, href: str) -> str:
        """Return the http(s) URL of a link, without fragment and credentials; raise BadLink for others."""
        link = href.partition("#")[0].strip(" \t\r\n\f")
        if not (link.isascii() and link.isprintable() and " " not in link):
            if _CONTROL.search(link):
                raise BadLink("a control character in the link")
            link = _quoted(link)
        if not link or len(link) > _MAX_LINK:
            raise BadLink("a link that is too long" if link else "an empty link")
        if "\\" in link:
            raise BadLink("a backslash in the link")
        if not link.startswith(("https://", "http://")):
            link = self._join(link)
        authority = _split(link)[1]
        if not _is_authority(authority) or not link.startswith(("https://", "http://")):
            raise BadLink("not an http or https link")
        return _without_credentials(link) if "@" in authority else link

    def _join(self, link: str) -> str:
        if _SCHEME.match(link) and not link.lower().startswith(("http:", "https:")):
            raise BadLink(f"the scheme {link.partition(':')[0].lower()[:20]!r}")
        climbs = (len(link) - len(link.lstrip("./"))) // 3
        rest = link[3 * climbs :]
        if link.startswith("../" * climbs) and climbs < len(self._above) and _SIMPLE.match(rest):
            return self._above[climbs] + rest
        try:
            return _lower_scheme(urljoin(self._base, link))
        except ValueError as err:
            raise BadLink("not a URL") from err


def filename_of(url: str) -> str | None:
    """Return the last component of the URL's path, percent-decoded; None when it is empty or no text."""
    last = _split(url)[2].rpartition("/")[2]
    return (_decoded(last) if "%" in last else last) or None


def fragment_hashes(href: str) -> dict[str, str]:
    """Return the digests that a link's fragment names ("#sha256=…"); raise BadLink for a damaged SHA-256."""
    fragment = href.partition("#")[2]
    if (usual := _USUAL_FRAGMENT.match(fragment)) is not None:
        return {"sha256": usual[1]}
    pairs = (part.partition("=") for part in fragment.split("&"))
    return checked_hashes({key: value for key, _, value in pairs if key.lower() in _FRAGMENT_NAMES})


def checked_hashes(hashes: dict[str, object] | dict[str, str]) -> dict[str, str]:
    """Return algorithm and digest in lower case, without what is none; raise BadLink for a damaged SHA-256.

    Doubt about a file's bytes means no bytes: a file whose SHA-256 cannot be read is not listed.
    """
    if (
        len(hashes) == 1
        and (usual := hashes.get("sha256"))
        and isinstance(usual, str)
        and _SHA256.match(usual)
    ):
        return {"sha256": usual}
    found: dict[str, str] = {}
    for key, value in hashes.items():
        algorithm = key.lower() if key.isascii() else ""
        digest = value.strip().lower() if isinstance(value, str) and value.isascii() else ""
        wanted = _DIGEST_CHARS.get(algorithm)
        if _ALGORITHM.match(algorithm) and _HEX.match(digest) and wanted in (None, len(digest)):
            found[algorithm] = digest
        elif algorithm == "sha256" and value is not None and value != "":
            raise BadLink("a damaged sha256")
    return found


def feed_path(
    url: str, sha256: str | None, *, index_url: str, files_base: str | None, filename: str | None = None,
    secrets: Collection[str] = (),
) -> str:  # fmt: skip
    """Return the path below the feed's prefix, percent-decoded, that stands for the file at the URL.

    `filename` is what the path must end with; None takes the URL's own. `files_base` is a directory's URL.
    A path that holds one of the `secrets` is not published.
    """
    name = filename or filename_of(url) or "file"
    scheme, authority, raw_path = _split(url)
    path = _canonical_path(raw_path)
    if path is not None and path.endswith(f"/{name}"):
        kept = _kept_path(_origin(scheme, authority), path, index_url, files_base)
        if kept is not None and len(kept) <= _MAX_PATH and not has_secret(kept, secrets):
            return f"packages/{kept}"
    return f"files/{sha256 or hashlib.sha256(url.encode()).hexdigest()}/{name}"


def has_secret(path: str, secrets: Collection[str]) -> bool:
    """Tell whether a decoded path holds a secret: as a segment, or, if it is no short word, anywhere."""
    if not secrets:
        return False
    segments = path.split("/")
    return any(secret in segments or (len(secret) > SHORT and secret in path) for secret in secrets)


def _kept_path(origin: str, path: str, index_url: str, files_base: str | None) -> str | None:
    if files_base is not None:
        base_origin, base_path = _place(files_base if files_base.endswith("/") else f"{files_base}/")
        if origin == base_origin and path.startswith(base_path):
            return path[len(base_path) :]
    if origin == _place(index_url)[0]:
        return path[1:]
    match = _CONTENT_ADDRESSED.match(path) if path.startswith("/packages/") else None
    return match[1] if match else None


@lru_cache(maxsize=256)
def _is_authority(authority: str) -> bool:
    return _HOST.match(authority.rpartition("@")[2]) is not None


@lru_cache(maxsize=256)
def _place(url: str) -> tuple[str, str]:
    """Return the origin and the decoded path of a configured URL."""
    scheme, authority, path = _split(_lower_scheme(url).partition("#")[0])
    return _origin(scheme, authority), _decoded(path) or "/"


def _split(url: str) -> tuple[str, str, str]:
    """Return scheme, authority and path of a URL without a fragment; faster than a regular expression."""
    scheme, _, rest = url.partition("://")
    if "?" in rest:
        rest = rest.partition("?")[0]
    authority, slash, path = rest.partition("/")
    return scheme, authority, slash + path


@lru_cache(maxsize=256)
def _origin(scheme: str, netloc: str) -> str:
    """Return scheme, host and port in one spelling."""
    scheme, host = scheme.lower(), netloc.rpartition("@")[2].lower()
    name, colon, port = host.rpartition(":")
    if colon and not host.endswith("]") and port in ("", _DEFAULT_PORT.get(scheme)):
        host = name
    return f"{scheme}://{host}"


def _canonical_path(path: str) -> str | None:
    if "%" in path:
        path = "" if "%2f" in path.lower() else _decoded(path) or ""
    return path if _PATH.match(path) and not _NO_SEGMENT.search(path) else None


def _decoded(text: str) -> str | None:
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        return None


def _directories(url: str) -> list[str]:
    """Return the URL's directory, that one's parent, and so on up to the root."""
    scheme, authority, path = _split(url)
    if "//" in path or "/." in path:
        return []
    segments = path.split("/")[:-1]
    return [f"{scheme}://{authority}{'/'.join(segments[:end])}/" for end in range(len(segments), 0, -1)]


def _lower_scheme(url: str) -> str:
    scheme, separator, rest = url.partition(":")
    return f"{scheme.lower()}{separator}{rest}"


def _quoted(link: str) -> str:
    try:
        return quote(link, safe="!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~")
    except UnicodeEncodeError as err:
        raise BadLink("half a character in the link") from err


def _without_credentials(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    authority = re.match(r"[^/?#\\]*", rest)
    end = authority.end() if authority else 0
    return f"{scheme}{separator}{rest[:end].rpartition('@')[2]}{rest[end:]}" if separator else url
