"""Promotion of conda packages over HTTP: what a spec, a file and a closure come to, and every refusal (contract, 5)."""

from tests.approval_conda.desk import LINUX, Desk
from tests.support.channel import FakeChannel
from tests.support.conda_packages import bare, python, replaced

A, B = bare("a", "1"), bare("b", "1", depends=["a"])


async def test_a_spec_promotes_its_newest_version_once(desk: Desk) -> None:
    desk.channel.add(A, bare("a", "2"), bare("a", "2", "1"), B)
    await desk.begin()
    answer = await desk.promote("a")
    assert {path: item["state"] for path, item in answer.items()} == {
        f"{LINUX}/a-2-0.conda": "new",
        f"{LINUX}/a-2-1.conda": "new",
    }
    assert await desk.listed() == set(answer)
    again = await desk.promote("a")
    assert {item["state"] for item in again.values()} == {"already"}
    assert len(await desk.approvals()) == 2


async def test_without_platforms_every_platform_is_looked_at(desk: Desk) -> None:
    """Nobody has asked the source for anything yet."""
    desk.channel.add(A, bare("a", "1", subdir="osx-arm64"), bare("a", "0", subdir="win-64"))
    await desk.begin()
    answer = await desk.promote("a", platforms=[])
    assert set(answer) == {f"{LINUX}/a-1-0.conda", "osx-arm64/a-1-0.conda"}


async def test_what_the_target_does_not_serve_is_refused(desk: Desk) -> None:
    desk.channel.add(A, bare("a", "1", subdir="osx-arm64"))
    await desk.begin(desk.curated(subdirs=(LINUX,)))
    got = await desk.order("a", platforms=["osx-arm64"])
    assert got.status == 409
    assert got.json()["artifacts"][0]["rule"] == "subdirs"
    assert set(await desk.promote("a")) == {f"{LINUX}/a-1-0.conda"}
    assert (await desk.seen("osx-arm64/repodata.json")).status == 404


async def test_a_channel_may_be_named_in_a_spec(desk: Desk) -> None:
    desk.channel.add(A)
    await desk.begin()
    assert (await desk.order("elsewhere::a")).status == 404
    assert set(await desk.promote("chan::a")) == {f"{LINUX}/a-1-0.conda"}


async def test_a_dry_run_changes_nothing(desk: Desk) -> None:
    desk.channel.add(A)
    await desk.begin()
    answer = await desk.promote("a", dry_run=True)
    assert set(answer) == {f"{LINUX}/a-1-0.conda"}
    assert await desk.listed() == set()


async def test_a_closure_is_promoted_and_named(desk: Desk) -> None:
    desk.channel.add(
        bare("tool", subdir="noarch", noarch="python", depends=["python >=3.11", "b"]), A, B, python(),
        bare("pip", subdir="noarch", noarch="python", depends=["python"]),
    )  # fmt: skip
    await desk.begin()
    answer = await desk.promote("tool", include_dependencies=True, python_versions=["3.11"])
    assert {path: item["why"] for path, item in answer.items()} == {
        "noarch/tool-1.0-0.conda": "requested",
        f"{LINUX}/python-3.11.9-h0_0_cpython.conda": "needed by tool",
        "noarch/pip-1.0-0.conda": "needed by python",
        f"{LINUX}/b-1-0.conda": "needed by tool",
        f"{LINUX}/a-1-0.conda": "needed by b",
    }
    assert await desk.listed() == set(answer)
    again = await desk.promote("tool", include_dependencies=True, python_versions=["3.11"])
    assert set(again) == set(answer)
    assert {item["state"] for item in again.values()} == {"already"}


async def test_a_closure_is_solved_for_each_platform_and_python(desk: Desk) -> None:
    desk.channel.add(
        *(
            bare("tool", "1", f"py3{minor}h_0", subdir=subdir, depends=[f"python 3.{minor}.*", "lib"])
            for minor in (11, 12)
            for subdir in (LINUX, "osx-arm64")
        ),
        *(bare("lib", subdir=subdir) for subdir in (LINUX, "osx-arm64")),
        python("3.11.9"), python("3.12.4"), bare("python", "3.11.9", subdir="osx-arm64"),
        bare("python", "3.12.4", subdir="osx-arm64"),
    )  # fmt: skip
    await desk.begin()
    answer = await desk.promote(
        "tool",
        include_dependencies=True,
        platforms=[LINUX, "osx-arm64"],
        python_versions=["3.11", "3.12"],
    )
    assert len(answer) == 10
    assert {path for path, item in answer.items() if item["why"] == "requested"} == {
        f"{subdir}/tool-1-py3{minor}h_0.conda" for subdir in (LINUX, "osx-arm64") for minor in (11, 12)
    }


async def test_a_closure_without_a_solution_is_refused_in_the_solvers_words(desk: Desk) -> None:
    desk.channel.add(bare("tool", depends=["nobody >=3"]))
    await desk.begin()
    got = await desk.order("tool", include_dependencies=True, python_versions=["3.11"])
    assert got.status == 409
    (told,) = got.json()["artifacts"]
    assert (told["spec"], told["outcome"]) == ("tool", "unsolvable")
    assert "nobody >=3" in told["reason"]
    assert await desk.listed() == set()


async def test_a_closure_needs_a_platform_and_where_python_is_in_it_a_python(desk: Desk) -> None:
    desk.channel.add(A, bare("tool", depends=["python"]), python("3.11.9"))
    await desk.begin()
    assert (await desk.order("tool", include_dependencies=True)).status == 422
    assert (await desk.order("a", include_dependencies=True, dry_run=True)).status == 200
    got = await desk.order("a", include_dependencies=True, python_versions=["3.11"], platforms=[])
    assert got.status == 422


