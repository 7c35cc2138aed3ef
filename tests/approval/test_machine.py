"""Promote, revoke, block, restart, kill, in any order: gate, index and audit are what a small model says (B02, D09).

A kill is the data folder as it is at that moment, taken up by another process; what was answered must be in it.
"""

import asyncio
import shutil
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from proxy.policy.settings import Policy
from tests.approval.desk import Desk, curated
from tests.support.index import FakeIndex
from tests.support.length import sized
from tests.support.origin import Origin
from tests.support.wheels import wheel

VERSIONS = ("1.0", "2.0", "3.0")
FILES = tuple(f"{name}-{version}-py3-none-any.whl" for name in ("demo", "leaf") for version in VERSIONS)
some = st.lists(st.sampled_from(FILES), min_size=1, max_size=3, unique=True)


class Machine(RuleBasedStateMachine):
    """One server, one reviewer, and what they ought to come to."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="machine-"))
        self.origin = Origin()
        self.runner.run(self.origin.__aenter__())
        index = FakeIndex(self.origin)
        for file in FILES:
            name, version = file.split("-")[:2]
            index.add(wheel(name, version))
        self.desk = Desk(self.folder, self.origin, index)
        self.approved: set[str] = set()
        self.revoked: set[str] = set()
        self.blocked: set[str] = set()
        self.changes = 0
        self.runner.run(self.desk.start(self.desk.open(), curated(policy="p"), policies=(self._policy(),)))

    def teardown(self) -> None:
        self.runner.run(self._end())
        self.runner.close()
        shutil.rmtree(self.folder)

    # -- what may happen

    @rule(files=some)
    def promote(self, files: list[str]) -> None:
        got = self.runner.run(self.desk.order(artifacts=files))
        hidden = [file for file in files if file in self.blocked and file not in self.approved]
        if hidden:
            assert got.status == 409
            assert sorted(item["artifact"] for item in got.json()["artifacts"]) == sorted(hidden)
            return
        assert got.status == 201, got.body
        states = {item["artifact"]: item["state"] for item in got.json()["artifacts"]}
        assert states == {file: "already" if file in self.approved else "new" for file in files}
        self.approved |= set(files)
        self.revoked -= set(files)
        self.changes += 1

    @rule(file=st.sampled_from(FILES))
    def revoke(self, file: str) -> None:
        if file in self.approved:
            assert self.runner.run(self.desk.revoke(file)).status == 200
            self.approved.discard(file)
            self.revoked.add(file)
            self.changes += 1

    @rule(file=st.sampled_from(FILES))
    def block_or_allow(self, file: str) -> None:
        self.blocked ^= {file}
        self.runner.run(self._reload())

    @rule()
    def restart(self) -> None:
        self.runner.run(self.desk.gateway.restart())

    @rule()
    def kill(self) -> None:
        """Everything in memory is lost."""
        data, left = self.folder / "data", self.folder / "left"
        shutil.copytree(data, left)
        self.runner.run(self.desk.gateway.stop())
        shutil.rmtree(data)
        left.rename(data)
        self.runner.run(self.desk.gateway.start())

    @rule(files=some, key=st.sampled_from(["k-1", "k-2"]))
    def order_twice_with_one_key(self, files: list[str], key: str) -> None:
        asked = [file for file in files if file not in self.blocked]
        before = self.runner.run(self.desk.order(artifacts=asked, idempotency=f"{key}-{self.changes}"))
        if not asked:
            assert before.status == 422
            return
        again = self.runner.run(self.desk.order(artifacts=asked, idempotency=f"{key}-{self.changes}"))
        assert (before.status, before.body) == (again.status, again.body) and before.status == 201
        self.approved |= set(asked)
        self.revoked -= set(asked)
        self.changes += 1

    # -- what must be so

    @invariant()
    def the_gate_is_the_models(self) -> None:
        for file in FILES:
            got = self.runner.run(self.desk.file(file))
            assert got.status == self._expected(file), (file, got.status, got.body[:200])

    @invariant()
    def the_index_lists_what_downloads(self) -> None:
        listed = [file for name in ("demo", "leaf") for file in self.runner.run(self.desk.listed(name))]
        assert sorted(listed) == sorted(file for file in FILES if self._expected(file) == 200)

    @invariant()
    def every_change_has_its_audit(self) -> None:
        actions = self.runner.run(self.desk.audited())
        assert sum(action in ("promotion.create", "approval.revoke") for action in actions) == self.changes

    def _expected(self, file: str) -> int:
        if file in self.approved:
            return 403 if file in self.blocked else 200
        return 403 if file in self.revoked else 404

    def _policy(self) -> Policy:
        blocked = (" ==".join(file.split("-")[:2]) for file in sorted(self.blocked))
        return Policy("p", block=tuple(blocked))

    async def _reload(self) -> None:
        self.desk.gateway.reload(policies=[self._policy()])

    async def _end(self) -> None:
        chain = await self.desk.send("GET", "/audit/chain")
        assert chain.json()["ok"] is True
        await self.desk.stop()
        await self.origin.__aexit__(None, None, None)


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=sized(6, 200),
    stateful_step_count=sized(10, 40),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
