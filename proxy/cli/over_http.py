"""The management API of a server that runs, over HTTP with the standard library.

This is no outbound door (design, law 2): what is asked here is a feedgate server, never an origin.
"""

import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import IO, Any
from urllib.parse import urlsplit

from proxy.cli import asking
from proxy.cli.asking import Asked, AskFailed, Refused, Reply, Send, Told
from proxy.model.redact import origin_of

#: What the first request to a large channel may take.
_TIMEOUT_S = 120.0
_BESIDE_END_S = 5.0


def way_to(
    url: str,
    *,
    ca: str | None = None,
    own: str | None = None,
    key: str | None = None,
    is_direct: bool = False,
) -> Send:
    """Return the way to ask the server at a URL. Raises AskFailed for a certificate that cannot be used.

    `own` is the server's certificate (PEM) where it is known, and then no other is believed; `is_direct` leaves out the
    environment's proxy, which is never asked for this machine itself.
    """
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.HTTPSHandler(context=_trust(ca, own)),
        _NoRedirects(),
    ]
    if is_direct or _is_loopback(url):
        handlers.append(urllib.request.ProxyHandler({}))
    opener = urllib.request.build_opener(*handlers)
    fields = {"Accept": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})

    def send(asked: Asked) -> Reply:
        data = None if asked.body is None else json.dumps(asked.body).encode()
        sent = {**fields, **asked.headers} | ({} if data is None else {"Content-Type": "application/json"})
        try:
            request = urllib.request.Request(
                f"{url.rstrip('/')}{asked.target}", data=data, headers=sent, method=asked.method
            )
            with opener.open(request, timeout=_TIMEOUT_S) as answer:
                document = _document(answer.read() or b"{}")
                return Reply(answer.status, document, answer.headers["ETag"])
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise _refused(refusal.code, refusal.read()) from refusal
        except (OSError, ValueError) as err:
            reason = getattr(err, "reason", None) or err
            raise AskFailed(f"the server at {origin_of(url)} cannot be asked: {reason}") from err

    return send


@contextmanager
def beside(send: Send, asked: Asked, told: Told) -> Iterator[None]:
    """Ask now and then, in a thread of its own, until the end of the block."""
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(asking.BESIDE_S):
            with suppress(AskFailed, Refused):
                told(send(asked))

    thread = threading.Thread(target=look, name="look beside", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        # A server that hangs keeps nobody.
        thread.join(_BESIDE_END_S)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The API redirects nobody, and urllib would carry the key along to wherever it is sent."""

    def redirect_request(self, req: urllib.request.Request, fp: IO[bytes], *_: object) -> None:
        return None


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _trust(ca: str | None, own: str | None) -> ssl.SSLContext:
    if own is None:
        try:
            return ssl.create_default_context(cafile=ca)
        except OSError as err:
            raise AskFailed(f"the certificate {ca} cannot be used: {err.strerror or err}") from err
    context = ssl.create_default_context(cadata=own)
    # Nothing but this very certificate is trusted, so its names do not matter.
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _document(body: bytes) -> dict[str, Any]:
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError("it did not answer like a feedgate server")
    return document


def _refused(status: int, body: bytes) -> Exception:
    try:
        told = _document(body)
        word = str(told["type"]).rpartition(":")[2]
        return Refused(word, f"{told['title']}: {told['detail']}", told)
    except (ValueError, KeyError):
        return AskFailed(f"the server answered with status {status}, and not like a feedgate server")
