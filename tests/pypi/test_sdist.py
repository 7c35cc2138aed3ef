"""What an sdist needs to be built is read out of it, and a file that was made to hurt is refused."""

import io
import tarfile

import pytest

from proxy.pypi.sdist import BadSdist, facts_in

INFO = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"


def sdist(pyproject: bytes | None) -> io.BytesIO:
    out = io.BytesIO()
    members = {"demo-1.0/PKG-INFO": INFO} | (
        {"demo-1.0/pyproject.toml": pyproject} if pyproject is not None else {}
    )
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    out.seek(0)
    return out


@pytest.mark.parametrize(
    ("pyproject", "requires"),
    [
        (None, ("setuptools>=40.8.0",)),
        (b"[project]\nname = 'demo'\n", ("setuptools>=40.8.0",)),
        (b"[build-system]\nrequires = ['hatchling >=1', 'leaf.x']\n", ("hatchling >=1", "leaf.x")),
        (b"build-system.requires = ['flit_core']\n", ("flit_core",)),
        (b"[build-system]\nrequires = 7\n", ()),
        (b"[build-system]\nrequires = ['a', 7, \"b; " + b"(" * 500 + b'"]\n', ("a",)),
    ],
)
def test_what_is_needed_to_build_is_read(pyproject: bytes | None, requires: tuple[str, ...]) -> None:
    found = facts_in("demo-1.0.tar.gz", sdist(pyproject))
    assert (found.metadata, found.build_requires) == (INFO, requires)


@pytest.mark.parametrize(
    "pyproject",
    [
        b"x." * 200_000 + b"y = 1\n",
        b"[" + b"x." * 5_000 + b"y]\n" + b"z = 1\n" * 100,
        (b"x." * 450 + b"y = 1\n") * 40,
        b"# " + b"x" * 300_000,
        b"x = " + b"[" * 50_000,
        b"x = \xff",
    ],
    ids=["long key", "long table", "many long keys", "too long", "too deep", "no text"],
)
def test_what_would_take_its_parser_long_is_refused(pyproject: bytes) -> None:
    with pytest.raises(BadSdist):
        facts_in("demo-1.0.tar.gz", sdist(pyproject))
