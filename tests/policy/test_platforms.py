"""`platforms`: conda's subdirs, and the tags of PyPI's file names in the same words."""

import pytest

from proxy.model.verdict import Outcome
from proxy.policy.filename import platforms_of, tags_of
from tests.policy.made import conda, pypi, shown, verdict


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("any", ["noarch"]),
        ("manylinux_2_17_x86_64.manylinux2014_x86_64", ["linux-64"]),
        ("manylinux1_i686", ["linux-32"]),
        ("musllinux_1_2_aarch64", ["linux-aarch64"]),
        ("linux_armv7l", ["linux-armv7l"]),
        ("manylinux2014_ppc64le", ["linux-ppc64le"]),
        ("manylinux2014_s390x", ["linux-s390x"]),
        ("manylinux_2_39_riscv64", ["linux-riscv64"]),
        ("macosx_10_9_x86_64", ["osx-64"]),
        ("macosx_11_0_arm64", ["osx-arm64"]),
        ("macosx_10_9_universal2", ["osx-64", "osx-arm64"]),
        ("macosx_10_6_intel", ["osx-64", "osx-32"]),
        ("win_amd64", ["win-64"]),
        ("win32", ["win-32"]),
        ("win_arm64", ["win-arm64"]),
        ("macosx_10_9_x86_64.macosx_11_0_arm64", ["osx-64", "osx-arm64"]),
        ("freebsd_14_0_release_amd64", ["freebsd-64"]),
        ("pyodide_2024_0_wasm32", ["emscripten-wasm32"]),
        ("android_21_arm64_v8a", ["android-arm64_v8a"]),
        ("ios_13_0_arm64_iphonesimulator", ["ios-arm64"]),
        ("plan9_mips", []),
    ],
)
def test_wheel_is_for_the_platforms_of_its_tags(tag: str, words: list[str]) -> None:
    assert list(platforms_of(f"foo-1.0-cp311-cp311-{tag}.whl")) == words


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("foo-1.0.tar.gz", ["noarch"]),
        ("foo-win32-1.0.zip", ["noarch"]),
        ("pywin32-1.0.tar.gz", ["noarch"]),
        ("foo_linux-1.0-py3-none-any.whl", ["noarch"]),
        ("foo-1.0-py2.7.egg", ["noarch"]),
        ("foo-1.0-py2.7-linux-x86_64.egg", ["linux-64"]),
        ("foo-1.0-py2.7-macosx-10.9-x86_64.egg", ["osx-64"]),
        ("foo-1.0.win-amd64-py2.7.exe", ["win-64"]),
        ("foo-1.0.win32.exe", ["win-32"]),
        ("foo-1.0.win32-py2.7.msi", ["win-32"]),
        ("foo-1.0-1.noarch.rpm", []),
        ("foo-1.0.exe", []),
    ],
)
def test_other_file_is_for_what_its_name_says(file: str, words: list[str]) -> None:
    if file == "foo-win32-1.0.zip":
        words = ["win-32"]  # bdist_dumb puts the platform there; a project of such a name is read alike
    assert list(platforms_of(file)) == words


def test_build_numbers_and_variants_do_not_move_the_tags() -> None:
    for file in (
        "foo-1.0-1-cp311-abi3-win32.whl",
        "foo-1.0-cp311-abi3-win32-x8664v3.whl",
        "foo-1.0-2b-cp311-abi3-win32-v.whl",
    ):
        tags = tags_of(file)
        assert tags is not None
        assert tags == (("cp311",), ("abi3",), ("win32",))


def test_conda_shows_only_the_named_subdirs() -> None:
    files = [conda("foo", subdir) for subdir in ("linux-64", "noarch", "osx-64", "win-64")]
    assert shown({"platforms": ["linux-64"]}, files) == ["linux-64/foo-1.0-h0_0.conda"]
    assert len(shown({"platforms": ["linux-64", "noarch"]}, files)) == 2


def test_pypi_noarch_must_be_named() -> None:
    files = [
        pypi("foo-1.0-py3-none-any.whl"),
        pypi("foo-1.0.tar.gz"),
        pypi("foo-1.0-cp311-cp311-win_amd64.whl"),
    ]
    assert shown({"platforms": ["win-64"]}, files, "pypi") == ["foo-1.0-cp311-cp311-win_amd64.whl"]
    assert len(shown({"platforms": ["win-64", "noarch"]}, files, "pypi")) == 3


def test_reason_says_for_what_the_file_is() -> None:
    found = verdict({"platforms": ["linux-64"]}, conda("foo", "osx-64"))
    assert (found.outcome, found.rule) == (Outcome.BLOCK, "platforms")
    assert "osx-64" in found.reason
    assert "linux-64" in found.reason
