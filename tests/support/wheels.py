"""Real wheels and sdists, made from nothing: pip and uv install them and their module can be imported.

Everything is deterministic, so that a digest in one test is the digest in another. An sdist carries its own
build backend and the wheel it builds, so that no client needs another index for setuptools.
"""

import base64
import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from packaging.utils import canonicalize_name

_EPOCH = (2020, 1, 1, 0, 0, 0)

_BACKEND = '''\
"""A build backend that hands out the wheel lying beside it."""
import pathlib
import shutil

HERE = pathlib.Path(__file__).parent


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    (wheel,) = (HERE / "prebuilt").glob("*.whl")
    shutil.copy(wheel, wheel_directory)
    return wheel.name
'''

_PYPROJECT = b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


@lru_cache(maxsize=64)
def _sha256(data: bytes) -> str:
    """Tests ask for the digest of the same file again and again."""
    return hashlib.sha256(data).hexdigest()


@lru_cache(maxsize=64)
def _blake2b(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=32).hexdigest()


@dataclass(frozen=True, slots=True)
class Built:
    """A distribution file. `metadata` is METADATA of a wheel and None for an sdist."""

    name: str
    version: str
    filename: str
    data: bytes
    metadata: bytes | None
    requires_python: str | None = None

    @property
    def sha256(self) -> str:
        return _sha256(self.data)

    @property
    def blake2b(self) -> str:
        """BLAKE2b-256: the public index names the folder of a file by it."""
        return _blake2b(self.data)

    @property
    def is_wheel(self) -> bool:
        return self.filename.endswith(".whl")


def module_name(name: str) -> str:
    return canonicalize_name(name).replace("-", "_")


def metadata(
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    fields: Sequence[str] = (),
) -> bytes:
    """Return the text of METADATA (and of PKG-INFO); `fields` are more lines of it."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", f"Summary: A test of {name}"]
    if requires_python is not None:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    lines += fields
    return ("\n".join(lines) + "\n\n").encode()


def wheel(
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    tag: str = "py3-none-any",
    payload: int = 0,
    files: Mapping[str, bytes] | None = None,
    fields: Sequence[str] = (),
) -> Built:
    """Return a wheel whose module holds `VERSION`; `payload` adds that many incompressible bytes to it."""
    module = module_name(name)
    info = f"{module}-{version}.dist-info"
    text = metadata(name, version, requires=requires, requires_python=requires_python, fields=fields)
    content = {f"{module}/__init__.py": f'VERSION = "{version}"\n'.encode(), **(files or {})}
    if payload:
        content[f"{module}/payload.bin"] = hashlib.shake_128(f"{name}{version}".encode()).digest(payload)
    pure = str(tag.endswith("-any")).lower()
    content[f"{info}/METADATA"] = text
    content[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: {pure}\nTag: {tag}\n".encode()
    )
    content[f"{info}/RECORD"] = _record(content, info)
    return Built(name, version, f"{module}-{version}-{tag}.whl", _zipped(content), text, requires_python)


def sdist(
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    fields: Sequence[str] = (),
) -> Built:
    """Return a `.tar.gz` that builds into `wheel(name, version, …)` without any build dependency."""
    built = wheel(name, version, requires=requires, requires_python=requires_python, fields=fields)
    top = f"{module_name(name)}-{version}"
    content = {
        f"{top}/PKG-INFO": built.metadata or b"",
        f"{top}/pyproject.toml": _PYPROJECT,
        f"{top}/backend.py": _BACKEND.encode(),
        f"{top}/prebuilt/{built.filename}": built.data,
    }
    return Built(name, version, f"{top}.tar.gz", _tarred(content), None, requires_python)


def _record(content: Mapping[str, bytes], info: str) -> bytes:
    rows = []
    for path, data in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(data)}")
    return ("\n".join([*rows, f"{info}/RECORD,,"]) + "\n").encode()


def _zipped(content: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in content.items():
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _tarred(content: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, data in content.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), mtime=0)
