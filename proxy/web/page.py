"""The frame of the pages for people: one look, and a Content-Security-Policy that holds them to it.

A page needs no script and loads nothing; its only style is the frame's, named by its digest. Whoever fills the body
escapes what comes from outside.
"""

import base64
import hashlib
from html import escape
from pathlib import Path
from string import Template

from proxy.web.outbound import Headers

MEDIA_TYPE = "text/html; charset=utf-8"

_FRAME = (Path(__file__).parent / "pages" / "page.html").read_text(encoding="utf-8")
_STYLE = _FRAME.partition("<style>")[2].partition("</style>")[0]
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS: Headers = (("Content-Security-Policy", _POLICY),)


def framed(title: str, body: str) -> bytes:
    """Return a whole page. `title` is plain text, `body` HTML."""
    return Template(_FRAME).substitute(title=escape(title), body=body).encode()
