"""The child's part of a closure: a real solve for one platform and one Python, by py-rattler (conda's own rules).

Candidates are what the source shows and what the target shows already, as one channel; where both have a file, the
target's record counts, since it is what clients of the target get. Only the names that can be reached from what is
wanted are looked at. Of what is merely needed, packages that the target has are preferred, so that a closure adds
little. conda gives every Python a dependency on pip, so the solve does, if there is a pip at all.

The machine that a package will run on is not known: it is solved for an old one first, and for a new one with a CUDA
driver where the old one is not enough.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import msgspec

from proxy.conda.names import parse_file
from proxy.conda.pack import BadPack
from proxy.conda.record import Facts, joined
from proxy.conda.snapshot import Snapshot
from proxy.feeds.conda.machines import AGES, Age, virtual_packages
from proxy.feeds.conda.packs import open_generation
from proxy.model.bounds import is_readable
from proxy.policy.conda_version import BadVersion, spec_parts, version_key

if TYPE_CHECKING:
    from rattler import GenericVirtualPackage, RepoDataRecord

_TIMEOUT = timedelta(seconds=60)
_MOST_TOLD = 2000


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done. Generations are (subdir, folder, stem).

    `meant` are the names that are asked for, each with the source's files that its spec means here: one of them it is,
    the newest that can be installed.

    `exactly` names files, `subdir/file`: each of them must be installable; all that fit together are solved at once.
    """

    platform: str
    python: str
    source: tuple[tuple[str, str, str], ...]
    target: tuple[tuple[str, str, str], ...] = ()
    meant: tuple[tuple[str, tuple[str, ...]], ...] = ()
    exactly: tuple[str, ...] = ()
    #: Files of the source that are no candidates: the target would hide them.
    excluded: tuple[str, ...] = ()


@dataclass(slots=True)
class _Catalog:
    """The records of the names that were looked at: subdir -> file -> JSON."""

    source: Mapping[str, Snapshot]
    target: Mapping[str, Snapshot]
    excluded: frozenset[str] = frozenset()
    #: name -> the only files of it that are candidates.
    only: Mapping[str, frozenset[str]] = field(default_factory=dict)
    records: dict[str, dict[str, bytes]] = field(default_factory=dict)
    facts: dict[str, Facts] = field(default_factory=dict)
    #: The files that the target has.
    approved: set[str] = field(default_factory=set)
    #: The files that the solver must not be given.
    unreadable: set[str] = field(default_factory=set)

    def gather(self, names: Iterable[str]) -> None:
        """Look at the names and at all that they may need."""
        seen: set[str] = set()
        queue = deque(names)
        while queue:
            name = queue.popleft()
            if name in seen or name.startswith("__"):
                continue
            seen.add(name)
            if name == "python":
                queue.append("pip")
            for facts in self._look_at(name):
                queue.extend(spec_parts(spec)[0] for spec in facts.depends or ())

    def _look_at(self, name: str) -> Iterator[Facts]:
        for snapshots in (self.source, self.target):
            for subdir, snapshot in snapshots.items():
                block = snapshot.block(name)
                if block is None:
                    continue
                found = block.facts()
                for record in block.records():
                    path = f"{subdir}/{record.file}"
                    if not _may_be_solved(found[record.file]):
                        self.unreadable.add(path)
                        continue
                    if snapshots is self.source and path in self.excluded:
                        continue
                    if name in self.only and path not in self.only[name]:
                        continue
                    self.records.setdefault(subdir, {})[record.file] = record.raw
                    self.facts[path] = found[record.file]
                    if snapshots is self.target:
                        self.approved.add(path)
                yield from filter(_may_be_solved, found.values())

    def has(self, name: str) -> bool:
        return any(facts.name == name for facts in self.facts.values())


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Return {"needed": {artifact: needed by}, "requested": [artifact…]}, or {"unsolvable": words}.

    `{"damaged": why}` is returned where a generation cannot be read.
    """
    asked = msgspec.convert(order, Order)
    try:
        only = {name: frozenset((*paths, *asked.exactly)) for name, paths in asked.meant}
        catalog = _Catalog(_opened(asked.source), _opened(asked.target), frozenset(asked.excluded), only)
        catalog.gather([*only, *map(_name_of, asked.exactly)])
    except (BadPack, FileNotFoundError) as damage:
        return {"damaged": str(damage)}
    with TemporaryDirectory(prefix="feedgate-solve-") as folder:
        return _Solver(asked, catalog, Path(folder)).run()


def _opened(places: Iterable[tuple[str, str, str]]) -> dict[str, Snapshot]:
    return {subdir: open_generation(Path(folder), stem).snapshot for subdir, folder, stem in places}


class _Unsolvable(Exception):
    """The solver's words."""


