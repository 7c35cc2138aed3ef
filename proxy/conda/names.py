"""Names: what a subdir, a package, a file, a channel and a token may be called (CEP 26; fact sheet 2). Pure.

A file name says name, version and build because none of the last two holds a hyphen: it is cut at the last two. The
name is compared in lower case, the file name as it stands. Real channels break the rule for build strings
(`barrnap-0.8-pl==5.22.0_0`), so `=`, `~`, `!` and `*` are let through where CEP 26 would not; nothing that could
mean something in a URL, a path or a header is.
"""

import re
from typing import NamedTuple

KNOWN_SUBDIRS = frozenset(
    {
        "noarch", "emscripten-wasm32", "wasi-wasm32", "freebsd-64", "linux-32", "linux-64", "linux-aarch64",
        "linux-armv6l", "linux-armv7l", "linux-ppc64", "linux-ppc64le", "linux-riscv64", "linux-s390x", "osx-64",
        "osx-arm64", "win-32", "win-64", "win-arm64", "zos-z",
    }
)  # fmt: skip
#: extension -> the section of a repodata.json that lists such files.
SECTIONS = {".tar.bz2": "packages", ".conda": "packages.conda"}

_SUBDIR = re.compile(r"noarch|[a-z0-9]+-[a-z0-9]+\Z")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_VERSION = re.compile(r"[A-Za-z0-9_.!+~*=]{1,64}\Z")
_BUILD = re.compile(r"[A-Za-z0-9_.!+~=]{1,64}\Z")
_UNPRINTABLE = re.compile(r"[^ -~]")
_COMPONENT = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,63}\Z", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9-]{8,128}\Z")
FILE_LIMIT = 211
_PRINTED_LIMIT = 200
_SUBDIR_LIMIT = 32


class FileName(NamedTuple):
    """What a package file's name says. `name` is in lower case; `file` is the name as it stands."""

    file: str
    name: str
    version: str
    build: str
    extension: str

    @property
    def stem(self) -> str:
        """The file name without its extension: what a `.conda` and a `.tar.bz2` of one package share."""
        return self.file.removesuffix(self.extension)

    @property
    def section(self) -> str:
        """The section of a repodata.json that lists the file."""
        return SECTIONS[self.extension]


def parse_file(file: str) -> FileName | None:
    """Return what the name of a package file says, or None where it is not one."""
    extension = ".conda" if file.endswith(".conda") else ".tar.bz2" if file.endswith(".tar.bz2") else ""
    parts = file.removesuffix(extension).rsplit("-", 2)
    if not extension or len(parts) != 3 or len(file) > FILE_LIMIT:
        return None
    name, version, build = parts
    if not (_NAME.match(name) and _VERSION.match(version) and _BUILD.match(build)):
        return None
    return FileName(file, name.lower(), version, build, extension)


def twin(file: str) -> str | None:
    """Return the same package's file in the other format: both get one verdict. None where it is no package file."""
    if file.endswith(".conda"):
        return f"{file.removesuffix('.conda')}.tar.bz2"
    return f"{file.removesuffix('.tar.bz2')}.conda" if file.endswith(".tar.bz2") else None


def printable(text: str) -> str:
    """Return what an origin says as one short line of ASCII, for logs and people."""
    line = _UNPRINTABLE.sub("?", text[:_PRINTED_LIMIT])
    return line if len(text) <= _PRINTED_LIMIT else f"{line}..."


def is_version(text: str) -> bool:
    """Tell whether the text can be a record's version; whether it has an order is not looked at."""
    return _VERSION.match(text) is not None


def is_build(text: str) -> bool:
    """Tell whether the text can be a record's build string; a file name's holds no hyphen."""
    return _BUILD.match(text.replace("-", "_")) is not None


def is_subdir(text: str) -> bool:
    """Tell whether the text can be a subdir, known or not."""
    return len(text) <= _SUBDIR_LIMIT and _SUBDIR.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Tell whether the text can be a package name, in either case."""
    return _NAME.match(text) is not None


def is_channel(text: str) -> bool:
    """Tell whether the text can be a channel's path: one or more components, such as `pkgs/main`."""
    return all(_COMPONENT.match(part) for part in text.split("/"))


def is_token(text: str) -> bool:
    """Tell whether the text can be a token that every client sends unharmed after `/t/` (fact sheet 2.3)."""
    return _TOKEN.match(text) is not None
