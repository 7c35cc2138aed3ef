"""run_exports, channeldata, notices and side-cars of a curated conda feed tell of what is approved, nothing else."""

from tests.approval_conda.desk import LINUX, Desk
from tests.conda_feed.stand import LATER_S
from tests.support.conda_packages import package

A = package("a", run_exports=("a >=1",))
PATH = f"{LINUX}/{A.file}"


async def begun(desk: Desk) -> None:
    desk.channel.reshape(run_exports=True, channeldata=True)
    desk.channel.add(A, package("a", "2.0"), package("b", run_exports=("b",)))
    await desk.begin()


async def test_run_exports_are_those_of_what_is_approved(desk: Desk) -> None:
    await begun(desk)
    await desk.approve(PATH)
    document = (await desk.seen(f"{LINUX}/run_exports.json")).json()
    assert document["packages.conda"] == {A.file: {"run_exports": {"weak": ["a >=1"]}}}
    assert document["packages"] == {}
    await desk.approve(f"{LINUX}/b-1.0-0.conda")
    document = (await desk.seen(f"{LINUX}/run_exports.json")).json()
    assert set(document["packages.conda"]) == {A.file, "b-1.0-0.conda"}
    assert (await desk.seen(f"{LINUX}/run_exports.json.zst")).status == 200


async def test_run_exports_stay_while_the_origin_is_gone(desk: Desk) -> None:
    await begun(desk)
    await desk.approve(PATH)
    before = await desk.seen(f"{LINUX}/run_exports.json")
    await desk.origin.off()
    desk.clock.advance(LATER_S)
    assert (await desk.seen(f"{LINUX}/run_exports.json")).body == before.body


async def test_channeldata_tells_of_approved_versions_only(desk: Desk) -> None:
    await begun(desk)
    await desk.approve(PATH)
    document = (await desk.seen("channeldata.json")).json()
    assert set(document["packages"]) == {"a"}
    assert document["packages"]["a"]["version"] == "1.0"


async def test_a_channel_that_has_neither_has_neither_here(desk: Desk) -> None:
    desk.channel.add(A)
    await desk.begin()
    await desk.approve(PATH)
    for path in (f"{LINUX}/run_exports.json", "channeldata.json"):
        assert (await desk.seen(path)).status == 404


async def test_an_empty_feed_says_why_in_a_notice(desk: Desk) -> None:
    await begun(desk)
    (notice,) = (await desk.seen("notices.json")).json()["notices"]
    assert "approved" in notice["message"]
    await desk.approve(PATH)
    assert (await desk.seen("notices.json")).json() == {"notices": []}


async def test_a_side_car_is_served_for_what_is_approved(desk: Desk) -> None:
    desk.channel.add(A, package("b"))
    cars = {file: desk.channel.sign(LINUX, file) for file in (A.file, "b-1.0-0.conda")}
    await desk.begin()
    await desk.approve(PATH)
    got = await desk.seen(f"{LINUX}/{cars[A.file]}")
    assert (got.status, got.body) == (200, b'{"mediaType":"bundle"}')
    assert (await desk.seen(f"{LINUX}/{cars['b-1.0-0.conda']}")).status == 404
    assert (await desk.seen(f"{LINUX}/{A.file}.sigs.{'0' * 64}")).status == 404
    await desk.settled()
    await desk.origin.off()
    assert (await desk.seen(f"{LINUX}/{cars[A.file]}")).status == 200
    await desk.revoke(PATH)
    assert (await desk.seen(f"{LINUX}/{cars[A.file]}")).status == 403