class _Solver:
    """One order."""

    def __init__(self, asked: Order, catalog: _Catalog, folder: Path) -> None:
        self._asked = asked
        self._catalog = catalog
        self._sources = list(_written(catalog, folder))

    def run(self) -> dict[str, Any]:
        """Solve everything together first; then each file that another one of its name kept out."""
        solved: dict[str, list[str]] = {}

        def solve(specs: Sequence[str]) -> None:
            names = {spec_parts(spec)[0] for spec in specs}
            for path, by in self._explained(self._solve(specs), names).items():
                solved.setdefault(path, []).append(by)

        groups: dict[str, list[str]] = {}
        for path in self._asked.exactly:
            groups.setdefault(_name_of(path), []).append(path)
        try:
            names = [name for name, _ in self._asked.meant]
            solve([*names, *(self._exact(paths[0]) for paths in groups.values())])
            for path in [path for paths in groups.values() for path in paths[1:]]:
                solve([self._exact(path)])
        except _Unsolvable as words:
            return {"unsolvable": str(words)[:_MOST_TOLD]}
        for path in self._other_builds(tuple(solved)):
            with contextlib.suppress(_Unsolvable):  # such as a build for hardware that this platform has not
                solve([self._exact(path)])
        requested = [path for path, by in solved.items() if "" in by]
        needed = {path: by[0] for path, by in solved.items() if "" not in by}
        return {"requested": requested, "needed": needed}

    def _other_builds(self, solved: Sequence[str]) -> list[str]:
        """Return the other builds of the versions that the specs came to: all of them are meant."""
        facts = self._catalog.facts
        found: list[str] = []
        for name, paths in self._asked.meant:
            versions = {facts[path].version for path in solved if facts[path].name == name}
            found += [path for path in paths if path not in solved and facts[path].version in versions]
        return found

    def _exact(self, path: str) -> str:
        facts = self._catalog.facts.get(path)
        if path in self._catalog.unreadable:
            raise _Unsolvable(f"{path}: what it depends on is too long, or nested too deep, to be read")
        if facts is None:
            raise _Unsolvable(f"{path} is not there any more")
        return f"{facts.name}[version='=={facts.version}', build='{facts.build}']"

    def _solve(self, specs: Sequence[str]) -> "list[RepoDataRecord]":
        failed = ""
        for age in AGES:
            try:
                return asyncio.run(self._attempt(specs, _virtual(self._asked.platform, age)))
            except _Unsolvable as words:
                failed = failed or str(words)
        raise _Unsolvable(failed)

    async def _attempt(
        self, specs: Sequence[str], virtual: "list[GenericVirtualPackage]"
    ) -> "list[RepoDataRecord]":
        from rattler import ChannelPriority, solve_with_sparse_repodata
        from rattler.exceptions import InvalidMatchSpecError, SolverError

        try:
            return await solve_with_sparse_repodata(
                list(specs), self._sources, locked_packages=self._locked(), virtual_packages=virtual,
                timeout=_TIMEOUT, channel_priority=ChannelPriority.Disabled,
                constraints=[f"python {self._asked.python}.*"] if self._asked.python else [],
            )  # fmt: skip
        except (SolverError, InvalidMatchSpecError) as error:
            raise _Unsolvable(str(error)) from error

    def _locked(self) -> "list[RepoDataRecord]":
        """Return the newest that the target has of each name; a solver takes it where nothing speaks against it.

        Of what is asked for by name the newest of the source is meant, whatever the target has.
        """
        newest: dict[str, str] = {}
        asked = {*self._catalog.only, *map(_name_of, self._asked.exactly)}
        for path in self._catalog.approved:
            name = self._catalog.facts[path].name
            if name in asked:
                continue
            if name not in newest or self._order(path) > self._order(newest[name]):
                newest[name] = path
        wanted = set(newest.values())
        from rattler import PackageFormatSelection

        return [
            record
            for source in self._sources
            for name in newest
            for record in source.load_records(name, PackageFormatSelection.PREFER_CONDA)
            if f"{record.subdir}/{record.file_name}" in wanted
        ]

    def _order(self, path: str) -> tuple[Any, int, str]:
        facts = self._catalog.facts[path]
        try:
            version: Any = version_key(facts.version)
        except BadVersion:
            version = version_key("0")
        return version, facts.build_number, path

    def _explained(self, solved: "list[RepoDataRecord]", requested: set[str]) -> dict[str, str]:
        """Return path -> the name that needs it first, on the way from what is requested; "" for that itself."""
        by_name = {record.name.normalized: record for record in solved}
        found: dict[str, str] = {}
        queue = deque((name, "") for name in by_name if name in requested)
        seen: set[str] = set()
        while queue:
            name, by = queue.popleft()
            record = by_name.get(name)
            if record is None or name in seen:
                continue
            seen.add(name)
            found[f"{record.subdir}/{record.file_name}"] = by
            queue.extend((spec_parts(spec)[0], name) for spec in record.depends)
        for record in solved:  # what only an extra or a cycle leads to
            found.setdefault(f"{record.subdir}/{record.file_name}", "the solve")
        return found


