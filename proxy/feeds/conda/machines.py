"""The machine that a closure is solved for, told by its virtual packages (CEP 30): nobody knows the one it will be.

An old one first, such as companies keep for ten years, so that what is approved runs there; where that is not
enough, a new one with a CUDA driver. Pure.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

Age = Literal["old", "new"]
AGES: tuple[Age, ...] = ("old", "new")
#: (name, version, build)
Virtual = tuple[str, str, str]

_CUDA: Virtual = ("__cuda", "13.0", "0")
_UNIX: Virtual = ("__unix", "0", "0")
_SYSTEMS: Mapping[str, Mapping[Age, Sequence[Virtual]]] = {
    "linux": {
        "old": (_UNIX, ("__linux", "4.18", "0"), ("__glibc", "2.28", "0")),
        "new": (_UNIX, ("__linux", "6.12", "0"), ("__glibc", "2.41", "0"), _CUDA),
    },
    "osx": {"old": (_UNIX, ("__osx", "13.0", "0")), "new": (_UNIX, ("__osx", "26.0", "0"))},
    "win": {"old": (("__win", "10", "0"),), "new": (("__win", "11", "0"), _CUDA)},
}
#: The build of `__archspec` by what stands behind the system, where the two differ.
_ARCHITECTURES = {"64": "x86_64", "32": "x86"}


def virtual_packages(platform: str, age: Age) -> list[Virtual]:
    """Return what a machine of the platform (a subdir) says of itself; nothing of `noarch`."""
    system, _, architecture = platform.partition("-")
    if not architecture:
        return []
    if platform == "osx-arm64":
        architecture = "m1"
    said = _SYSTEMS.get(system, {}).get(age, ())
    return [*said, ("__archspec", "1", _ARCHITECTURES.get(architecture, architecture))]
