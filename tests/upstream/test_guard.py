"""E03, A17: which URLs and addresses may be asked, as text, at connect, and on each hop."""

from collections.abc import Sequence

import pytest

from proxy.config.settings import Route
from proxy.model.redact import SecretUrl
from proxy.upstream.errors import AddressRefused, RedirectRefused, Unreachable
from proxy.upstream.guard import check_target, refusal
from proxy.upstream.target import parse_target
from tests.support.faults import Fault
from tests.support.origin import Origin
from tests.support.outproxy import OutboundProxy
from tests.upstream.conftest import Dial

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1",
    "240.0.0.1", "::1", "fc00::1", "fd12::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "2002:7f00:1::", "2002:a00:1::",
    "64:ff9b::7f00:1", "64:ff9b::a00:1", "::127.0.0.1",
]  # fmt: skip
NEVER = [
    "0.0.0.0", "0.1.2.3", "169.254.169.254", "224.0.0.1", "255.255.255.255", "::", "fe80::1", "ff02::1",
    "fec0::1",
    "::ffff:169.254.169.254", "2002:a9fe:a9fe::", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "nonsense",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_address_needs_allow_private(address: str) -> None:
    assert refusal(address, allow_private=False) is not None
    assert refusal(address, allow_private=True) is None


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_asked(address: str) -> None:
    assert refusal(address, allow_private=False) is not None
    assert refusal(address, allow_private=True) is not None


DOCUMENTATION = ["192.0.2.1", "198.51.100.7", "203.0.113.9", "2001:db8::1"]


@pytest.mark.parametrize(
    "address", [*DOCUMENTATION, "8.8.8.8", "151.101.0.223", "2a04:4e42::223", "64:ff9b::808:808"]
)
def test_public_address_is_asked(address: str) -> None:
    assert refusal(address, allow_private=False) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/", "http://017700000001/", "http://0177.0.0.1/",
        "http://127.1/", "http://127.0.1/", "http://1/", "http://0/", "http://%31%32%37.0.0.1/",
        "http://[::1%251]/", "http://a_b:80:80/", "http:///x", "http://a..b/",
        f"http://{'a' * 64}.b/", "http://-/", "http:a", "//a/b",
        "file:/x", "file:///x", "unix:/x", "ftp://a/", "data:,x", "http://a/\r\nX: y", "http://a b/", "http://a\\@b/",
        "http://a:99999/", "http://a:0/", "",
    ],
)  # fmt: skip
def test_odd_url_is_refused_whatever_is_allowed(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_target(parse_target(url), allow_private=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://127.0.0.1./", "http://１２７.０.０.１/", "http://[::1]/", "http://localhost/",
        "http://LOCALHOST./", "http://ⓛocalhost/", "http://x.localhost/", "http://user@127.0.0.1/",
    ],
)  # fmt: skip
def test_local_names_and_literals_are_refused_in_every_spelling(url: str) -> None:
    with pytest.raises(AddressRefused, match=r"allow_private|unusual"):
        check_target(parse_target(url), allow_private=False)


class Answering:
    """A resolver that gives these answers in turn, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def test_name_that_leads_to_a_private_address_is_refused_at_connect(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/a", b"x")
        remote = dial(
            f"http://public.example:{origin.port}", allow_private=False, resolver=Answering(["127.0.0.1"])
        )
        with pytest.raises(AddressRefused, match="allow_private"):
            await remote.document("a", accept="*/*")
        with pytest.raises(AddressRefused):
            await remote.open("a")
        assert origin.connections == 0


async def test_every_address_of_a_name_is_judged(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/a", b"x")
        resolver = Answering(["169.254.169.254", "127.0.0.1"])
        remote = dial(f"http://some.example:{origin.port}", resolver=resolver)
        assert (await remote.document("a", accept="*/*")).body == b"x"


async def test_literal_private_upstream_is_refused_unless_configured(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/a", b"x")
        with pytest.raises(AddressRefused, match="allow_private"):
            await dial(origin.url, allow_private=False).document("a", accept="*/*")
        assert origin.connections == 0


async def test_each_hop_is_judged_also_behind_an_outbound_proxy(dial: Dial) -> None:
    """The proxy itself is on a private address, and exempt; where it is asked to lead is not."""
    async with Origin() as origin, OutboundProxy(hosts={"pub.example": ("127.0.0.1", 0)}) as proxy:
        proxy.hosts["pub.example"] = ("127.0.0.1", origin.port)
        origin.add("/fine", b"x")
        for number, host in enumerate(("127.0.0.1", "localhost", "[::1]", "192.168.0.1")):
            origin.always(f"/{number}", Fault(location=f"http://{host}:{origin.port}/fine"))
        remote = dial(
            "http://pub.example",
            allow_private=False,
            route=Route(use_environment=False, proxy=SecretUrl(proxy.url)),
        )
        assert (await remote.document("fine", accept="*/*")).body == b"x"
        for number in range(4):
            with pytest.raises((AddressRefused, RedirectRefused)):
                await remote.document(f"{number}", accept="*/*")
        assert origin.hits("/fine") == 1


async def test_redirect_to_a_name_that_leads_inside_is_refused(dial: Dial) -> None:
    """The first hop goes through the proxy; the second is excluded from it and resolves to this machine."""
    async with Origin() as origin, OutboundProxy() as proxy:
        proxy.hosts["pub.example"] = ("127.0.0.1", origin.port)
        origin.add("/fine", b"x")
        origin.always("/a", Fault(location=f"http://inside.example:{origin.port}/fine"))
        route = Route(use_environment=False, proxy=SecretUrl(proxy.url), no_proxy=("inside.example",))
        remote = dial(
            "http://pub.example", allow_private=False, route=route, resolver=Answering(["127.0.0.1"])
        )
        with pytest.raises(AddressRefused):
            await remote.document("a", accept="*/*")
        assert origin.hits("/fine") == 0


async def test_name_without_addresses_is_unreachable_at_the_name(dial: Dial) -> None:
    with pytest.raises(Unreachable) as failed:
        await dial("http://nowhere.example", resolver=Answering([])).document("a", accept="*/*")
    assert failed.value.hop == "name"