def _may_be_solved(facts: Facts) -> bool:
    """Return whether py-rattler may be given a record: its parser recurses, and would end the process."""
    if facts.depends is None or facts.constrains is None:
        return False
    return all(map(is_readable, facts.depends)) and all(map(is_readable, facts.constrains))


def _written(catalog: _Catalog, folder: Path) -> "Iterator[Any]":
    from rattler import Channel, SparseRepoData

    has_pip = catalog.has("pip")
    for subdir, records in catalog.records.items():
        sections: dict[str, dict[str, bytes]] = {"packages": {}, "packages.conda": {}}
        for file, raw in records.items():
            parsed = parse_file(file)
            if parsed is not None:
                is_python = parsed.name == "python" and has_pip
                sections[parsed.section][file] = _with_pip(raw) if is_python else raw
        path = folder / subdir / "repodata.json"
        path.parent.mkdir()
        tar, conda = (joined(dict(sorted(each.items()))) for each in sections.values())
        path.write_bytes(
            b'{"info":{"subdir":%b},"packages":{%b},"packages.conda":{%b}}'
            % (msgspec.json.encode(subdir), tar, conda)
        )
        yield SparseRepoData(Channel(folder.as_uri()), subdir, str(path))


def _virtual(platform: str, age: Age) -> "list[GenericVirtualPackage]":
    from rattler import BuildString, GenericVirtualPackage, PackageName, Version

    return [
        GenericVirtualPackage(PackageName(name), Version(version), BuildString(build))
        for name, version, build in virtual_packages(platform, age)
    ]


def _with_pip(raw: bytes) -> bytes:
    """Return a Python's record as conda reads it. py-rattler can do that too, but not for what is preferred."""
    record = msgspec.json.decode(raw, type=dict[str, Any])
    return msgspec.json.encode(record | {"depends": [*record["depends"], "pip"]})


def _name_of(path: str) -> str:
    parsed = parse_file(path.partition("/")[2])
    return parsed.name if parsed is not None else ""
