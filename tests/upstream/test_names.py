"""A17: names that resolve slowly, not at all, or differently each time."""

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from proxy.upstream.errors import Unreachable
from proxy.upstream.names import SystemNames
from tests.support.origin import Origin
from tests.upstream.conftest import Dial


class SlowFor:
    """A resolver that takes for ever for one name and answers the rest at once."""

    def __init__(self, slow: str) -> None:
        self._slow = slow

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        if host == self._slow:
            await asyncio.Event().wait()
        return ["127.0.0.1"]


async def test_slow_name_fails_at_the_connect_timeout(dial: Dial) -> None:
    remote = dial("http://slow.example", resolver=SlowFor("slow.example"), connect_timeout_s=0.2)
    with pytest.raises(Unreachable, match="not resolved") as failed:
        await remote.document("a", accept="*/*")
    assert failed.value.hop == "name"


async def test_fifty_slow_names_delay_no_other_upstream(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/a", b"x")
        resolver = SlowFor("slow.example")
        slow = dial("http://slow.example", resolver=resolver, connect_timeout_s=30.0)
        fine = dial(f"http://fine.example:{origin.port}", resolver=resolver)
        waiting = [asyncio.create_task(slow.document(f"{n}", accept="*/*")) for n in range(50)]
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            assert (await fine.document("a", accept="*/*")).body == b"x"
        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*waiting)
        assert slow.health.in_flight == 0


async def test_system_resolver_has_threads_of_its_own() -> None:
    names = SystemNames()
    loop = asyncio.get_running_loop()
    assert "127.0.0.1" in await names.addresses("127.0.0.1", 80)
    with pytest.raises(OSError, match="looked up"):
        await names.addresses(f"{'x' * 64}.example", 80)
    assert getattr(loop, "_default_executor", None) is None
    names.close()
