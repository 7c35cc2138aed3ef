"""Problems on the wire: RFC 9457 documents, told once and the same everywhere (contract, section 3).

The document repeats the problem's fields, each as one printable line; the media type has no parameters. A
401 says Basic, a 405 what is allowed, a 429 or 503 when to come again.

What a person's terminal shows of it is the client's choice: pip, poetry and conda the reason phrase, uv title and
detail, others the status alone. So the title of a refused package is a heading: what, by which rule, why, and where a
browser finds more.
"""

from urllib.parse import quote

import orjson

from proxy.model.problem import LONGEST_RETRY_AFTER_S, Problem
from proxy.web.outbound import NO_STORE, Bytes, Cache, Headers
from proxy.web.text import escape_line

MEDIA_TYPE = "application/problem+json"
CHALLENGE = 'Basic realm="feedgate", charset="UTF-8"'
DEFAULT_RETRY_S = 5
#: A title is a reason phrase as well, and some clients and proxies read a short first line only.
MAX_TITLE_CHARS = 900
_MAX_REASON_CHARS = 300
_MAX_NAME_CHARS = 200

_EXTRA_FIELDS = ("feed", "artifact", "policy", "rule", "until", "explain")
_RETRIED = frozenset({429, 503})


def document(problem: Problem) -> Bytes:
    """Return the answer that tells a problem."""
    fields: dict[str, object] = {
        "type": f"urn:feedgate:{problem.word}",
        "title": escape_line(problem.title),
        "status": problem.status,
        "detail": escape_line(problem.detail),
    }
    for name in _EXTRA_FIELDS:
        value = getattr(problem, name)
        if value is not None:
            fields[name] = escape_line(value)
    fields |= {name: _escaped(value) for name, value in problem.more.items() if name not in fields}
    return Bytes(
        body=orjson.dumps(fields) + b"\n",
        content_type=MEDIA_TYPE,
        status=problem.status,
        cache_control=NO_STORE,
        headers=_headers(problem),
        cache=Cache.NONE,
    )


def heading(problem: Problem, base_url: str) -> str | None:
    """Return the title of a package's refusal as the client of `base_url` is told it; None for other problems."""
    if problem.name is None or problem.feed is None:
        return None
    rule = f" ({problem.rule})" if problem.rule is not None else ""
    reason = escape_line(problem.reason or problem.detail)
    if len(reason) > _MAX_REASON_CHARS:
        reason = f"{reason[:_MAX_REASON_CHARS]}..."
    title = f"{problem.title}{rule}: {reason}"
    if len(problem.name) > _MAX_NAME_CHARS:
        return title
    return f"{title}; see {base_url}/why/{problem.feed}/{quote(problem.name, safe='')}"


def _escaped(value: object) -> object:
    """Return a value of JSON with each of its texts as one printable line."""
    match value:
        case str():
            return escape_line(value)
        case list() | tuple():
            return [_escaped(part) for part in value]
        case dict():
            return {escape_line(str(name)): _escaped(part) for name, part in value.items()}
        case _:
            return value


def _headers(problem: Problem) -> Headers:
    headers = dict(problem.headers)
    if problem.status == 401:
        headers.setdefault("WWW-Authenticate", CHALLENGE)
    if problem.retry_after_s is not None:
        longest = LONGEST_RETRY_AFTER_S if problem.status == 503 else problem.retry_after_s
        headers["Retry-After"] = str(min(problem.retry_after_s, longest))
    elif problem.status in _RETRIED:
        headers.setdefault("Retry-After", str(DEFAULT_RETRY_S))
    return tuple(headers.items())
