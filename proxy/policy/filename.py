"""What the name of a PyPI file says about where it runs: tags (PEP 425, 600, 656), platforms, Pythons.

Wheels say it in their last three components. Eggs and the installers of older kinds say it in a way of their own; what
is not understood there has no platform, so it is for none that a policy names. Source archives run anywhere.
"""

import re
from functools import lru_cache
from typing import NamedTuple

_MACHINES = {"x86_64": "64", "amd64": "64", "i686": "32", "i386": "32", "x86": "32", "arm64": "arm64"}
_LINUX = re.compile(r"(?:manylinux(?:1|2010|2014|_\d+_\d+)|musllinux_\d+_\d+|linux)_([a-z0-9_]+)\Z")
_MACOS = re.compile(r"macosx_\d+_\d+_([a-z0-9_]+)\Z")
_FREEBSD = re.compile(r"freebsd_[0-9a-z_.]+?_(amd64|x86_64|i386|arm64|aarch64)\Z")
_MAC_WORDS = {
    "x86_64": ("osx-64",), "arm64": ("osx-arm64",), "i386": ("osx-32",), "universal2": ("osx-64", "osx-arm64"),
    "intel": ("osx-64", "osx-32"), "universal": ("osx-64", "osx-32"), "fat": ("osx-32", "osx-64"),
    "fat32": ("osx-32", "osx-64"), "fat3": ("osx-64", "osx-32"), "fat64": ("osx-64",),
}  # fmt: skip
_WINDOWS = {"win_amd64": "win-64", "win32": "win-32", "win_arm64": "win-arm64"}
_OLD_PLATFORM = re.compile(
    r"[.-](win32|win-(?:amd64|arm64)|linux-[a-z0-9_]+|macosx-[\d.]+-[a-z0-9_]+)(?=[.-]|\Z)"
)
_OLD_PYTHON = re.compile(r"-py(\d(?:\.\d+)?)(?=[.-]|\Z)")
_NATIVE = (".exe", ".msi", ".rpm", ".deb", ".dmg")


class Tags(NamedTuple):
    """The tags of a wheel, each component's compressed set expanded."""

    pythons: tuple[str, ...]
    abis: tuple[str, ...]
    platforms: tuple[str, ...]


@lru_cache(maxsize=16384)
def tags_of(file: str) -> Tags | None:
    """Return the tags of a wheel, or None for any other file."""
    parts = file.removesuffix(".whl").lower().split("-")
    if not file.endswith(".whl") or len(parts) < 5:
        return None
    # A variant's label comes behind the platform (PEP 817, draft); a build number, before the tags, is a digit's.
    first = 3 if parts[2][:1].isdigit() and len(parts) > 5 else 2
    pythons, abis, platforms = parts[first : first + 3]
    return Tags(tuple(pythons.split(".")), tuple(abis.split(".")), tuple(platforms.split(".")))


@lru_cache(maxsize=16384)
def platforms_of(file: str) -> tuple[str, ...]:
    """Return the platforms, in conda's words, that the file is for; `noarch` for any, nothing where not known."""
    tags = tags_of(file)
    if tags is not None:
        return tuple(dict.fromkeys(word for tag in tags.platforms for word in _words(tag)))
    lowered = file.lower()
    old = _OLD_PLATFORM.search(lowered.rpartition(".")[0])
    if old is not None:
        return _words(re.sub(r"[-.]", "_", old[1]))
    return () if lowered.endswith(_NATIVE) else ("noarch",)


@lru_cache(maxsize=16384)
def python_of(file: str) -> str | None:
    """Return the Python ("2.7" or "3") that an egg or installer names, None for files that name none."""
    found = None if file.endswith((".whl", ".tar.gz", ".zip")) else _OLD_PYTHON.search(file.lower())
    return found[1] if found else None


@lru_cache(maxsize=4096)
def _words(tag: str) -> tuple[str, ...]:
    if tag == "any":
        return ("noarch",)
    if tag in _WINDOWS:
        return (_WINDOWS[tag],)
    if found := _LINUX.match(tag):
        return (f"linux-{_MACHINES.get(found[1], found[1])}",)
    if found := _MACOS.match(tag):
        return _MAC_WORDS.get(found[1], ())
    if found := _FREEBSD.match(tag):
        return (f"freebsd-{_MACHINES.get(found[1], found[1])}",)
    if tag.startswith(("emscripten_", "pyodide_", "pyemscripten_")):
        return ("emscripten-wasm32",)
    if tag.startswith("wasi_"):
        return ("wasi-wasm32",)
    return _mobile(tag)


def _mobile(tag: str) -> tuple[str, ...]:
    if found := re.match(r"android_\d+_([a-z0-9_]+)\Z", tag):
        return (f"android-{found[1]}",)
    if found := re.match(r"ios_\d+_\d+_([a-z0-9_]+?)_iphone(?:os|simulator)\Z", tag):
        return (f"ios-{found[1]}",)
    return ()
