"""Translation: what aiohttp, ssl and the socket layer raise, as one of our errors. Pure.

aiohttp's own texts are not passed on: the one for a refused CONNECT holds the proxy's URL with its
password, and its repr the header (reliability, section 0, item 7). Callers raise the result outside the
`except` block, so that the original is not even its context.
"""

import os
import ssl

import aiohttp

from proxy.upstream.connector import Attempt
from proxy.upstream.errors import (
    AddressRefused,
    BadAnswer,
    HopName,
    ProxyAuthRefused,
    Silent,
    TlsFailed,
    Truncated,
    Unreachable,
    UpstreamError,
)

#: What a request or the reading of its answer may raise. RuntimeError is how aiohttp tells that its session or
#: connection was closed by us meanwhile.
RAISED = (aiohttp.ClientError, TimeoutError, OSError, ValueError, RuntimeError)


def translate(error: BaseException, attempt: Attempt, origin: str) -> UpstreamError:
    """Return our error for one that was raised before the header was there."""
    if attempt.refused is not None:
        return AddressRefused("guard", attempt.refused, origin=origin)
    error = unwrapped(error)
    match error:
        case aiohttp.ClientHttpProxyError():
            return _connect_refused(error.status, origin)
        case aiohttp.ConnectionTimeoutError():
            return Unreachable(attempt.hop, _slow(attempt), origin=origin)
        case aiohttp.ClientConnectorDNSError():
            whose = "the outbound proxy's name" if attempt.is_proxied else "the name"
            return Unreachable("name", f"{whose} cannot be resolved", origin=origin)
        case aiohttp.ClientConnectorError() | ssl.SSLError():
            return _connect_failed(error, attempt, origin)
        case aiohttp.InvalidURL():
            return AddressRefused("guard", "a URL that cannot be asked for", origin=origin)
        case aiohttp.ClientResponseError():
            return BadAnswer(
                "origin", "an answer that is not HTTP, or whose header is too large", origin=origin
            )
        case TimeoutError():
            return Silent("origin", f"no answer within the read timeout{_through(attempt)}", origin=origin)
        case aiohttp.ServerDisconnectedError():
            detail = f"the connection was closed without an answer{_through(attempt)}"
            return Unreachable("origin", detail, origin=origin)
        case OSError():
            return Unreachable("origin", f"the connection broke: {_reason(error)}", origin=origin)
        case ValueError():
            return BadAnswer("guard", "a request that cannot be written", origin=origin)
        case _:
            return Unreachable("tcp", "no usable connection", origin=origin)


def unwrapped(error: BaseException) -> BaseException:
    """Return the TLS error behind one of asyncio's own.

    Of TLS inside TLS, Python 3.11 drops a refused certificate over a TypeError in its own clearing up.
    """
    inner = error.__cause__ if isinstance(error, aiohttp.ClientConnectionError) else error
    while inner is not None and not isinstance(inner, ssl.SSLError):
        inner = inner.__context__ if isinstance(inner, TypeError) else None
    return inner or error


def translate_body(error: BaseException, origin: str) -> UpstreamError:
    """Return our error for one that was raised while the body was read."""
    match error:
        case TimeoutError():
            return Silent("origin", "no more bytes within the read timeout", origin=origin)
        case aiohttp.ClientPayloadError() if _is_malformed(error):
            return BadAnswer("origin", "a body whose framing is broken", origin=origin)
        case _:
            return Truncated("origin", "the connection ended before the body did", origin=origin)


def _connect_refused(status: int, origin: str) -> UpstreamError:
    if status in (401, 407):  # the first in the words of some, such as tinyproxy
        return ProxyAuthRefused(
            "proxy", f"the outbound proxy refused our credentials ({status})", origin=origin
        )
    detail = f"the outbound proxy answered {status} instead of opening a tunnel"
    return (Unreachable if status >= 500 or status == 429 else BadAnswer)("proxy", detail, origin=origin)


def _connect_failed(error: Exception, attempt: Attempt, origin: str) -> UpstreamError:
    cause = _cause(error)
    hop: HopName = "proxy" if attempt.is_at_proxy else "tls"
    whose = "the outbound proxy's certificate" if attempt.is_at_proxy else "the certificate"
    match cause:
        case ssl.SSLCertVerificationError():
            return TlsFailed(hop, f"{whose} is refused: {cause.verify_message}", origin=origin)
        case ssl.SSLError():
            at = " with the outbound proxy" if attempt.is_at_proxy else ""
            return TlsFailed(hop, f"TLS{at} failed: {_tls_reason(cause, attempt)}", origin=origin)
        case ConnectionResetError() if not cause.errno:
            # asyncio's own, for a connection that ended while TLS was being agreed on.
            detail = f"the connection ended in the TLS handshake{_hint(attempt)}"
            return Unreachable(hop, detail, origin=origin)
        case OSError():
            where = " to the outbound proxy" if attempt.hop == "proxy" else ""
            return Unreachable(attempt.hop, f"no connection{where}: {_reason(cause)}", origin=origin)
        case _:
            return Unreachable(attempt.hop, "no connection", origin=origin)


def _cause(error: Exception) -> Exception:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return error.certificate_error
        case aiohttp.ClientConnectorError():
            return error.os_error
        case _:
            return error


def _tls_reason(error: ssl.SSLError, attempt: Attempt) -> str:
    reason = (error.reason or "the other side ended the handshake").replace("_", " ").lower()
    return reason + _hint(attempt)


def _hint(attempt: Attempt) -> str:
    if attempt.is_at_proxy:
        return " (is the outbound proxy really an https one? most are http://)"
    return " (does the outbound proxy answer instead of opening a tunnel?)" if attempt.is_proxied else ""


def _through(attempt: Attempt) -> str:
    """Say that either may be to blame where nobody can tell."""
    return " through the outbound proxy" if attempt.is_proxied else ""


def _slow(attempt: Attempt) -> str:
    match attempt.hop:
        case "name":
            return "the name was not resolved within the connect timeout"
        case "proxy":
            return "the outbound proxy gave no connection within the connect timeout"
        case _:
            return "no connection within the connect timeout"


def _reason(error: OSError) -> str:
    """Return the system's words for the error number; aiohttp's own text may name addresses."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else type(error).__name__


def _is_malformed(error: aiohttp.ClientPayloadError) -> bool:
    """Tell broken framing from an early end: only the first has a parser's complaint that is no length."""
    cause = error.__cause__
    return isinstance(cause, aiohttp.http_exceptions.HttpProcessingError) and not isinstance(
        cause, aiohttp.http_exceptions.ContentLengthError | aiohttp.http_exceptions.TransferEncodingError
    )
