"""What went wrong on the way out, translated once.

The rest of the program never sees an exception of aiohttp, ssl or the socket layer: it sees one of these,
with the hop at which it happened and one line for a person. That line names at most the upstream's origin
(scheme, host, port), never a credential, a path or a query (contract, section 3; design, law 9). `curable`
says whether the same request may work a moment later; it decides between 503 with `Retry-After` and 502.
"""

from typing import ClassVar, Literal

from proxy.model.problem import LONGEST_RETRY_AFTER_S, Problem

HopName = Literal["name", "tcp", "proxy", "tls", "origin", "guard"]

#: `Retry-After` when the origin named no time (seconds).
DEFAULT_RETRY_AFTER_S = 5


class UpstreamError(Exception):
    """A request to an upstream failed at `hop`; `detail` is one line for a person."""

    curable: ClassVar[bool] = False
    #: The word of the table of answers (proxy/model/problem.py).
    word: ClassVar[str] = "origin-refused"

    def __init__(
        self,
        hop: HopName,
        detail: str,
        *,
        origin: str = "",
        retry_after_s: int | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(hop, detail)
        self.hop: HopName = hop
        self.detail = detail
        self.origin = origin
        #: What the origin asked for, in seconds and unbounded, where it asked.
        self.retry_after_s = retry_after_s
        #: The origin's status, where that was the trouble.
        self.status = status

    def __str__(self) -> str:
        return f"{self.origin}: {self.detail}" if self.origin else self.detail


class Unreachable(UpstreamError):
    """No connection: the name, the connect, or a reset before an answer."""

    curable = True
    word = "origin-unavailable"


class Silent(UpstreamError):
    """No byte within the read timeout, or fewer than the minimum rate."""

    curable = True
    word = "origin-unavailable"


class Overloaded(UpstreamError):
    """5xx or 429."""

    curable = True
    word = "origin-unavailable"


class BreakerOpen(UpstreamError):
    """The source failed a moment ago and is left alone; nothing was asked."""

    curable = True
    word = "origin-unavailable"


class Resting(UpstreamError):
    """The only source sent wrong bytes a moment ago; nothing was asked. `detail` is what was wrong with them."""

    word = "digest-mismatch"


class Busy(UpstreamError):
    """Too many requests wait for this upstream already; nothing was asked."""

    curable = True
    word = "busy"


class Truncated(UpstreamError):
    """The connection ended before the body did."""

    curable = True
    word = "origin-unavailable"


class AuthRefused(UpstreamError):
    """The origin said 401, 403 or a 407 of its own."""

    word = "upstream-auth"


class ProxyAuthRefused(UpstreamError):
    """The outbound proxy said 407."""

    word = "proxy-auth"


class TlsFailed(UpstreamError):
    """The certificate, the protocol version, or our own CA and key files."""

    word = "tls"


class RedirectRefused(UpstreamError):
    """Too many redirects, a downgrade, a host or scheme that is not allowed."""

    word = "redirect-refused"


class AddressRefused(UpstreamError):
    """A URL or an address that this upstream must not be asked for (design, law 2)."""


class Looped(UpstreamError):
    """The origin's answer says that the request came back to a server on its own way (508)."""

    word = "loop"


class BadAnswer(UpstreamError):
    """An answer that has no meaning here: malformed, unasked for, too large."""


class TooLarge(BadAnswer):
    """A body of more bytes than were asked for at the most; whoever can take more may ask for it as a stream."""


def problem_for(error: UpstreamError, feed: str | None) -> Problem:
    """Return what a client is told about the failure."""
    if not error.curable:
        return Problem(error.word, str(error), feed=feed)
    wanted = DEFAULT_RETRY_AFTER_S if error.retry_after_s is None else error.retry_after_s
    retry_after_s = min(max(wanted, 1), LONGEST_RETRY_AFTER_S)
    return Problem(error.word, str(error), feed=feed, retry_after_s=retry_after_s)
