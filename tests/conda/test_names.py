import pytest

from proxy.conda.names import is_channel, is_name, is_subdir, is_token, parse_file, twin


@pytest.mark.parametrize(
    ("file", "name", "version", "build", "section"),
    [
        ("zlib-1.3.1-h0_0.conda", "zlib", "1.3.1", "h0_0", "packages.conda"),
        (
            "python-dateutil-2.9.0-pyhd8ed1ab_0.tar.bz2",
            "python-dateutil",
            "2.9.0",
            "pyhd8ed1ab_0",
            "packages",
        ),
        ("_libgcc_mutex-0.1-conda_forge.tar.bz2", "_libgcc_mutex", "0.1", "conda_forge", "packages"),
        (
            "pytorch-1!2.0+cu118-py3.9_cuda~1.conda",
            "pytorch",
            "1!2.0+cu118",
            "py3.9_cuda~1",
            "packages.conda",
        ),
        ("barrnap-0.8-pl==5.22.0_0.tar.bz2", "barrnap", "0.8", "pl==5.22.0_0", "packages"),
        ("PyYAML-6.0-0.conda", "pyyaml", "6.0", "0", "packages.conda"),
    ],
)
def test_a_file_name_is_cut_at_its_last_two_hyphens(
    file: str, name: str, version: str, build: str, section: str
) -> None:
    parsed = parse_file(file)
    assert parsed is not None
    assert (parsed.name, parsed.version, parsed.build, parsed.section) == (name, version, build, section)
    assert parsed.stem + parsed.extension == file


@pytest.mark.parametrize(
    "file",
    [
        "", ".conda", "zlib.conda", "zlib-1.3.conda", "-1-0.conda", "a--0.conda", "a-1-.conda", "a-1-0.whl",
        "a/b-1-0.conda", "../a-1-0.conda", "a-1-0\x00.conda", "a b-1-0.conda", "a-1-0%2B.conda", 'a"-1-0.conda',
        "a-1-0.conda\n", "é-1-0.conda", "a\\-1-0.conda", f"{'a' * 210}-1-0.conda", "a-1-0?x.conda", "a-1-0.CONDA",
    ],
)  # fmt: skip
def test_anything_else_is_no_package_file(file: str) -> None:
    assert parse_file(file) is None


def test_twins_are_the_same_stem_in_the_other_format() -> None:
    assert twin("a-1-0.conda") == "a-1-0.tar.bz2"
    assert twin("a-1-0.tar.bz2") == "a-1-0.conda"
    assert twin("repodata.json") is None


@pytest.mark.parametrize("text", ["noarch", "linux-64", "osx-arm64", "linux-fake", "zos-z"])
def test_subdirs_follow_their_grammar(text: str) -> None:
    assert is_subdir(text)


@pytest.mark.parametrize(
    "text", ["", "linux", "Linux-64", "linux-64\n", "noarch2", "a-b-c", "../x-64", f"a-{'b' * 31}"]
)
def test_other_words_are_no_subdir(text: str) -> None:
    assert not is_subdir(text)


def test_channels_may_have_several_components() -> None:
    assert is_channel("conda-forge")
    assert is_channel("pkgs/main")
    assert is_channel("team/label/dev")
    assert not any(map(is_channel, ["", "/", "a//b", "../a", "a/", ".hidden", "a b"]))


def test_tokens_are_what_every_client_sends_unharmed() -> None:
    assert is_token("Ab-12345")
    assert not any(map(is_token, ["short", "with_underscore", "with.dots-1", "", "a" * 200, "abcdefgh\n"]))


def test_names_may_begin_with_an_underscore_and_have_capitals() -> None:
    assert is_name("_openmp_mutex")
    assert is_name("PyYAML")
    assert not any(map(is_name, ["", "-a", ".a", "a/b", "a b", "a\n"]))
