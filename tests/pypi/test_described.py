"""What METADATA, PKG-INFO and the JSON API say of licence and requirements, read alike."""

import gzip
import io
import tarfile
import zipfile

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.pypi.described import Described, NoDescription, described, described_by_api, package_info
from tests.support.wheels import sdist, wheel

TEXT = """Metadata-Version: 2.4
Name: demo
Version: 1.0
License-Expression: MIT OR Apache-2.0
License: the words
Classifier: License :: OSI Approved :: MIT License
Classifier: Topic :: Games
Requires-Dist: leaf>=1
Requires-Dist: twig; extra == "x"

License: not this one
"""
SAID = Described(
    "MIT OR Apache-2.0", "the words", ("License :: OSI Approved :: MIT License", "Topic :: Games"),
    ("leaf>=1", 'twig; extra == "x"'),
)  # fmt: skip


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_metadata_is_read_up_to_its_description(newline: str) -> None:
    assert described(TEXT.replace("\n", newline).encode()) == SAID


def test_metadata_that_says_nothing_says_nothing() -> None:
    assert described(b"") == Described()
    assert described(wheel("demo", "1.0").metadata or b"") == Described()


@given(st.binary(max_size=400))
def test_no_bytes_are_too_odd(data: bytes) -> None:
    described(data)
    described_by_api(data, "1.0")


def test_the_api_is_believed_of_the_version_that_was_asked_for_only() -> None:
    info = {
        "version": "1.0.0", "license_expression": "MIT OR Apache-2.0", "license": "the words",
        "classifiers": list(SAID.classifiers), "requires_dist": list(SAID.requires),
    }  # fmt: skip
    document = orjson.dumps({"info": info})
    assert described_by_api(document, "1.0") == SAID
    assert described_by_api(document, "1.1") is None
    assert described_by_api(orjson.dumps({"info": {**info, "version": None}}), None) is None
    odd = {"version": "1.0", "license": 7, "classifiers": "x", "requires_dist": [1, None, "leaf"]}
    assert described_by_api(orjson.dumps({"info": odd}), "1.0") == Described(requires=("leaf",))


def test_an_sdist_s_own_file_is_read() -> None:
    built = sdist("demo", "1.0", requires=["leaf"])
    assert described(package_info(built.filename, io.BytesIO(built.data))).requires == ("leaf",)


def test_a_zip_s_own_file_is_read_and_not_one_that_lies_deeper() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("demo-1.0/src/PKG-INFO", "Name: other\n")
        archive.writestr("demo-1.0/PKG-INFO", TEXT)
    assert described(package_info("demo-1.0.zip", buffer)) == SAID


@pytest.mark.parametrize("filename", ["demo-1.0.tar.gz", "demo-1.0.zip"])
def test_an_archive_without_it_or_that_is_none_is_refused(filename: str) -> None:
    empty = io.BytesIO()
    if filename.endswith(".zip"):
        zipfile.ZipFile(empty, "w").close()
    else:
        with tarfile.open(fileobj=empty, mode="w:gz"):
            pass
    for data in (b"", b"no archive", empty.getvalue()):
        with pytest.raises(NoDescription):
            package_info(filename, io.BytesIO(data))


def test_a_bomb_is_refused() -> None:
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w") as archive:
        for name, data in (("demo-1.0/zeros", bytes(80 * 1024**2)), ("demo-1.0/PKG-INFO", b"x: y")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    packed = gzip.compress(unpacked.getvalue(), compresslevel=1)
    with pytest.raises(NoDescription, match="too much"):
        package_info("demo-1.0.tar.gz", io.BytesIO(packed))
