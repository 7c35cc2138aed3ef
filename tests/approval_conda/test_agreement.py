"""The law of curated feeds: what downloads is what every form lists: active approvals that the policy does not hide."""

import asyncio
import random

import pytest
import rattler

from tests.approval_conda.desk import CURATED, LINUX, Desk
from tests.conda_feed.readback import FORMS, Form, shard_digests
from tests.policy.made import policy
from tests.support.channel import SHARD_INDEX
from tests.support.conda_packages import Package, bare, replaced

#: Imported before there is a loop: specs bring it along.
assert rattler

NAMES = ("a", "a-b", "b")
BLOCKED = "a-b"


def possible() -> list[Package]:
    """Files that no twin of the other format shares a verdict with."""
    return [
        *(bare(name, version) for name in NAMES for version in ("1.0", "1!2.0")),
        *(bare(name, "3.0+x", extension=".tar.bz2") for name in NAMES),
    ]


class Model:
    """What ought to be: the pinned digest of each approved file, and whether names are blocked."""

    def __init__(self) -> None:
        self.approved: dict[str, str] = {}
        self.revoked: set[str] = set()
        self.blocks = False

    def shown(self) -> set[str]:
        return {path for path in self.approved if not (self.blocks and f"/{BLOCKED}-" in path)}


async def act(desk: Desk, model: Model, dice: random.Random) -> None:
    """Do one of the things that happen to curated feeds."""
    each = dice.choice(possible())
    path = f"{LINUX}/{each.file}"
    match dice.choice(("approve", "approve", "revoke", "policy", "origin", "gone", "restart")):
        case "approve" if path not in model.approved:
            choice = await desk.selecting.find("chan", path)
            if not choice.refused:
                (approval,) = await desk.approve(path)
                model.approved[path] = approval.sha256
                model.revoked.discard(path)
        case "revoke" if path in model.approved:
            await desk.revoke(path)
            del model.approved[path]
            model.revoked.add(path)
        case "policy":
            model.blocks = not model.blocks
            desk.gateway.reload(policies=[policy(block=[BLOCKED] if model.blocks else [])])
        case "origin":
            desk.channel.add(replaced(each, dice.randbytes(200)))
            await desk.refresh()
        case "gone" if each.file in desk.channel.subdir(LINUX).records:
            desk.channel.remove(LINUX, each.file)
            await desk.refresh()
        case "restart" if dice.random() < 0.3:
            await desk.restart()
        case _:
            pass


async def check(desk: Desk, model: Model) -> None:
    assert await desk.listed(LINUX) == model.shown()
    for form in FORMS:
        sections = await desk.indexed(LINUX, form, feed=CURATED)
        records = {file: record for section in sections.values() for file, record in section.items()}
        assert {f"{LINUX}/{file}": each["sha256"] for file, each in records.items()} == {
            path: model.approved[path] for path in model.shown()
        }
    for each in possible():
        path = f"{LINUX}/{each.file}"
        head = await desk.seen(path, "HEAD")
        assert (head.status == 200) == (path in model.shown()), path
        if head.status == 200:
            assert head.headers["etag"] == f'"{model.approved[path]}"'
        elif path in model.revoked or path in model.approved:
            assert head.status == 403
        else:
            assert head.status == 404


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_whatever_happens_the_forms_and_the_gate_tell_the_approvals(desk: Desk, seed: int) -> None:
    dice, model = random.Random(seed), Model()
    desk.channel.add(*possible())
    await desk.start(desk.feed(), desk.curated(policy="corp", fetch="lazy"), policies=[policy()])
    for _ in range(12):
        for _ in range(dice.randint(1, 3)):
            await act(desk, model, dice)
        await check(desk, model)


async def test_clients_that_read_all_the_time_miss_nothing_while_approvals_change(desk: Desk) -> None:
    """A shard that an index names is there, and what it lists downloads, or was revoked meanwhile."""
    packages = [bare("busy", str(number)) for number in range(12)]
    desk.channel.add(*packages, bare("still"))
    await desk.begin()
    await desk.approve(f"{LINUX}/still-1.0-0.conda")
    over = asyncio.Event()

    async def client() -> int:
        seen = 0
        while not over.is_set():
            index = await desk.seen(f"{LINUX}/{SHARD_INDEX}")
            for digest in shard_digests(index).values():
                assert (await desk.seen(f"{LINUX}/{digest}.msgpack.zst")).status == 200
                seen += 1
            assert f"{LINUX}/still-1.0-0.conda" in {
                f"{LINUX}/{file}" for file in await desk.files(LINUX, Form.SHARDS, feed=CURATED)
            }
        return seen

    clients = [asyncio.create_task(client()) for _ in range(2)]
    for number, each in enumerate(packages):
        await desk.approve(f"{LINUX}/{each.file}")
        if number % 3 == 2:
            await desk.revoke(f"{LINUX}/{each.file}")
    over.set()
    assert all(await asyncio.gather(*clients))
