"""The machines that a closure is solved for, told by their virtual packages (CEP 30): nobody knows the one it will be.

An old one first, such as companies keep for ten years, so that what is approved runs there; where that is not
enough, a new one with a CUDA driver and device, and such ones of each x86-64 level, since a build for a level needs
exactly its `__archspec`. What a request names (`NAME=VERSION=BUILD`, as conda's own overrides; `NAME=` for one that is
not there) is so on every machine. Pure.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Age = Literal["old", "new"]
#: (name, version, build)
Virtual = tuple[str, str, str]

_TEXT = re.compile(
    r"(__[a-z0-9][a-z0-9._-]{0,61})(?:=([0-9A-Za-z_.!+]{0,64})(?:=([0-9A-Za-z_.+]{1,64}))?)?\Z"
)
_ARCHSPEC = "__archspec"
_GPU: Sequence[Virtual] = (("__cuda", "13.0", "0"), ("__cuda_arch", "12.0", "0"))
_UNIX: Virtual = ("__unix", "0", "0")
_CONDA: Mapping[Age, Virtual] = {"old": ("__conda", "24.1.0", "0"), "new": ("__conda", "26.9.0", "0")}
_SYSTEMS: Mapping[str, Mapping[Age, Sequence[Virtual]]] = {
    "linux": {
        "old": (_UNIX, ("__linux", "4.18", "0"), ("__glibc", "2.28", "0")),
        "new": (_UNIX, ("__linux", "6.12", "0"), ("__glibc", "2.41", "0"), *_GPU),
    },
    "osx": {"old": (_UNIX, ("__osx", "13.0", "0")), "new": (_UNIX, ("__osx", "26.0", "0"))},
    "win": {"old": (("__win", "10", "0"),), "new": (("__win", "11", "0"), *_GPU)},
}
#: The build of `__archspec` by what stands behind the system, where the two differ.
_ARCHITECTURES = {"64": "x86_64", "32": "x86"}
#: The other levels of an architecture, lowest first.
_LEVELS: Mapping[str, Sequence[str]] = {"x86_64": ("x86_64_v2", "x86_64_v3", "x86_64_v4")}


@dataclass(frozen=True, slots=True)
class VirtualPackage:
    """What a request says of the machine; without a version, that it has no such thing."""

    name: str
    version: str = "0"
    build: str = "0"


def parse_virtual_package(text: str) -> VirtualPackage:
    """Return what `NAME`, `NAME=VERSION` or `NAME=VERSION=BUILD` says. Raises ValueError, for a person."""
    found = _TEXT.match(text)
    if found is None or (found[2] == "" and found[3] is not None):
        raise ValueError(f"{text[:80]!r} is no virtual package such as __archspec=1=x86_64_v3 or __cuda=12.4")
    return VirtualPackage(found[1], "0" if found[2] is None else found[2], found[3] or "0")


def machines(platform: str, named: Sequence[VirtualPackage] = ()) -> list[list[Virtual]]:
    """Return what machines of the platform (a subdir) say of themselves, best first; those of `noarch` say nothing."""
    system, _, architecture = platform.partition("-")
    if not architecture:
        return [_overridden([], named)]
    if platform == "osx-arm64":
        architecture = "m1"
    base = _ARCHITECTURES.get(architecture, architecture)
    kinds: list[tuple[Age, str]] = [("old", base), ("new", base)]
    kinds += [("new", level) for level in _LEVELS.get(base, ())]
    found: list[list[Virtual]] = []
    for age, build in kinds:
        said = [*_SYSTEMS.get(system, {}).get(age, ()), _CONDA[age], (_ARCHSPEC, "1", build)]
        machine = _overridden(said, named)
        if machine not in found:
            found.append(machine)
    return found


def _overridden(said: Sequence[Virtual], named: Sequence[VirtualPackage]) -> list[Virtual]:
    names = {each.name for each in named}
    kept = [each for each in said if each[0] not in names]
    return [*kept, *((each.name, each.version, each.build) for each in named if each.version)]
