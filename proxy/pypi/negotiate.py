"""Which form of an index document a request gets (PEP 691; sheet, section 4).

`?format=` with one exact type wins; else the highest q decides, each type's q being that of its most specific
entry. Between types named in the header JSON comes first; what is only matched by a wildcard is `text/html`,
as browsers and scrapers expect. Nothing acceptable is `text/html` too: never 406, because uv and Poetry abort
on it.
"""

import re
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

#: What the outbound side asks an index for: explicit weights, or an origin that offers HTML first sends HTML.
UPSTREAM_ACCEPT = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
)
_MAX_CACHED = 1024
_Q = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\Z", re.ASCII)


class Form(Enum):
    """The forms of an index document; the value is the exact media type."""

    JSON = "application/vnd.pypi.simple.v1+json"
    V1_HTML = "application/vnd.pypi.simple.v1+html"
    HTML = "text/html"

    @property
    def content_type(self) -> str:
        """The Content-Type to send."""
        return "text/html; charset=utf-8" if self is Form.HTML else self.value

    @property
    def is_json(self) -> bool:
        return self is Form.JSON


#: A reply to `latest` carries the real type.
_TYPES = {
    **{form.value: form for form in Form},
    "application/vnd.pypi.simple.latest+json": Form.JSON,
    "application/vnd.pypi.simple.latest+html": Form.V1_HTML,
}


class _Weight(NamedTuple):
    """How a header weighs a form: 2 named, 1 `type/*`, 0 `*/*`; then q."""

    specificity: int
    q: float


def negotiate(accept: str | None, format: str | None = None) -> Form:
    """Return the form for an Accept header and the decoded `format` of the query; None means absent."""
    if format is not None and (wanted := _asked(format)) is not None:
        return wanted
    if accept is None:
        return Form.HTML
    # A header that long is no client's; it is answered, but not remembered.
    return _cached(accept) if len(accept) <= _MAX_CACHED else _choose(accept)


def _asked(format: str) -> Form | None:
    # In a query "+" means a space, and everybody forgets to write "%2B".
    return _TYPES.get(format.strip().replace(" ", "+").lower()) if len(format) < 80 else None


def _choose(accept: str) -> Form:
    weights = _weights(accept)
    best = max((weight.q for weight in weights.values()), default=0.0)
    if best == 0.0:
        return Form.HTML
    chosen = [form for form in Form if form in weights and weights[form].q == best]
    named = [form for form in chosen if weights[form].specificity == 2]
    if named:
        return named[0]
    refused = Form.HTML in weights and weights[Form.HTML] == (2, 0.0)
    return chosen[-1] if refused else Form.HTML


_cached = lru_cache(maxsize=512)(_choose)


def _weights(accept: str) -> dict[Form, _Weight]:
    """Return, for each form that an entry matches, the most specific entry's weight."""
    weights: dict[Form, _Weight] = {}
    for entry in accept.split(","):
        media_type, *parameters = entry.split(";")
        q = _q(parameters)
        if q is None:
            continue
        for form, specificity in _matches(media_type.strip().lower()):
            weight = _Weight(specificity, q)
            weights[form] = max(weights.get(form, weight), weight)
    return weights


def _matches(media_type: str) -> list[tuple[Form, int]]:
    if media_type in _TYPES:
        return [(_TYPES[media_type], 2)]
    match media_type:
        case "*/*" | "*":
            return [(form, 0) for form in Form]
        case "text/*":
            return [(Form.HTML, 1)]
        case "application/*":
            return [(Form.JSON, 1), (Form.V1_HTML, 1)]
        case _:
            return []


def _q(parameters: list[str]) -> float | None:
    """Return the entry's weight, 1 when it has none, None when it is malformed."""
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            return float(value) if _Q.match(value := value.strip()) else None
    return 1.0
