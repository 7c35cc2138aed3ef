"""Looks: whether the first bytes of an answer are an index at all, for `feedgate doctor`. Pure.

A login page, a proxy's own error page or a web shop's front page comes with 200 as well. Only the beginning is looked
at; whether the whole can be used is the intake's to say.
"""

import re

_ZSTD = b"\x28\xb5\x2f\xfd"
_LINKS = re.compile(rb"<a[\s>]|simple index|pypi:repository-version", re.IGNORECASE)
_FORM = re.compile(rb"<form[\s>]|<input[\s>]|type=.?password", re.IGNORECASE)
_HTML = re.compile(rb"\s*<(?:!doctype html|html|head|body)", re.IGNORECASE)
#: What an index without any project may be, and a front page too.
DOUBT = "it is a web page without a link"
#: How much of an answer is wanted at most.
HEAD_BYTES = 64 * 1024


def why_wrong(kind: str, path: str, head: bytes) -> str | None:
    """Return in words why these bytes are no index of the kind, or None if they may be one."""
    if not head:
        return "the answer is empty"
    return _why_no_channel(path, head) if kind == "conda" else _why_no_index(head)


def _why_no_channel(path: str, head: bytes) -> str | None:
    wanted = _ZSTD if path.endswith(".zst") else b"{"
    if head.lstrip().startswith(wanted):
        return None
    return _page(head) or f"it is no {path.rpartition('/')[2]}"


def _why_no_index(head: bytes) -> str | None:
    if head.lstrip().startswith(b"{") and b'"meta"' in head:
        return None
    if _LINKS.search(head) and not _FORM.search(head):
        return None
    if _HTML.match(head) and not _FORM.search(head):
        return DOUBT
    return _page(head) or "it is neither a list of links nor the JSON of a package index"


def _page(head: bytes) -> str | None:
    if _FORM.search(head):
        return "it is a page with a form, such as a login page"
    return "it is a web page and no index" if _HTML.match(head) else None
