"""E05 for this room: no credential in the text, repr, arguments, chain or traceback of any failure, nor in health."""

import base64
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest

from proxy.config.settings import Auth, Route
from proxy.model.redact import Secret, SecretUrl
from proxy.upstream.errors import UpstreamError, problem_for
from tests.support.faults import Fault
from tests.support.origin import Origin
from tests.support.outproxy import OutboundProxy
from tests.upstream.conftest import Dial

CANARY = "canary/9c!2"
FORMS = [
    CANARY,
    quote(CANARY, safe=""),
    base64.b64encode(f"me:{CANARY}".encode()).decode(),
    base64.b64encode(CANARY.encode()).decode().rstrip("="),
]


def told(error: BaseException) -> str:
    """Return everything that could be printed of an exception, whatever a logger does with its chain."""
    seen: list[str] = []
    queue: list[BaseException | None] = [error]
    while queue:
        one = queue.pop()
        if one is not None:
            seen += [str(one), repr(one), repr(one.args), repr(vars(one))]
            queue += [one.__cause__, one.__context__]
    return "\n".join([*seen, *traceback.format_exception(error, chain=True)])


def leaks(text: str) -> list[str]:
    return [form for form in FORMS if form in text]


FAULTS = {
    "401": Fault(status=401),
    "407": Fault(status=407),
    "500": Fault(status=500),
    "refuse": Fault(refuse=True),
    "silent": Fault(silent=True),
    "nonsense": Fault(raw=b"nonsense\r\n\r\n"),
    "redirect": Fault(location="ftp://x/"),
    "private": Fault(location="http://169.254.169.254/"),
}
AUTHS: dict[str, Callable[[str], dict[str, Any]]] = {
    "userinfo": lambda url: {"url": url.replace("//", f"//me:{quote(CANARY, safe='')}@")},
    "basic": lambda url: {"url": url, "auth": Auth("basic", "me", Secret(CANARY))},
    "bearer": lambda url: {"url": url, "auth": Auth("bearer", secret=Secret(CANARY))},
    "token": lambda url: {"url": url, "auth": Auth("token", secret=Secret(CANARY))},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("kind", AUTHS)
async def test_failure_of_an_origin_tells_no_credential(
    dial: Dial, fault: Fault, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with Origin() as origin:
        origin.always("*", fault)
        fields = AUTHS[kind](origin.url)
        remote = dial(fields.pop("url"), read_timeout_s=0.2, **fields)
        asks: list[Callable[[], Awaitable[object]]] = [
            lambda: remote.document("x", accept="*/*"),
            lambda: remote.open("x"),
            lambda: remote.head("x"),
        ]
        for ask in asks:
            with pytest.raises(UpstreamError) as failed:
                await ask()
            assert leaks(told(failed.value)) == []
            assert leaks(repr(problem_for(failed.value, "feed"))) == []
            assert str(failed.value).startswith(("http://", "left alone")) or failed.value.origin == ""
        assert leaks(repr(remote.health)) == []
    assert leaks(caplog.text) == []


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("way", ["refused", "dead", "hangs", "odd", "userinfo"])
async def test_failure_of_an_outbound_proxy_tells_no_credential(dial: Dial, scheme: str, way: str) -> None:
    async with OutboundProxy(
        user="me", password="other" if way in ("refused", "userinfo") else CANARY
    ) as proxy:
        proxy.hangs = way == "hangs"
        proxy.instead = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
        url = proxy.url
        if way == "dead":
            await proxy.__aexit__(None, None, None)
        route = Route(use_environment=False, proxy=SecretUrl(url), username="me", password=Secret(CANARY))
        if way == "userinfo":
            named = url.replace("//", f"//me:{quote(CANARY, safe='')}@")
            route = Route(use_environment=False, proxy=SecretUrl(named))
        remote = dial(f"{scheme}://pub.example", route=route, connect_timeout_s=0.2, read_timeout_s=0.2)
        with pytest.raises(UpstreamError) as failed:
            await remote.document("x", accept="*/*")
        assert leaks(told(failed.value)) == []
        assert leaks(repr(await remote.probe())) == []


async def test_values_of_a_request_do_not_print_their_credentials(dial: Dial) -> None:
    remote = dial("http://h.example", auth=Auth("basic", "me", Secret(CANARY)))
    assert leaks(repr(remote.settings)) == []
    assert leaks(repr(vars(remote._walk._credentials))) == []
