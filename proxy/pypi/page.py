"""A project page, read: the content type says which form it is in (PEP 691; sheet, section 4).

The types are those that clients accept; any other, `application/json` too, is an answer of something that is
no index. Pure: bytes in, `Parsed` out. CPU: see the two forms; anything above some hundred files belongs in a
thread.
"""

from proxy.pypi import html_page, json_page
from proxy.pypi.intake import BadPage, Parsed, Place
from proxy.pypi.names import normalize

__all__ = ["BadPage", "Parsed", "Place", "parse"]

_JSON = frozenset({"application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.latest+json"})
_HTML = frozenset(
    {"text/html", "application/vnd.pypi.simple.v1+html", "application/vnd.pypi.simple.latest+html"}
)


def parse(
    body: bytes,
    content_type: str | None,
    url: str,
    name: str,
    *,
    index_url: str,
    files_base: str | None = None,
    is_framed: bool = True,
    secrets: frozenset[str] = frozenset(),
) -> Parsed:
    """Return the project that the body describes; raise BadPage with a reason for whatever is no page of it.

    `url` is the final URL of the answer; `index_url` and `files_base` are the upstream's, for the files'
    paths. `is_framed` is false where nothing but the end of the connection marked the end of the body;
    `secrets` are what no file's path may hold.
    """
    kind, _, parameters = (content_type or "").partition(";")
    kind = kind.strip().lower()
    place = Place(normalize(name), url, index_url, files_base, secrets)
    if kind in _JSON:
        return json_page.parse(body, place)
    if kind in _HTML:
        return html_page.parse(body, place, _charset(parameters), is_framed=is_framed)
    raise BadPage(f"content type {kind[:80]!r} is not one of an index")


def _charset(parameters: str) -> str | None:
    for parameter in parameters.split(";"):
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "charset":
            return value.strip().strip("\"'") or None
    return None
