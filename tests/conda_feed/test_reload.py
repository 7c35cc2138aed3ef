"""A reload: what did not change goes on as if nothing had happened; what changed is read anew."""

from tests.conda_feed.stand import Stand
from tests.support.channel import FakeChannel
from tests.support.conda_packages import bare

FILE = "a-1.0-0.conda"


async def test_a_file_is_served_after_its_channel_moved_to_another_address(stand: Stand) -> None:
    other = FakeChannel(stand.origin, prefix="/moved")
    for channel in (stand.channel, other):
        channel.add(bare("a", data=b"a" * 99))
    await stand.start()
    assert (await stand.get(f"linux-64/{FILE}", "HEAD")).status == 200
    stand.gateway.reload(stand.feed(stand.upstream(other, "moved")))
    got = await stand.get(f"linux-64/{FILE}")
    assert (got.status, got.body) == (200, b"a" * 99)
    assert f"GET linux-64/{FILE}" in other.asked()
    assert f"GET linux-64/{FILE}" not in stand.channel.asked()
