"""The page that explains to a person what a feed shows and hides of a package. Pure: what is explained becomes HTML.

Whatever comes from outside (names, reasons, licences) is one printable, escaped line.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from urllib.parse import quote

from proxy.feeds.explain import ExplainItem
from proxy.model.clock import moment_in_words
from proxy.web.outbound import Bytes
from proxy.web.page import HEADERS, MEDIA_TYPE, framed
from proxy.web.text import escape_line

_DONE = {
    "allow": "shown",
    "warn": "shown with a warning",
    "hold": "held",
    "block": "blocked",
    "absent": "not there",
}
_SHOWN = ("allow", "warn")
_MOST_CHARS = 1000


@dataclass(frozen=True, slots=True)
class Explained:
    """What a page tells: of which feed, what was asked for, what is known of it."""

    feed: str
    asked: str
    #: Whom to ask: mailto: or https:, None for the administrator.
    contact: str | None
    #: All that is meant, and those that this page lists.
    items: Sequence[ExplainItem]
    listed: Sequence[ExplainItem]
    #: The query of the page that goes on, None at the end.
    following: str | None = None
    #: Where clients read the index, relative to the page; None where a name has none of its own.
    index: str | None = None

    @property
    def is_hidden(self) -> bool:
        """Tell whether anything of it is hidden."""
        return not all(item.is_shown for item in self.items)


def answer(told: Explained, status: int = 200) -> Bytes:
    """Return the page as it is sent; what chose it is the Accept field."""
    title = f"{escape_line(told.asked)} in the feed {told.feed}"
    headers = (*HEADERS, ("Vary", "Accept"))
    return Bytes(body=framed(title, body(told)), content_type=MEDIA_TYPE, status=status, headers=headers)


def body(told: Explained) -> str:
    """Return the page's body."""
    parts = [
        f"<h1>{_text(told.asked)} <small>in the feed {_text(told.feed)}</small></h1>",
        *(f"<p>{line}</p>" for line in _summary(told)),
        _table(told.listed),
        f'<p><a href="?{escape(told.following)}">More</a></p>' if told.following is not None else "",
        f"<p>{_whom(told)}</p>",
        f'<p><a href="{escape(told.index)}">The index as clients get it</a></p>' if told.index is not None else "",
    ]  # fmt: skip
    return "\n".join(part for part in parts if part)


def _summary(told: Explained) -> Iterable[str]:
    items = told.items
    shown = sum(item.is_shown for item in items)
    if len(items) == 1:
        (one,) = items
        yield f"{_text(one.artifact)} is {_decided(one)}: {_text(one.reason)}."
        return
    hidden = Counter(_decided(item) for item in items if not item.is_shown)
    yield f"{_files(shown)} {'is' if shown == 1 else 'are'} shown, {_files(len(items) - shown)} hidden."
    for decided, count in hidden.most_common(20):
        yield f"{_files(count)}: {decided}."


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _table(items: Sequence[ExplainItem]) -> str:
    rows = "\n".join(
        f"<tr><td>{_text(item.artifact)}</td><td>{_decided(item)}</td><td>{_why(item)}</td></tr>"
        for item in items
    )
    return f"<table>\n<tr><th>What</th><th>Is</th><th>Why</th></tr>\n{rows}\n</table>" if rows else ""


def _decided(item: ExplainItem) -> str:
    done = _DONE.get(item.outcome, item.outcome)
    if item.outcome == "allow" and item.rule == "open":
        return done
    if item.outcome == "absent":
        return f"{done} ({_text(item.rule)})"
    policy = f" of the policy {_text(item.policy)}" if item.policy is not None else ""
    until = f" until {moment_in_words(datetime.fromisoformat(item.until))}" if item.until is not None else ""
    return f"{done} by the rule {_text(item.rule)}{policy}{until}"


def _why(item: ExplainItem) -> str:
    others = [
        f"also {finding.rule}: {finding.reason}"
        for finding in item.findings
        if finding.outcome not in _SHOWN and (finding.rule, finding.reason) != (item.rule, item.reason)
    ]
    return "<br>".join(_text(line) for line in (item.reason, *others))


def _whom(told: Explained) -> str:
    """Return whom to ask, where anything is to be asked for."""
    if not told.is_hidden:
        return ""
    if told.contact is None:
        return "Ask the administrator of this server if you need what is hidden."
    shown = told.contact.removeprefix("mailto:").partition("?")[0]
    return f'If you need what is hidden, ask <a href="{escape(told.contact)}">{_text(shown)}</a>.'


def _text(text: str) -> str:
    return escape(escape_line(text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}..."))


def query_of(**fields: str | None) -> str:
    """Return a query of those fields that have a value."""
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items() if value is not None)
