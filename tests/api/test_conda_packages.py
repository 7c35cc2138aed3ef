"""A conda feed's packages: names over all known subdirs, artifacts from the view that indexes and the gate read."""

import pytest

from proxy.config.settings import Upstream
from tests.api.reading import names, problem
from tests.conda_feed.stand import Stand
from tests.support.conda_packages import package
from tests.support.faults import Fault

PACKAGES = "/api/v1/feeds/chan/packages"
SUBDIRS = ("linux-64", "noarch")


def fill(stand: Stand) -> None:
    stand.channel.add(
        package("tool", "1.0", noarch="python"), package("tool", "2.0"), package("tool", "2.0", extension=".tar.bz2"),
        package("lib", "1.0"), package("zlib", "1.3"),
    )  # fmt: skip


async def test_names_come_from_all_subdirs_with_their_counts(stand: Stand) -> None:
    fill(stand)
    await stand.start(subdirs=SUBDIRS)
    answer = (await stand.gateway.get(PACKAGES)).json()
    assert answer["next"] is None
    assert [item["name"] for item in answer["items"]] == ["lib", "tool", "zlib"]
    assert answer["items"][1] == {"name": "tool", "versions": 2, "files": 3, "hidden": 0}
    assert (await stand.gateway.get("/api/v1/feeds/chan")).json()["names"] == 3


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
async def test_every_name_is_on_exactly_one_page(stand: Stand, limit: int) -> None:
    fill(stand)
    await stand.start(subdirs=SUBDIRS)
    assert await names(stand.gateway, "chan", limit=limit) == ["lib", "tool", "zlib"]
    assert await names(stand.gateway, "chan", limit=limit, q="LIB") == ["lib", "zlib"]
    assert await names(stand.gateway, "chan", limit=limit, state="allowed") == ["lib", "tool", "zlib"]
    assert await names(stand.gateway, "chan", limit=limit, state="hidden") == []


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_the_very_name_comes_first_and_then_what_begins_with_it(stand: Stand, limit: int) -> None:
    stand.channel.add(*(package(name) for name in ("a-lib", "lib", "libxml", "lib-a", "zlib")))
    await stand.start(subdirs=SUBDIRS)
    found = await names(stand.gateway, "chan", limit=limit, q="lib")
    assert found == ["lib", "lib-a", "libxml", "a-lib", "zlib"]


async def test_a_name_is_told_file_by_file(stand: Stand) -> None:
    fill(stand)
    await stand.start(subdirs=SUBDIRS)
    told = (await stand.gateway.get(f"{PACKAGES}/Tool")).json()
    assert (told["name"], told["versions"], told["files"], told["hidden"]) == ("tool", 2, 3, 0)
    found = {item["artifact"]: item for item in told["items"]}
    assert list(found) == [
        "noarch/tool-1.0-0.conda",
        "linux-64/tool-2.0-0.conda",
        "linux-64/tool-2.0-0.tar.bz2",
    ]
    built, one = package("tool", "2.0"), found["linux-64/tool-2.0-0.conda"]
    assert (one["subdir"], one["filename"], one["version"], one["build"]) == (
        "linux-64",
        built.file,
        "2.0",
        "0",
    )
    assert (one["size"], one["sha256"]) == (len(built.data), built.sha256)
    assert one["uploaded_at"] == "2024-01-01T00:00:00Z"
    assert one["verdict"] == {
        "outcome": "allow",
        "rule": "open",
        "reason": "nothing forbids it",
        "until": None,
    }
    for item in told["items"]:
        assert (await stand.get(item["path"])).status == 200


async def test_a_subdir_that_no_setting_names_is_listed_once_asked_for_and_after_a_restart(
    stand: Stand,
) -> None:
    fill(stand)
    await stand.start()
    assert await names(stand.gateway, "chan") == ["tool"]
    await stand.files("linux-64")
    assert await names(stand.gateway, "chan") == ["lib", "tool", "zlib"]
    await stand.restart()
    assert await names(stand.gateway, "chan") == ["lib", "tool", "zlib"]


async def test_a_file_that_drifted_is_told_without_digest_and_size(stand: Stand) -> None:
    fill(stand)
    stand.channel.add(package("lib-dev", "1.0"))
    await stand.start(subdirs=SUBDIRS)
    for name in ("lib", "lib-dev"):
        assert (await stand.get(f"linux-64/{name}-1.0-0.conda")).status == 200
    await stand.gateway.restart_without_cache()
    for name in ("lib", "lib-dev"):
        stand.channel.patch("linux-64", f"{name}-1.0-0.conda", sha256="0" * 64, md5="0" * 32, size=7)
    await stand.refresh()
    told = (await stand.gateway.get(f"{PACKAGES}/lib")).json()
    assert (told["files"], told["hidden"]) == (0, 1)
    (one,) = told["items"]
    assert (one["artifact"], one["version"]) == ("linux-64/lib-1.0-0.conda", "1.0")
    assert (one["verdict"]["outcome"], one["verdict"]["rule"]) == ("hold", "drift")
    assert not {"size", "sha256"} & one.keys()
    assert (await stand.get(one["path"])).status == 403
    assert await names(stand.gateway, "chan", state="hidden") == ["lib", "lib-dev"]
    assert await names(stand.gateway, "chan", state="hidden", limit=1) == ["lib", "lib-dev"]
    assert await names(stand.gateway, "chan", state="allowed") == ["tool", "zlib"]
    assert await names(stand.gateway, "chan") == ["lib", "lib-dev", "tool", "zlib"]


async def test_what_is_not_there_is_a_problem_that_says_where_was_looked(stand: Stand) -> None:
    fill(stand)
    await stand.start(subdirs=SUBDIRS)
    await problem(stand.gateway, f"{PACKAGES}/nope", 404, "unknown", "looked at: noarch, linux-64")
    await problem(stand.gateway, f"{PACKAGES}/a~b", 404, "unknown", "no name")


@pytest.mark.parametrize("query", ["limit=5000", "state=pinned", "cursor=a~b", "cursor="])
async def test_a_wrong_question_is_refused(stand: Stand, query: str) -> None:
    await stand.start()
    await problem(stand.gateway, f"{PACKAGES}?{query}", 422, "unprocessable", query.partition("=")[0])


async def test_a_channel_that_cannot_be_asked_and_is_not_held_is_told(stand: Stand) -> None:
    fill(stand)
    for file in ("repodata_shards.msgpack.zst", "repodata.json.zst", "repodata.json"):
        stand.origin.always(stand.channel.path("linux-64", file), Fault(status=500))
    await stand.start(subdirs=SUBDIRS)
    await problem(stand.gateway, PACKAGES, 503, "origin-unavailable", "")


async def test_a_feed_of_a_feed_lists_what_the_inner_one_has(stand: Stand) -> None:
    fill(stand)
    inner = stand.feed(name="inner")
    outer = stand.feed(Upstream(id="link", feed="inner"))
    await stand.start(inner, outer)
    await stand.files("linux-64")
    await stand.restart()
    assert await names(stand.gateway, "chan") == ["lib", "tool", "zlib"]


async def test_a_damaged_index_is_told_and_fetched_anew(stand: Stand) -> None:
    fill(stand)
    await stand.start(subdirs=SUBDIRS)
    (path,) = stand.cache.glob("conda/*/linux-64/*.records")
    data = path.read_bytes()
    with path.open("r+b") as file:
        file.write(data.replace(b"zlib", b"zlob", 1))
    await problem(stand.gateway, PACKAGES, 503, "busy", "fetched anew")
    assert await names(stand.gateway, "chan") == ["lib", "tool", "zlib"]