async def test_malformed_orders_are_refused(desk: Desk) -> None:
    desk.channel.add(A)
    await desk.begin()
    assert (await desk.order("a >=")).status == 422
    assert (await desk.order("a", source="approved")).status == 422
    assert (await desk.order("nobody")).status == 404
    assert (await desk.order(artifacts=[f"{LINUX}/nobody-1-0.conda"])).status == 404
    assert (await desk.order("a", key=None)).status in (401, 403)


async def test_all_or_nothing(desk: Desk) -> None:
    desk.channel.add(A)
    await desk.begin()
    assert (await desk.order("a", "nobody")).status == 404
    assert await desk.listed() == set()


async def test_a_digest_that_was_seen_must_be_the_one_that_is_there(desk: Desk) -> None:
    """D08: the origin swaps the file between "show" and "approve"."""
    desk.channel.add(A)
    await desk.begin()
    path = f"{LINUX}/{A.file}"
    assert (await desk.order(artifacts=[path], digests={path: "0" * 64})).status == 412
    assert await desk.listed() == set()
    assert set(await desk.promote(artifacts=[path], digests={path: A.sha256})) == {path}


async def test_two_sources_with_one_file_name_and_two_digests_are_a_conflict(desk: Desk) -> None:
    """D07: never one's bytes under the other's hash."""
    other = FakeChannel(desk.origin, prefix="/other")
    desk.channel.add(A)
    other.add(replaced(A, b"other bytes" * 50))
    second = desk.feed(desk.upstream(other, "second"), name="second")
    both = desk.curated("approved", "chan", "second")
    await desk.begin(second, both)
    path = f"{LINUX}/{A.file}"
    await desk.promote(artifacts=[path])
    got = await desk.order(artifacts=[path], source="second")
    assert got.status == 409
    assert got.json()["artifacts"][0]["outcome"] == "conflict"
    assert (await desk.seen(path)).body == A.data


async def test_a_file_without_a_digest_at_the_origin_is_fetched_first(desk: Desk) -> None:
    desk.channel.reshape(hashes=("md5",))
    desk.channel.add(A)
    await desk.begin()
    answer = await desk.promote("a")
    assert answer[f"{LINUX}/{A.file}"]["sha256"] == A.sha256
    assert await desk.listed() == {f"{LINUX}/{A.file}"}
    (record,) = (await desk.indexed(feed="approved"))["packages.conda"].values()
    assert "sha256" not in record


async def test_a_promoted_file_is_brought_without_anybody_asking(desk: Desk) -> None:
    desk.channel.add(A)
    await desk.begin()
    answer = await desk.promote("a")
    assert answer[f"{LINUX}/{A.file}"]["bytes"] == "pending"
    await desk.held()
    await desk.origin.off()
    assert (await desk.seen(f"{LINUX}/{A.file}")).body == A.data


async def test_a_chain_promotes_from_one_curated_feed_to_the_next(desk: Desk) -> None:
    desk.channel.add(A, B)
    await desk.begin(desk.curated("test"), desk.curated("production", "test"))
    assert (await desk.order("a", to="production", source="test")).status == 404
    await desk.promote("b", to="test", include_dependencies=True, python_versions=["3.11"])
    answer = await desk.promote(
        "b", to="production", source="test", include_dependencies=True, python_versions=["3.11"]
    )
    assert set(answer) == {f"{LINUX}/a-1-0.conda", f"{LINUX}/b-1-0.conda"}
    assert await desk.listed(feed="production") == set(answer)
    await desk.held("production")
    for path in answer:
        assert (await desk.seen(path, feed="production")).status == 200


async def test_a_reload_keeps_what_is_approved(desk: Desk) -> None:
    desk.channel.add(A, B)
    await desk.begin()
    await desk.promote("a")
    desk.gateway.reload(desk.feed(ttl_s=60.0), desk.curated())
    assert await desk.listed() == {f"{LINUX}/{A.file}"}
    await desk.promote("b")
    assert await desk.listed() == {f"{LINUX}/{A.file}", f"{LINUX}/{B.file}"}
    desk.gateway.reload(desk.feed())
    assert (await desk.seen(f"{LINUX}/{A.file}")).status in (401, 404)
    desk.gateway.reload(desk.feed(), desk.curated())
    assert await desk.listed() == {f"{LINUX}/{A.file}", f"{LINUX}/{B.file}"}


async def test_an_offline_source_gives_records_and_no_bytes(desk: Desk) -> None:
    desk.channel.add(A)
    await desk.begin()
    await desk.files()
    desk.gateway.reload(desk.feed(offline=True), desk.curated())
    desk.origin.forget()
    await desk.promote("a")
    assert await desk.listed() == {f"{LINUX}/{A.file}"}
    got = await desk.seen(f"{LINUX}/{A.file}")
    assert got.status in (404, 502, 503)
    assert desk.channel.asked() == []


async def test_an_offline_curated_feed_serves_what_it_holds(desk: Desk) -> None:
    desk.channel.add(A, B)
    await desk.begin(desk.curated(fetch="lazy"))
    await desk.promote("a", "b")
    assert (await desk.seen(f"{LINUX}/{A.file}")).status == 200
    await desk.settled()
    desk.gateway.reload(desk.feed(), desk.curated(fetch="lazy", offline=True))
    desk.origin.forget()
    assert await desk.listed() == {f"{LINUX}/{A.file}", f"{LINUX}/{B.file}"}
    assert (await desk.seen(f"{LINUX}/{A.file}")).body == A.data
    assert (await desk.seen(f"{LINUX}/{B.file}")).status in (404, 502, 503)
    assert desk.channel.asked() == []
