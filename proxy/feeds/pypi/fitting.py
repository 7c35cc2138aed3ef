"""Which files of a PyPI project fit where: by platform, Python, and as installers choose. Pure.

A platform is a conda subdir; what runs anywhere fits each of them. Wheels come first: an sdist fits only where no wheel
of its version does (an installer would build it). `requires-python` and a wheel's tags must both allow the Python.
"""

from collections.abc import Iterable, Mapping, Sequence

from proxy.feeds.promotion.selecting import Place
from proxy.policy.facts import Facts
from proxy.policy.filename import platforms_of
from proxy.policy.pypi_pythons import part, read
from proxy.pypi.distribution import Distribution
from proxy.pypi.names import FileKind
from proxy.pypi.versions import parse_version

#: The machine's words of a subdir: sys_platform, platform_system, os_name, platform_machine (PEP 508).
_MACHINES: Mapping[str, tuple[str, str, str, str]] = {
    "linux-64": ("linux", "Linux", "posix", "x86_64"),
    "linux-32": ("linux", "Linux", "posix", "i686"),
    "linux-aarch64": ("linux", "Linux", "posix", "aarch64"),
    "linux-armv7l": ("linux", "Linux", "posix", "armv7l"),
    "linux-ppc64le": ("linux", "Linux", "posix", "ppc64le"),
    "linux-riscv64": ("linux", "Linux", "posix", "riscv64"),
    "linux-s390x": ("linux", "Linux", "posix", "s390x"),
    "osx-64": ("darwin", "Darwin", "posix", "x86_64"),
    "osx-arm64": ("darwin", "Darwin", "posix", "arm64"),
    "win-32": ("win32", "Windows", "nt", "x86"),
    "win-64": ("win32", "Windows", "nt", "AMD64"),
    "win-arm64": ("win32", "Windows", "nt", "ARM64"),
}
#: A version without its last part means all of them: what the first or the last would need is needed.
_PATCHES = ("0", "99")


def is_place(platform: str) -> bool:
    """Tell whether something can be installed on a platform of this name: `noarch` is none."""
    return platform in _MACHINES


def environments(place: Place) -> list[dict[str, str]]:
    """Return the marker environments (PEP 508) of a place: of its first and of its last Python."""
    sys_platform, system, os_name, machine = _MACHINES[place.platform]
    return [
        {
            "implementation_name": "cpython", "implementation_version": f"{place.python}.{patch}", "os_name": os_name,
            "platform_machine": machine, "platform_python_implementation": "CPython", "platform_release": "",
            "platform_system": system, "platform_version": "", "python_full_version": f"{place.python}.{patch}",
            "python_version": place.python, "sys_platform": sys_platform,
        }
        for patch in _PATCHES
    ]  # fmt: skip


def fitting(files: Iterable[Distribution], platform: str | None, python: str | None) -> list[Distribution]:
    """Return the files of one version for a platform and a Python (None: any): wheels, else its sdists."""
    able = [file for file in files if _fits(file, platform, python)]
    wheels = [file for file in able if file.kind is FileKind.WHEEL]
    if platform is None and python is None:
        return able
    return wheels or [file for file in able if file.kind is FileKind.SDIST]


def by_version(files: Iterable[Distribution]) -> dict[str, list[Distribution]]:
    """Return the files by version, newest first, spelled as their files spell it; no version, no place."""
    found: dict[object, tuple[str, list[Distribution]]] = {}
    for file in files:
        version = parse_version(file.version) if file.version is not None else None
        if version is not None and file.version is not None:
            found.setdefault(version, (file.version, []))[1].append(file)
    return {found[version][0]: found[version][1] for version in sorted(found, reverse=True)}  # type: ignore[type-var]


def is_yanked(files: Sequence[Distribution]) -> bool:
    """Tell whether every file is yanked: then only an exact pin means the version (PEP 592)."""
    return all(file.is_yanked for file in files)


def _fits(file: Distribution, platform: str | None, python: str | None) -> bool:
    if platform is not None and not {platform, "noarch"} & set(platforms_of(file.filename)):
        return False
    if python is None:
        return True
    answer = read(part(Facts(file=file.filename, name="", requires_python=file.requires_python)), (python,))
    return answer is None or answer[0]
