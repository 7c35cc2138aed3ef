"""A11, A16, A18: what clients get while the way out is broken, and that nothing of one way gets into another.

A wrong password, a wrong CA, an expired certificate and a refused redirect are 502; a proxy that is dead, hangs or
fails is 503. Each problem names the hop and no secret, a stored page is served meanwhile, and another feed, on
another route, does not notice.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from proxy.config.settings import Route
from proxy.model.redact import Secret, SecretUrl
from tests.faults.scene import Scene
from tests.faults.secrets import CANARIES
from tests.support.faults import Fault
from tests.support.gateway import feed, upstream
from tests.support.index import JSON
from tests.support.outproxy import OutboundProxy
from tests.support.wheels import wheel
from tests.upstream.authorities import new_ca, saved

SECRET = CANARIES["proxy"]
CORP, PUBLIC_CA = new_ca("Corporate"), new_ca("Public")
HOST = "index.example"
WAY = {"connect_timeout_s": 1.0, "read_timeout_s": 1.0, "json_api": None, "allow_private": False}


@dataclass
class Company:
    """Two proxies with users; both terminate TLS, each with a CA of its own."""

    scene: Scene
    proxy: OutboundProxy
    other: OutboundProxy

    def route(
        self, proxy: OutboundProxy, name: str, user: str, *files: Path, password: str = SECRET
    ) -> Route:
        return Route(
            name, use_environment=False, proxy=SecretUrl(proxy.url), username=user, password=Secret(password),
            ca_files=files,
        )  # fmt: skip

    async def start(self, scheme: str, *, fault: Callable[[Route], Route] = lambda route: route) -> None:
        """Start with the feed `pypi` on the first proxy and `beside` on the second."""
        ways = {
            "pypi": (self.proxy, saved(self.scene.folder, "corp.pem", CORP)),
            "beside": (self.other, saved(self.scene.folder, "public.pem", PUBLIC_CA)),
        }
        feeds = []
        for name, (proxy, file) in ways.items():
            route = self.route(proxy, name, name, file)
            way = upstream(
                f"{scheme}://{HOST}/simple/", name, route=fault(route) if name == "pypi" else route, **WAY
            )
            feeds.append(feed(way, name=name))
        await self.scene.start(*feeds)


@pytest.fixture
async def company(scene: Scene) -> AsyncIterator[Company]:
    scene.index.reshape(links="root")
    hosts = {HOST: ("127.0.0.1", scene.origin.port)}
    users = {"pypi": SECRET, "beside": SECRET}
    async with (
        OutboundProxy(users=users, hosts=hosts, authority=CORP) as proxy,
        OutboundProxy(users=users, hosts=hosts, authority=PUBLIC_CA) as other,
    ):
        yield Company(scene, proxy, other)
        proxy.shows_expired, proxy.delay_s = False, 0.0
        complaints = await scene.audit()
        assert not complaints, "\n".join(complaints)


Break = Callable[[Company], None]


def dead(company: Company) -> None:
    """Nothing listens on its port any more."""
    assert company.proxy._server is not None
    company.proxy._server.close()


def hanging(company: Company) -> None:
    company.proxy.hangs = True


def failing(company: Company) -> None:
    company.proxy.instead = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


def lying(company: Company) -> None:
    """It answers the client itself, in place of a tunnel and of the origin."""
    company.proxy.instead = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<form>login</fo"
    )


def barring(company: Company) -> None:
    company.proxy.instead = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"


def expired(company: Company) -> None:
    company.proxy.shows_expired = True


def locked(company: Company) -> None:
    company.proxy.users["pypi"] = "another"


#: name -> what happens, scheme, and what clients are told: status, word, part of the detail.
BROKEN: dict[str, tuple[Break, str, int, str, str]] = {
    "dead, http": (
        dead,
        "http",
        503,
        "origin-unavailable",
        "no connection to the outbound proxy: Connection refused",
    ),
    "dead, https": (
        dead,
        "https",
        503,
        "origin-unavailable",
        "no connection to the outbound proxy: Connection refused",
    ),
    "hanging, https": (hanging, "https", 503, "origin-unavailable", "the outbound proxy gave no connection"),
    "hanging, http": (hanging, "http", 503, "origin-unavailable", "read timeout through the outbound proxy"),
    "failing, https": (
        failing,
        "https",
        503,
        "origin-unavailable",
        "the outbound proxy answered 503 instead",
    ),
    "failing, http": (failing, "http", 503, "origin-unavailable", "answered 503, or the outbound proxy did"),
    "barring, https": (barring, "https", 502, "origin-refused", "the outbound proxy answered 403 instead"),
    "lying, http": (lying, "http", 502, "origin-refused", "the page of leaf cannot be used"),
    "wrong password, http": (
        locked,
        "http",
        502,
        "proxy-auth",
        "the outbound proxy refused our credentials (407)",
    ),
    "wrong password, https": (
        locked,
        "https",
        502,
        "proxy-auth",
        "the outbound proxy refused our credentials (407)",
    ),
    "expired certificate": (
        expired,
        "https",
        502,
        "tls",
        "the certificate is refused: certificate has expired",
    ),
}


@pytest.mark.parametrize(("happens", "scheme", "status", "word", "part"), BROKEN.values(), ids=BROKEN)
async def test_broken_way_is_named_by_its_hop_and_touches_nobody_else(
    company: Company, happens: Break, scheme: str, status: int, word: str, part: str
) -> None:
    """A18: cold without a stored page, warm with one; the feed beside it goes on."""
    scene = company.scene
    await company.start(scheme)
    assert (await scene.warm()).status == 200
    happens(company)
    await company.proxy.drop_connections()
    scene.index.add(wheel("leaf", "1.0"))
    cold = await scene.get("/pypi/pypi/simple/leaf/")
    assert cold.told == (status, word), cold.body
    assert part in cold.detail
    assert happens is lying or cold.detail.startswith(f"{scheme}://{HOST}")
    assert company.proxy.address not in cold.detail
    await scene.later()
    stale = await scene.get(scene.page, Accept=JSON)
    assert (stale.status, "fwd=stale" in stale.cache) == (200, True)
    beside = await scene.get("/pypi/beside/simple/leaf/")
    assert beside.status == 200
    assert {user for user, _ in company.other.log} == {"beside"}
    scene.heals = False


@pytest.mark.parametrize("files", ["none", "of the other route", "gone bad"])
async def test_route_without_the_right_ca_is_a_502_and_the_other_route_does_not_lend_its(
    company: Company, files: str
) -> None:
    """A16, A18: no CA at all, only the other route's, or one for another proxy."""
    folder = company.scene.folder
    wrong = {
        "none": (),
        "of the other route": (saved(folder, "x.pem", PUBLIC_CA),),
        "gone bad": (saved(folder, "y.pem", new_ca()),),
    }[files]
    await company.start("https", fault=lambda route: replace(route, ca_files=wrong))
    answer = await company.scene.get(company.scene.page)
    assert answer.told == (502, "tls")
    assert "the certificate is refused" in answer.detail
    assert (await company.scene.get("/pypi/beside/simple/demo/")).status == 200
    company.scene.heals = False


async def test_redirect_to_a_login_page_of_the_proxy_is_a_502(company: Company) -> None:
    """A12: from https to http, whoever sends there."""
    await company.start("https")
    company.scene.origin.always("*", Fault(location="http://login.example/"))
    answer = await company.scene.get(company.scene.page)
    assert answer.told == (502, "redirect-refused")
    assert all("login.example" not in target for _, target in company.proxy.log)
    company.scene.heals = False


async def test_slow_proxy_is_waited_for_and_delays_nobody_else(company: Company) -> None:
    await company.start("https")
    company.proxy.delay_s = 0.5
    loop = asyncio.get_running_loop()
    began = loop.time()
    slow = asyncio.create_task(company.scene.get(company.scene.page))
    beside = await company.scene.get("/pypi/beside/simple/demo/")
    assert (beside.status, slow.done()) == (200, False)
    assert (await slow).status == 200
    assert loop.time() - began >= 0.5
