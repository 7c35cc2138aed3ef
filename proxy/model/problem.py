"""Problems: what a person or a client is told when something is refused or cannot be done.

The words, their statuses and titles are the table of answers (contract, section 3), here and nowhere else.
A problem is an exception so that any room may raise it; only the inbound door turns it into an
`application/problem+json` answer (RFC 9457). Its texts never hold a credential, and never the digest or size of
a hidden artifact.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

#: The largest Retry-After of a 503. pip, poetry and others obey it silently and count their own retries: what is
#: longer looks like a program that hangs, and ends later than the trouble.
LONGEST_RETRY_AFTER_S = 5

#: word -> (status, title). The title is also the reason phrase, so it is short ASCII.
TABLE: Mapping[str, tuple[int, str]] = {
    "bad-request": (400, "Bad request"),
    "unauthorized": (401, "Authentication required"),
    "forbidden": (403, "Forbidden"),
    "blocked": (403, "Blocked by policy"),
    "held": (403, "Held by policy"),
    "revoked": (403, "Approval revoked"),
    "quarantined": (403, "Quarantined at the origin"),
    "read-only": (403, "This feed is read-only"),
    "unknown": (404, "Not found"),
    "not-approved": (404, "Not approved"),
    "method-not-allowed": (405, "Method not allowed"),
    "request-timeout": (408, "Request timeout"),
    "conflict": (409, "Conflict"),
    "precondition-failed": (412, "Precondition failed"),
    "too-large": (413, "Too large"),
    "unsupported-media-type": (415, "Unsupported media type"),
    "range-not-satisfiable": (416, "Range not satisfiable"),
    "unprocessable": (422, "Cannot be done as asked"),
    "precondition-required": (428, "Precondition required"),
    "too-many-requests": (429, "Too many requests"),
    "internal": (500, "Internal error"),
    "origin-refused": (502, "The origin's answer cannot be used"),
    "digest-mismatch": (502, "The origin sent wrong bytes"),
    "upstream-auth": (502, "The origin refused our credentials"),
    "proxy-auth": (502, "The outbound proxy refused our credentials"),
    "tls": (502, "TLS to the origin failed"),
    "redirect-refused": (502, "A redirect of the origin was refused"),
    "pinned-unavailable": (502, "Pinned digest unavailable"),
    "origin-unavailable": (503, "The origin is unavailable"),
    "busy": (503, "Busy"),
    # A full disk, and one that refuses for another reason: the detail says which.
    "disk-full": (503, "The disk takes no changes"),
    "preparing": (503, "Being prepared"),
    "loop": (508, "Loop detected"),
}


#: What is said of a feed behind the asked one, in place of a detail that may name it.
_PLAIN: Mapping[str, str] = {
    "unknown": "it is not to be had where this feed takes it from",
    "not-approved": "nobody has approved it where this feed takes it from",
    "preparing": "what this feed takes from is being prepared",
    "busy": "what this feed takes from is busy",
    "origin-unavailable": "the origin is unavailable, or what is between it and this server",
}


@dataclass(slots=True)
class Problem(Exception):
    """One refusal or failure, told once.

    `word` is a key of TABLE; `detail` is one line for a person that says what, where and what to do next.
    `retry_after_s` is sent for 503 and 429. `feed` is the feed that it is about, which may be one behind the feed that
    was asked. The other fields appear in the document where they are set, but for `plain`.
    """

    word: str
    detail: str
    feed: str | None = None
    artifact: str | None = None
    policy: str | None = None
    rule: str | None = None
    until: str | None = None
    explain: str | None = None
    #: The package that it is about, as `/why/FEED/NAME` takes it.
    name: str | None = None
    #: Why, in the rule's own words, without anybody's name; None where `detail` says it.
    reason: str | None = None
    #: The status where it is not the table's: that of a project's page, which the feed's settings choose.
    page_status: int | None = None
    #: The title with the reason and where to read more, which the inbound door writes.
    heading: str | None = None
    retry_after_s: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Members of this problem alone, values of JSON: `faults`, `artifacts`.
    more: Mapping[str, object] = field(default_factory=dict)
    #: The detail for those who may not know of the feed or the policy: without the name of either, or of an origin.
    plain: str | None = None

    @property
    def status(self) -> int:
        return self.page_status or TABLE[self.word][0]

    @property
    def title(self) -> str:
        return self.heading or TABLE[self.word][1]

    def without_names(self, feed: str | None) -> "Problem":
        """Return the problem as those are told who asked `feed` and may not know what is behind it."""
        detail = (
            self.plain
            or _PLAIN.get(self.word)
            or f"{self.title}; an administrator finds more in the server's log"
        )
        return replace(self, detail=detail, feed=feed, policy=None, more={}, plain=None)

    def __str__(self) -> str:
        return f"{self.title}: {self.detail}"
