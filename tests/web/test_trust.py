"""What a client says about itself and about us counts only from a listed proxy (law 1; E01)."""

import pytest
from multidict import CIMultiDict

from proxy.config.settings import Server
from proxy.web.inbound import Inbound
from proxy.web.outbound import BlobAnswer, Bytes, Outbound
from proxy.web.trust import Trust
from tests.support.raw_http import Raw, Reply, ask
from tests.web.stand import get, small_blob, standing

ATTACKS = pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/f", ("Host: evil.example",)),
        ("http://evil.example/f", ()),
        ("http://evil.example/f", ("X-Forwarded-Host: evil.example",)),
        ("/f", ("X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "X-Forwarded-Prefix: /evil")),
        ("/f", ("X-Forwarded-For: 10.0.0.1", "X-Real-IP: 10.0.0.1")),
        ("/f", ('Forwarded: for=10.0.0.1;host=evil.example;proto=https',)),
        ("/f", ("X-Original-URL: /admin", "X-Rewrite-URL: /admin", "X-HTTP-Method-Override: DELETE")),
        ("/f?x=1#y", ()),
        ("/%66", ()),
    ],
)  # fmt: skip


def tell(inbound: Inbound) -> Outbound:
    text = f"{inbound.method} {inbound.segments} {inbound.base_url} {inbound.peer}"
    return Bytes(body=text.encode(), content_type="text/plain")


@ATTACKS
@pytest.mark.parametrize("answer", [tell, BlobAnswer(blob=small_blob(b"bytes"))], ids=["told", "blob"])
async def test_attacker_changes_nobodys_bytes(
    target: str, headers: tuple[str, ...], answer: Outbound
) -> None:
    async with standing(get("/f", answer)) as stand, Raw(stand.port) as raw:
        clean = await raw.ask("GET", "/f")
        attacked = await _with_own_host(raw, target, headers)
        victim = await raw.ask("GET", "/f")
    assert _lasting(clean) == _lasting(attacked) == _lasting(victim)
    assert b"evil" not in clean.body + attacked.body


async def test_listed_proxy_is_believed() -> None:
    async with standing(get("/f", tell), trusted_proxies=("127.0.0.0/8",)) as stand:
        reply = await ask(
            stand.port, "GET", "/f", "X-Forwarded-For: 198.51.100.7", "X-Forwarded-Proto: https",
            "X-Forwarded-Host: feeds.example:8443",
        )  # fmt: skip
        (line,) = await stand.lines()
    assert reply.body == b"GET ('f',) https://feeds.example:8443 198.51.100.7"
    assert line["client"] == "198.51.100.7"


async def test_public_url_beats_every_header() -> None:
    async with standing(
        get("/f", tell), trusted_proxies=("127.0.0.0/8",), public_url="https://feeds.example/x/"
    ) as stand:
        reply = await ask(
            stand.port, "GET", "/f", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: http"
        )
    assert b" https://feeds.example/x " in reply.body


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        ([], "10.0.0.1"),
        (["X-Forwarded-For: 203.0.113.9"], "203.0.113.9"),
        (["X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        (["X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 203.0.113.9"], "203.0.113.9"),
        (["X-Forwarded-For: 203.0.113.9:4711"], "203.0.113.9"),
        (["X-Forwarded-For: [2001:db8::1]:4711"], "2001:db8::1"),
        (["X-Forwarded-For: ::ffff:203.0.113.9"], "203.0.113.9"),
        (["X-Forwarded-For: unknown"], "10.0.0.1"),
        (["X-Forwarded-For: \x1b[31m"], "10.0.0.1"),
        (["X-Forwarded-For: 10.0.0.2, 10.0.0.3"], "10.0.0.1"),
        (['Forwarded: for="[2001:db8::1]:4711";proto=https, for=10.0.0.2'], "2001:db8::1"),
        (["Forwarded: for=_hidden"], "10.0.0.1"),
    ],
)
def test_client_is_the_last_address_that_is_no_listed_proxy(lines: list[str], client: str) -> None:
    trust = Trust(Server(trusted_proxies=("10.0.0.0/8",)))
    headers = CIMultiDict[str]((name, value) for name, _, value in (line.partition(": ") for line in lines))
    assert trust.judge("10.0.0.1", "http://own:1", headers).address == client


@pytest.mark.parametrize("host", ["a b", "a/b", 'a"b', "a@b", "", "a:b", "[::1", "é"])
def test_malformed_host_of_a_listed_proxy_is_ignored(host: str) -> None:
    headers = CIMultiDict({"X-Forwarded-Proto": "https", "X-Forwarded-Host": host})
    assert Trust(Server()).judge("10.0.0.1", "http://own:1", headers).base_url == "http://own:1"


@pytest.mark.parametrize("peer", ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1"])
def test_networks_of_both_families_are_listed(peer: str) -> None:
    assert Trust(Server(trusted_proxies=("10.0.0.0/8", "fd00::/8"))).is_trusted(peer)


@pytest.mark.parametrize("peer", ["11.1.2.3", "", "unix", "::1"])
def test_other_peers_are_not_listed(peer: str) -> None:
    assert not Trust(Server(trusted_proxies=("10.0.0.0/8",))).is_trusted(peer)


async def _with_own_host(raw: Raw, target: str, headers: tuple[str, ...]) -> Reply:
    if not any(header.startswith("Host") for header in headers):
        return await raw.ask("GET", target, *headers)
    await raw.send("\r\n".join([f"GET {target} HTTP/1.1", *headers, "", ""]).encode())
    return await raw.read()


def _lasting(reply: Reply) -> tuple[int, dict[str, str], bytes]:
    fields = {name: value for name, value in reply.fields if name not in {"date", "x-request-id"}}
    return reply.status, fields, reply.body
