"""The management API of a server that runs, over HTTP with the standard library.

This is no outbound door (design, law 2): what is asked here is a feedgate server, never an origin.
"""

import json
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from http.client import HTTPException, IncompleteRead
from ipaddress import ip_address
from typing import IO, Any, NoReturn
from urllib.parse import urljoin, urlsplit

from proxy.cli import asking
from proxy.cli.asking import Asked, AskFailed, Refused, Reply, Send, Told
from proxy.config.faults import quote
from proxy.model.redact import origin_of

#: What the first request to a large channel may take.
_TIMEOUT_S = 120.0
_BESIDE_END_S = 5.0
#: The largest answer that is read.
_LARGEST = 256 * 1024**2
#: A field that every answer of a feedgate server has.
_EVERYWHERE = "X-Request-ID"
_NOT_ONE = "check the address (--server), and that both are of one version"
#: OpenSSL's codes for a certificate of another host, mail address or IP address.
_OTHER_NAME = frozenset({62, 63, 64})


def way_to(
    url: str,
    *,
    ca: str | None = None,
    own: str | None = None,
    key: str | None = None,
    is_direct: bool = False,
) -> Send:
    """Return the way to ask the server at a URL. Raises AskFailed for a URL, key or certificate that cannot be used.

    `own` is the server's certificate (PEM) where it is known, and then no other is believed; `is_direct` leaves out the
    environment's proxy, which is never asked for this machine itself.
    """
    _check(url, key)
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.HTTPSHandler(context=_trust(ca, own)),
        _NoRedirects(),
    ]
    if is_direct or _is_loopback(url):
        handlers.append(urllib.request.ProxyHandler({}))
    opener = urllib.request.build_opener(*handlers)
    fields = {"Accept": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    name = origin_of(url)

    def send(asked: Asked) -> Reply:
        data = None if asked.body is None else json.dumps(asked.body).encode()
        sent = {**fields, **asked.headers} | ({} if data is None else {"Content-Type": "application/json"})
        try:
            request = urllib.request.Request(
                f"{url.rstrip('/')}{asked.target}", data=data, headers=sent, method=asked.method
            )
            with opener.open(request, timeout=_TIMEOUT_S) as answer:
                document = _document(answer.headers, _read(answer), name)
                if not document and asked.method != "DELETE":
                    raise AskFailed(
                        f"the server at {name} cannot be asked: what answers says nothing; {_NOT_ONE}"
                    )
                return Reply(answer.status, document, answer.headers["ETag"])
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise _refused(refusal, name, has_key=bool(key)) from refusal
        except (OSError, ValueError, HTTPException) as err:
            raise AskFailed(f"the server at {name} cannot be asked: {_why(err)}") from err

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


def _check(url: str, key: str | None) -> None:
    """Refuse what no request could be made of, in words of its own: the library's would repeat a key."""
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or not url.isascii() or not url.isprintable() or " " in url:
        raise AskFailed(
            f"the server cannot be asked: it must be a URL such as https://feeds.example:8080, not {quote(url)}"
            " (--server, FEEDGATE_SERVER)"
        )
    if key is not None and not (key.isascii() and key.isprintable()):
        raise AskFailed("the key has a character that no key has (--key, FEEDGATE_KEY)")


def _why(err: Exception) -> str:
    """Return why there is no answer, and what to do about it."""
    reason = getattr(err, "reason", None) or err
    match reason:
        case ssl.SSLCertVerificationError() if reason.verify_code in _OTHER_NAME:
            return "its certificate is for another name; ask it under the name that it is made for"
        case ssl.SSLCertVerificationError():
            return (
                f"its certificate is not trusted ({reason.verify_message}); name the certificate of the authority that"
                " signed it with --ca PATH"
            )
        case ssl.SSLError():
            what = (reason.reason or "the handshake failed").replace("_", " ").lower()
            return f"no TLS with it ({what}); check whether its URL begins with http:// or https://"
        case TimeoutError():
            return "no answer in time; check the address, and the way to it"
        case ConnectionRefusedError():
            return "Connection refused; check that it runs, and its address"
        case socket.gaierror():
            return "its name cannot be resolved; check the address"
        case OSError() if reason.strerror:
            return reason.strerror
        case HTTPException():
            return f"what it answers is not HTTP as it should be ({type(reason).__name__}); {_NOT_ONE}"
    return str(reason)


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


class _Told(dict[str, Any]):
    """An object that a server told; what should be in it and is not is a server of another kind or version."""

    def __missing__(self, name: str) -> NoReturn:
        raise AskFailed(f'the server that was asked gave an answer without "{name}"; {_NOT_ONE}')


def _read(answer: IO[bytes]) -> bytes:
    body = answer.read(_LARGEST + 1)
    if len(body) > _LARGEST:
        raise ValueError("its answer is larger than any of a feedgate server")
    if getattr(answer, "length", None):
        raise IncompleteRead(b"")
    return body


def _document(headers: Message, body: bytes, name: str) -> dict[str, Any]:
    """Return the object that was told. Raises AskFailed for what no feedgate server says."""
    try:
        document = json.loads(body or b"{}", object_hook=_Told)
    except (ValueError, RecursionError):
        document = None
    # Every answer of the API has it; without this look, {} would pass for a change that was made.
    if not isinstance(document, dict) or _EVERYWHERE not in headers:
        raise AskFailed(
            f"the server at {name} cannot be asked: what answers is no feedgate server; {_NOT_ONE}"
        )
    return document


def _refused(refusal: urllib.error.HTTPError, name: str, *, has_key: bool) -> Exception:
    where = refusal.headers.get("Location") if 300 <= refusal.code < 400 else None
    if where is not None:
        to = urljoin(refusal.url or "", where)
        return AskFailed(
            f"the server at {name} sends on (status {refusal.code}) to {origin_of(to)}, where no key follows; "
            "name the right address with --server"
        )
    try:
        told = _document(refusal.headers, _read(refusal), name)
        word = str(told["type"]).rpartition(":")[2]
        what = "; name one with --key or FEEDGATE_KEY" if word == "unauthorized" and not has_key else ""
        return Refused(word, f"{told['title']}: {told['detail']}{what}", told)
    except (AskFailed, OSError, ValueError, HTTPException):
        return AskFailed(
            f"the server at {name} cannot be asked: what answers (status {refusal.code}) is no feedgate server; "
            f"{_NOT_ONE}"
        )
