"""The child's part of a closure: a real solve for one platform and one Python, by py-rattler (conda's own rules).

Candidates are what the source shows and what the target shows already, as one channel; where both have a file, the
target's record counts, since it is what clients of the target get. Only the names that can be reached from what is
wanted are looked at. Of what is merely needed, packages that the target has are preferred, so that a closure adds
little. conda gives every Python a dependency on pip, so the solve does, if there is a pip at all.

The machine that a package will run on is not known: it is solved for an old one first, and for newer ones where the
old one is not enough (`machines.py`). What no machine of these can install is told.
"""

import asyncio
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import msgspec

from proxy.conda.names import parse_file
from proxy.conda.pack import BadPack
from proxy.conda.record import joined
from proxy.conda.snapshot import Snapshot
from proxy.feeds.conda.machines import Virtual, machines, parse_virtual_package
from proxy.feeds.conda.packs import open_generation
from proxy.feeds.conda.solve_catalog import Catalog
from proxy.policy.conda_version import BadVersion, spec_parts, version_key

if TYPE_CHECKING:
    from rattler import GenericVirtualPackage, RepoDataRecord

_TIMEOUT = timedelta(seconds=60)
_MOST_TOLD = 2000
#: Of one artifact that is left out so much is told.
_MOST_TOLD_OF_ONE = 500
#: What a solver's words say of a virtual package: `__archspec 1.* x86_64_v3`.
_VIRTUAL = re.compile(r"__[a-z0-9][a-z0-9._-]{0,61}[^,\n|]{0,80}")
_ADVICE = "no machine that was solved for has it: say in virtual_packages (--virtual-package) what yours has"


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
    #: Files of the source that are no candidates: the target would hide them, or they were revoked there.
    excluded: tuple[str, ...] = ()
    #: What is known of the machine, `NAME=VERSION=BUILD`.
    virtual_packages: tuple[str, ...] = ()


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Return {"needed": {artifact: needed by}, "requested": [artifact…], "left_out": {artifact: why}}, or
    {"unsolvable": words}.

    `{"damaged": why}` is returned where a generation cannot be read.
    """
    asked = msgspec.convert(order, Order)
    try:
        only = {name: frozenset((*paths, *asked.exactly)) for name, paths in asked.meant}
        catalog = Catalog(_opened(asked.source), _opened(asked.target), frozenset(asked.excluded), only)
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

    def __init__(self, asked: Order, catalog: Catalog, folder: Path) -> None:
        self._asked = asked
        self._catalog = catalog
        self._sources = list(_written(catalog, folder))
        self._machines = _machines(asked, catalog)

    def run(self) -> dict[str, Any]:
        """Solve everything together first; then each file that another one of its name kept out."""
        solved: dict[str, list[str]] = {}

        def solve(specs: Sequence[str]) -> None:
            names = {spec_parts(spec)[0] for spec in specs}
            for path, by in self._explained(self._solve(specs)[0], names).items():
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
            return {"unsolvable": _advised(str(words)[:_MOST_TOLD])}
        left_out: dict[str, str] = {}
        for path in self._other_builds(tuple(solved)):
            try:
                solve([self._exact(path)])
            except _Unsolvable as words:  # such as a build for hardware that this platform has not
                left_out[path] = _why_left_out(str(words))
        left_out |= self._newer(tuple(solved))
        requested = [path for path, by in solved.items() if "" in by]
        needed = {path: by[0] for path, by in solved.items() if "" not in by}
        return {"requested": requested, "needed": needed, "left_out": left_out}

    def _other_builds(self, solved: Sequence[str]) -> list[str]:
        """Return the other builds of the versions that the specs came to: all of them are meant."""
        facts = self._catalog.facts
        found: list[str] = []
        for name, paths in self._asked.meant:
            versions = {facts[path].version for path in solved if facts[path].name == name}
            found += [path for path in paths if path not in solved and facts[path].version in versions]
        return found

    def _newer(self, solved: Sequence[str]) -> dict[str, str]:
        """Return of each name that is asked for the newest file, and why, if it is left out for want of a machine."""
        facts = self._catalog.facts
        found: dict[str, str] = {}
        for name, paths in self._asked.meant:
            taken = [path for path in solved if facts[path].name == name]
            newest = max((path for path in paths if path in facts), key=self._order, default=None)
            if newest is None or not taken or self._order(newest)[0] <= max(map(self._order, taken))[0]:
                continue
            try:
                _, number = self._solve([self._exact(newest)])
            except _Unsolvable as words:
                if _VIRTUAL.search(str(words)):
                    found[newest] = _why_left_out(str(words))
                continue
            if number:
                version = facts[max(taken, key=self._order)].version
                found[newest] = (
                    f"an older machine, which is solved for first, takes {version}; name the version, or say in "
                    "virtual_packages (--virtual-package) what your machine has"
                )
        return found

    def _exact(self, path: str) -> str:
        facts = self._catalog.facts.get(path)
        if path in self._catalog.unreadable:
            raise _Unsolvable(f"{path}: what it depends on is too long, or nested too deep, to be read")
        if facts is None:
            raise _Unsolvable(f"{path} is not there any more")
        return f"{facts.name}[version='=={facts.version}', build='{facts.build}']"

    def _solve(self, specs: Sequence[str]) -> "tuple[list[RepoDataRecord], int]":
        """Return a solution, and the number of the machine that it is for; the first that can have one."""
        failed = ""
        for number, machine in enumerate(self._machines):
            try:
                return asyncio.run(self._attempt(specs, _virtual(machine))), number
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


def _written(catalog: Catalog, folder: Path) -> "Iterator[Any]":
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


def _machines(asked: Order, catalog: Catalog) -> list[list[Virtual]]:
    """Return the machines to solve for: those that only differ in what no record speaks of are one."""
    said = {spec_parts(spec)[0] for facts in catalog.facts.values() for spec in facts.depends or ()}
    said |= {spec_parts(spec)[0] for facts in catalog.facts.values() for spec in facts.constrains or ()}
    found: list[list[Virtual]] = []
    for machine in machines(asked.platform, [parse_virtual_package(each) for each in asked.virtual_packages]):
        spoken_of = [each for each in machine if each[0] in said]
        if spoken_of not in found:
            found.append(spoken_of)
    return found


def _virtual(machine: Sequence[Virtual]) -> "list[GenericVirtualPackage]":
    from rattler import BuildString, GenericVirtualPackage, PackageName, Version

    return [
        GenericVirtualPackage(PackageName(name), Version(version), BuildString(build))
        for name, version, build in machine
    ]


def _advised(words: str) -> str:
    return f"{words}; {_ADVICE}" if _VIRTUAL.search(words) else words


def _why_left_out(words: str) -> str:
    """Return in one line why an artifact cannot be installed: the virtual packages that it needs, else the solver's."""
    needed = dict.fromkeys(each.strip() for each in _VIRTUAL.findall(words))
    if needed:
        return f"it needs {', '.join(list(needed)[:5])}, and {_ADVICE}"[:_MOST_TOLD_OF_ONE]
    return " ".join(words.split())[:_MOST_TOLD_OF_ONE]


def _with_pip(raw: bytes) -> bytes:
    """Return a Python's record as conda reads it. py-rattler can do that too, but not for what is preferred."""
    record = msgspec.json.decode(raw, type=dict[str, Any])
    return msgspec.json.encode(record | {"depends": [*record["depends"], "pip"]})


def _name_of(path: str) -> str:
    parsed = parse_file(path.partition("/")[2])
    return parsed.name if parsed is not None else ""
