"""Real conda packages, made with conda's own tool: rattler, mamba and conda can install them.

    tool = package("tool", "1.0", noarch="python", depends=("python >=3.11", "lib"))
    lib = package("lib", "2.0", "h1_0", extension=".tar.bz2", files=(("lib/lib.txt", b"lib"),))

A package is made once for the same arguments, so a digest in one test is the digest in another.
"""

import hashlib
import importlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

#: conda-package-handling has no types.
_tool: Any = importlib.import_module("conda_package_handling.api")

Files = tuple[tuple[str, bytes], ...]
#: 2024-01-01, in milliseconds: every package was built then unless a test says otherwise.
BUILT_MS = 1_704_067_200_000


@dataclass(frozen=True, slots=True)
class Package:
    """A package file and what an index says of it. `record` has both hashes and the size."""

    file: str
    subdir: str
    data: bytes = field(repr=False)
    record: Mapping[str, Any] = field(repr=False)
    run_exports: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        return str(self.record["name"])

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def package(
    name: str, version: str = "1.0", build: str = "0", *, subdir: str = "linux-64", noarch: str | None = None,
    extension: str = ".conda", depends: tuple[str, ...] = (), files: Files | None = None, payload: int = 0,
    timestamp: int = BUILT_MS, run_exports: tuple[str, ...] = (),
) -> Package:  # fmt: skip
    """Return a package; one that is noarch lies in `noarch`, and a Python one has a module and a command.

    `payload` adds a file of so many bytes that do not compress.
    """
    where = "noarch" if noarch is not None else subdir
    return _made(
        name, version, build, where, noarch, extension, depends, _files(name, version, noarch, files, payload),
        timestamp, run_exports,
    )  # fmt: skip


def python(version: str = "3.11.9", extension: str = ".conda") -> Package:
    """Return a python that is none, but that Python packages can be installed for."""
    return package(
        "python", version, "h0_0_cpython", extension=extension, files=(("bin/python", b"#!/bin/sh\n"),)
    )


def bare(
    name: str, version: str = "1.0", build: str = "0", *, subdir: str = "linux-64", extension: str = ".conda",
    data: bytes | None = None, **fields: Any,
) -> Package:  # fmt: skip
    """Return a package that is bytes only, for what nobody unpacks; `...` takes a field of its record away."""
    file = f"{name}-{version}-{build}{extension}"
    data = data if data is not None else f"{subdir}/{file}".encode() * 40
    record = _record(name, version, build, subdir, data) | fields
    return Package(file, subdir, data, {key: value for key, value in record.items() if value is not ...})


def replaced(old: Package, data: bytes) -> Package:
    """Return the package with other bytes under its name, and a record that says so."""
    hashes = {"md5": _md5(data), "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    return Package(old.file, old.subdir, data, {**old.record, **hashes}, old.run_exports)


# -- making ----------------------------------------------------------------------------------------------------


def _files(name: str, version: str, noarch: str | None, files: Files | None, payload: int) -> Files:
    if files is None and noarch == "python":
        module = f'__version__ = "{version}"\n\n\ndef main():\n    print(__version__)\n'
        files = ((f"site-packages/{name}/__init__.py", module.encode()),)
    elif files is None:
        files = ((f"share/{name}/version.txt", version.encode()),)
    noise = hashlib.shake_256(f"{name}-{version}".encode()).digest(payload) if payload else b""
    return (*files, (f"share/{name}/payload.bin", noise)) if payload else files


@cache
def _made(
    name: str, version: str, build: str, subdir: str, noarch: str | None, extension: str, depends: tuple[str, ...],
    files: Files, timestamp: int, run_exports: tuple[str, ...],
) -> Package:  # fmt: skip
    said = {
        "arch": None, "build": build, "build_number": 0, "depends": list(depends), "license": "MIT", "name": name,
        "noarch": noarch, "platform": None, "subdir": subdir, "timestamp": timestamp, "version": version,
    }  # fmt: skip
    said = {key: value for key, value in said.items() if value is not None}
    exports = {"weak": list(run_exports)} if run_exports else {}
    file = f"{name}-{version}-{build}{extension}"
    with tempfile.TemporaryDirectory(prefix="package-") as folder:
        prefix, out = Path(folder) / "prefix", Path(folder) / "out"
        out.mkdir()
        for path, data in (*files, *_info(said, files, exports)):
            target = prefix / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        options = {"compression_level": 1} if extension == ".conda" else {}
        _tool.create(str(prefix), None, file, str(out), **options)
        data = (out / file).read_bytes()
    record = _record(name, version, build, subdir, data) | said
    return Package(file, subdir, data, record, exports)


def _info(said: Mapping[str, Any], files: Files, run_exports: Mapping[str, Any]) -> Files:
    paths = [
        {"_path": path, "path_type": "hardlink", "sha256": hashlib.sha256(data).hexdigest(), "size_in_bytes": len(data)}
        for path, data in files
    ]  # fmt: skip
    info: dict[str, Any] = {
        "index.json": said,
        "about.json": {"license": "MIT", "summary": f"the package {said['name']}"},
        "paths.json": {"paths": paths, "paths_version": 1},
    }
    if run_exports:
        info["run_exports.json"] = run_exports
    if said.get("noarch") == "python":
        command = f"{said['name']} = {said['name']}:main"
        info["link.json"] = {
            "noarch": {"entry_points": [command], "type": "python"}, "package_metadata_version": 1,
        }  # fmt: skip
    text = [(f"info/{file}", json.dumps(content).encode()) for file, content in info.items()]
    return (*text, ("info/files", "".join(f"{path}\n" for path, _ in files).encode()))


def _record(name: str, version: str, build: str, subdir: str, data: bytes) -> dict[str, Any]:
    return {
        "build": build, "build_number": 0, "depends": [], "license": "MIT", "md5": _md5(data), "name": name,
        "sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "subdir": subdir, "timestamp": BUILT_MS,
        "version": version,
    }  # fmt: skip


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
