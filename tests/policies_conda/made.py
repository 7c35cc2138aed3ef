"""Generations made by the children's own jobs, in the test's process: fast enough for random catalogs and policies."""

import contextlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from proxy.conda.names import parse_file
from proxy.feeds.conda import compose_job, ingest_job, render_job
from proxy.feeds.conda.compose_job import Order, Part, Rules
from proxy.feeds.conda.edition import Edition, HeldSubdir
from proxy.feeds.conda.lineage import Lineage
from proxy.feeds.conda.packs import Generation, open_generation
from proxy.feeds.conda.ruling import Ruling
from proxy.feeds.conda.view import judged_view, view_of
from proxy.feeds.keeper import How
from proxy.policy.settings import Policy
from tests.conda_feed.readback import plain, unpacked
from tests.faults.turned_clock import TurnedClock

Records = Mapping[str, Mapping[str, Any]]
ORIGIN = Lineage("up", "https://origin.example/chan")


@dataclass(slots=True)
class Workshop:
    """A folder with a state of its own. `records` below are file -> record."""

    folder: Path
    clock: TurnedClock = field(default_factory=TurnedClock)
    _taken: dict[str, Generation] = field(default_factory=dict)
    _number: int = 0

    def __post_init__(self) -> None:
        self.clock.freeze()
        with contextlib.closing(sqlite3.connect(self.state)) as connection:
            connection.execute(
                "CREATE TABLE sightings (upstream, subdir, name, payload, PRIMARY KEY (upstream, subdir, name))"
            )
            connection.commit()

    @property
    def state(self) -> Path:
        return self.folder / "state.db"

    def take(self, subdir: str, records: Records) -> Generation:
        """Take an index in, as an upstream's next generation, and remember first sights."""
        where = self.folder / "up" / subdir
        where.mkdir(parents=True, exist_ok=True)
        sections: dict[str, dict[str, Any]] = {"packages": {}, "packages.conda": {}}
        for file, record in records.items():
            sections["packages" if file.endswith(".tar.bz2") else "packages.conda"][file] = record
        source, learned = where / "repodata.json", where / "learned"
        source.write_text(json.dumps(sections))
        before = self._taken.get(subdir)
        made = ingest_job.run({
            "folder": str(where), "subdir": subdir, "upstream": "up", "now_ms": self._now_ms(), "source": str(source),
            "previous": before and before.stem, "learned": str(learned), "state": str(self.state),
            "is_initial": before is None, "may_vanish": True,
        })  # fmt: skip
        with contextlib.closing(sqlite3.connect(self.state)) as connection:
            connection.execute("ATTACH DATABASE ? AS learned", (str(learned),))
            connection.execute(
                "INSERT OR REPLACE INTO sightings SELECT 'up', ?, name, payload FROM learned.learned",
                (subdir,),
            )
            connection.commit()
        self._taken[subdir] = open_generation(where, made["stem"])
        return self._taken[subdir]

    def compose(
        self, subdir: str, policy: Policy, before: "Made | None" = None, *, folder: str = "feed"
    ) -> "Made":
        """Compose what the feed shows in a subdir that was taken in; `before` is judged by the same policy."""
        where = self.folder / folder / subdir
        ruling = Ruling(policy, self.clock, self.state)
        elsewhere = tuple(self._place(other) for other in sorted(self._taken) if other != subdir)
        part = Part(
            "up", self._place(subdir), elsewhere if policy.include_dependencies else (), lineage=ORIGIN
        )
        remembered = self.folder / "remembered"
        remembered.write_bytes(msgspec.msgpack.encode({}))
        order = Order(
            folder=str(where), subdir=subdir, now_ms=self._now_ms(), parts=(part,), remembered=str(remembered),
            previous=before.edition.generation.stem if before is not None else None,
            rules=Rules(policy, ruling.tick_ms, str(self.state), is_known=before is not None),
        )  # fmt: skip
        made = compose_job.run(json.loads(msgspec.json.encode(order)))
        held = HeldSubdir(self._taken[subdir], self.folder, How.HIT, 0.0, 1.0, ORIGIN)
        edition = Edition(
            subdir, open_generation(where, made["stem"]), where, ("up",), How.HIT, 0.0, 1.0, Lineage(parts=(ORIGIN,)),
            (held,), ruling, made["until_ms"] or None, made["counts"],
        )  # fmt: skip
        return Made(edition, made["judged"])

    def forget_sights(self) -> list[tuple[object, ...]]:
        """Take the rows of first sights away; return them."""
        with contextlib.closing(sqlite3.connect(self.state)) as connection:
            rows = connection.execute("SELECT * FROM sightings").fetchall()
            connection.execute("DELETE FROM sightings")
            connection.commit()
        return rows

    def remember_sights(self, rows: list[tuple[object, ...]]) -> None:
        with contextlib.closing(sqlite3.connect(self.state)) as connection:
            connection.executemany("INSERT INTO sightings VALUES (?, ?, ?, ?)", rows)
            connection.commit()

    def _place(self, subdir: str) -> tuple[str, str]:
        return str(self.folder / "up" / subdir), self._taken[subdir].stem

    def _now_ms(self) -> int:
        self._number += 1
        return int(self.clock.now().timestamp() * 1000) + self._number


@dataclass(frozen=True, slots=True)
class Made:
    """A composed edition, looked at from every side."""

    edition: Edition
    judged: int

    def in_document(self, form: str) -> set[str]:
        """Return the files of a full index."""
        out = self.edition.folder / f"out.{form}"
        out.unlink(missing_ok=True)
        render_job.run(
            str(self.edition.folder), self.edition.generation.stem, self.edition.subdir, form, str(out)
        )
        document = json.loads(plain(out.read_bytes()))
        return {*document["packages"], *document["packages.conda"]}

    def in_shards(self) -> set[str]:
        shards = self.edition.generation.shards
        read = [unpacked(shards.parts(name)[0]) for name in shards.entries]
        return {
            file for shard in read for section in ("packages", "packages.conda") for file in shard[section]
        }

    def at_the_gate(self, names: Sequence[str]) -> set[str]:
        views = [view_of("feed", self.edition, name) for name in names]
        for view in views:
            assert not view.kept.keys() & view.hidden.keys()
            assert all(not verdict.is_visible for verdict in view.hidden.values())
        return {path.partition("/")[2] for view in views for path in view.kept}

    def ahead(self, names: Sequence[str]) -> set[str]:
        """Return what the gate lets through while the edition is being made."""
        edition, ruling = self.edition, self.edition.ruling
        assert ruling is not None
        views = [judged_view("feed", edition.subdir, "up", edition.below[0], ruling, name) for name in names]
        return {path.partition("/")[2] for view in views for path in view.kept}

    def content(self) -> dict[str, tuple[object, ...]]:
        """Return what every name says, whatever lies where."""
        generation = self.edition.generation
        shards = generation.shards
        return {
            name: (generation.snapshot.block(name), shards.parts(name) if name in shards.entries else None)
            for name in generation.snapshot
        }


def names_of(*catalogs: Records) -> list[str]:
    """Return the names that files of catalogs have."""
    return sorted(
        {parsed.name for each in catalogs for file in each if (parsed := parse_file(file)) is not None}
    )
