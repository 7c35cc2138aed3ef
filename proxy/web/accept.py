"""Which form of an answer a client prefers, where there is one for programs and one for people (RFC 9110, 12.5.1)."""

_PAGE, _JSON = "text/html", "application/json"
#: Every browser names it; no client of an index does, and those that take HTML say `text/html` alone.
_BROWSERS = "application/xhtml+xml"


def prefers_page(accept: str | None) -> bool:
    """Tell whether a page is wanted rather than JSON; who has no wish gets JSON."""
    return is_browser(accept) or (accept is not None and quality(accept, _PAGE) > quality(accept, _JSON))


def prefers_json(accept: str | None) -> bool:
    """Tell whether JSON is wanted rather than a page; who has no wish gets the page."""
    return accept is not None and quality(accept, _JSON) > quality(accept, _PAGE)


def is_browser(accept: str | None) -> bool:
    """Tell whether a person's browser asks, and no client that reads an index as HTML."""
    return accept is not None and _BROWSERS in accept.lower() and "vnd.pypi.simple" not in accept.lower()


def quality(accept: str, media_type: str) -> float:
    """Return the weight that a header gives to a media type: that of its most specific entry, 0 where there is none."""
    kind = media_type.partition("/")[0]
    weights: dict[str, float] = {}
    for entry in accept.lower().split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        weights[name] = max(weights.get(name, 0.0), _weight(parameters))
    return next((weights[each] for each in (media_type, f"{kind}/*", "*/*") if each in weights), 0.0)


def _weight(parameters: list[str]) -> float:
    told = next((part[2:] for part in parameters if part.startswith("q=")), "1")
    try:
        weight = float(told)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
