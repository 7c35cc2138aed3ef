import pytest

from proxy.conda.names import parse_file
from proxy.conda.snippets import feed_url, snippets
from proxy.conda.urls import (
    ChannelData,
    InSubdir,
    Notices,
    NotServed,
    Package,
    RepodataJson,
    RepodataZst,
    RunExports,
    Shard,
    ShardIndexFile,
    Sigs,
    path_of,
    target,
)
from proxy.model.digest import parse_sha256

HEX = parse_sha256("ab" * 32)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("linux-64/repodata.json", RepodataJson("linux-64")),
        ("noarch/repodata.json.zst", RepodataZst("noarch")),
        ("linux-64/repodata_shards.msgpack.zst", ShardIndexFile("linux-64")),
        (f"linux-64/{HEX}.msgpack.zst", Shard("linux-64", HEX)),
        ("linux-64/run_exports.json", RunExports("linux-64", is_zst=False)),
        ("linux-64/run_exports.json.zst", RunExports("linux-64", is_zst=True)),
    ],
)
def test_index_forms_are_what_their_paths_say(path: str, wanted: InSubdir) -> None:
    assert target(path) == wanted
    assert path_of(wanted) == path


@pytest.mark.parametrize("file", ["zlib-1.3.1-h0_0.conda", "a-1!2.0+cu118-0.tar.bz2", "a_b-1~2-0.conda"])
def test_packages_and_their_side_cars_are_found(file: str) -> None:
    parsed = parse_file(file)
    assert parsed is not None
    package, sigs = Package("linux-64", parsed), Sigs("linux-64", parsed, HEX)
    assert target(f"linux-64/{file}") == package
    assert target(f"linux-64/{file}.sigs.{HEX}") == sigs
    assert path_of(package) == f"linux-64/{file}"
    assert path_of(sigs) == f"linux-64/{file}.sigs.{HEX}"


def test_two_files_lie_at_the_top() -> None:
    assert target("channeldata.json") == ChannelData()
    assert target("notices.json") == Notices()


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "linux-64", "linux-64/", "repodata.json", "index.html", "linux-64/index.html", "rss.xml",
        "linux-64/current_repodata.json", "linux-64/current_repodata.json.zst", "linux-64/repodata.json.bz2",
        "linux-64/repodata.json.gz", "linux-64/repodata.jlap", "linux-64/repodata_from_packages.json",
        "linux-64/repodata_shards_from_packages.msgpack.zst", "linux-64/patch_instructions.json",
        "linux-64/channeldata.json", "linux-64/notices.json", "label/dev/linux-64/repodata.json",
        "linux-64/sub/repodata.json", "linux-64//repodata.json", "Linux-64/repodata.json", "../linux-64/repodata.json",
        "linux-64/../noarch/repodata.json", f"linux-64/{'AB' * 32}.msgpack.zst", f"linux-64/{'ab' * 31}.msgpack.zst",
        f"linux-64/x{HEX}.msgpack.zst", "linux-64/a-1-0.whl", "linux-64/a-1-0%2Bx.conda", "linux-64/a-1-0.conda.sigs.",
        f"linux-64/a-1-0.conda.sigs.{'AB' * 32}", f"linux-64/repodata.json.sigs.{HEX}", "linux-64/a-1-0.conda\x00",
        "linux-64/a-1-0.conda\n", "linux-64/repodata.json\n", "channeldata.json/", "noarch\n/repodata.json",
    ],
)  # fmt: skip
def test_everything_else_is_not_served(path: str) -> None:
    assert target(path) == NotServed()


def test_a_key_stands_where_every_client_leaves_it() -> None:
    assert feed_url("http://h:8080/", "corp") == "http://h:8080/conda/corp"
    assert feed_url("http://h:8080", "corp", "KEY-1234") == "http://h:8080/conda/t/KEY-1234/corp"


def test_every_client_has_lines_that_name_the_feed() -> None:
    found = snippets("http://h:8080", "corp", origins=("https://conda.anaconda.org/conda-forge/",))
    assert {each.tool for each in found} == {"conda", "mamba", "pixi", "py-rattler"}
    texts = "\n".join(each.text for each in found)
    for line in (
        "conda config --add channels http://h:8080/conda/corp/",
        "conda config --show channels",
        "conda config --add default_channels http://h:8080/conda/corp/",
        "conda config --set channel_alias http://h:8080/conda/",
        "conda config --set channel_priority strict",
        "default_channels:",
        '"https://conda.anaconda.org/conda-forge" = ["http://h:8080/conda/corp"]',
        'channels = [Channel("http://h:8080/conda/corp")]',
    ):
        assert line in texts
