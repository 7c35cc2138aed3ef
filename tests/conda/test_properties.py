"""What holds for every index: round trips, determinism, and that a next snapshot is what a first one would be."""

import io
import json
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.conda.pack import diff, open_pack
from proxy.conda.pack_writer import PackWriter
from proxy.conda.shown import Shown
from proxy.conda.snapshot import open_snapshot
from proxy.conda.split import BadRepodata, split
from tests.conda.made import Made, make, reader, record, sections_in, sections_of, text_of

settings.register_profile("conda", deadline=None, max_examples=60)
COMMON = settings.get_profile("conda")

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
NAMES = st.sampled_from(["a", "b", "a-b", "_c", "d.e", "f_g-h"])
EXTRA = st.dictionaries(st.text(min_size=1, max_size=6).map(lambda key: f"x{key}"), VALUES, max_size=3)


@st.composite
def files(draw: st.DrawFn) -> tuple[str, str, dict[str, Any]]:
    name, version = draw(NAMES), draw(st.sampled_from(["1.0", "2!3.0+x", "0.1_a"]))
    build, extension = (
        draw(st.sampled_from(["0", "h1_2", "py310.x"])),
        draw(st.sampled_from([".conda", ".tar.bz2"])),
    )
    made = record(name, version, build, depends=draw(st.lists(NAMES, max_size=3))) | draw(EXTRA)
    return (
        "packages.conda" if extension == ".conda" else "packages",
        f"{name}-{version}-{build}{extension}",
        made,
    )


@st.composite
def channels(draw: st.DrawFn) -> dict[str, Any]:
    channel: dict[str, Any] = {"info": {"subdir": "linux-64"}, "packages": {}, "packages.conda": {}}
    for section, file, made in draw(st.lists(files(), max_size=12)):
        channel[section][file] = made
    return channel


def dumped(channel: dict[str, Any], *, indent: int | None = None, ascii_only: bool = False) -> bytes:
    separators = (",", ":") if indent is None else None
    return json.dumps(channel, indent=indent, separators=separators, ensure_ascii=ascii_only).encode(
        "utf-8", "replace"
    )


@given(channels(), st.booleans(), st.sampled_from([None, 1]))
@settings(COMMON)
def test_every_record_is_served_as_it_came(
    channel: dict[str, Any], ascii_only: bool, indent: int | None
) -> None:
    made = make(dumped(channel, indent=indent, ascii_only=ascii_only))
    wanted = {section: channel[section] for section in ("packages", "packages.conda")}
    assert sections_of(made.repodata()) == wanted
    assert sections_in(made.shards) == wanted
    assert made.report.edited == 0


@given(channels(), channels())
@settings(COMMON)
def test_a_next_snapshot_is_the_one_that_would_be_made_anew(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    before = make(dumped(first))
    after, anew = make(dumped(second), previous=before), make(dumped(second))
    assert after.data == anew.data
    assert after.shard_data == anew.shard_data
    _check_difference(before, after)


@given(channels(), channels(), channels())
@settings(COMMON)
def test_an_appended_snapshot_says_what_one_made_anew_says(
    first: dict[str, Any], second: dict[str, Any], third: dict[str, Any]
) -> None:
    made = make(dumped(first))
    before = made.repodata()
    for channel in (second, third):
        appended = make(dumped(channel), previous=made, append=True)
        anew = make(dumped(channel))
        assert appended.repodata() == anew.repodata()
        assert sections_in(appended.shards) == sections_in(anew.shards)
        assert diff(appended.snapshot.pack, anew.snapshot.pack) == diff(
            anew.snapshot.pack, anew.snapshot.pack
        )
        made = appended
    longer = reader(made.data)
    size = len(make(dumped(first)).data)
    opened = open_snapshot(longer, size)
    assert text_of("linux-64", [Shown(name, opened) for name in opened]) == before


def _check_difference(before: Made, after: Made) -> None:
    found = diff(before.snapshot.pack, after.snapshot.pack)
    old = {name: before.snapshot.block(name) for name in before.snapshot}
    new = {name: after.snapshot.block(name) for name in after.snapshot}
    assert found.added == sorted(new.keys() - old.keys())
    assert found.removed == sorted(old.keys() - new.keys())
    assert found.changed == sorted(name for name in old.keys() & new.keys() if old[name] != new[name])


@given(channels(), st.randoms(use_true_random=False))
@settings(COMMON)
def test_the_order_of_the_origin_does_not_matter(channel: dict[str, Any], random: Any) -> None:
    shuffled = dict(channel)
    for section in ("packages", "packages.conda"):
        items = list(channel[section].items())
        random.shuffle(items)
        shuffled[section] = dict(items)
    one, other = make(dumped(channel)), make(dumped(shuffled))
    assert one.data == other.data
    assert one.shard_data == other.shard_data


@given(channels(), st.sets(st.integers(0, 11)))
@settings(COMMON)
def test_a_filter_shows_exactly_what_it_keeps(channel: dict[str, Any], chosen: set[int]) -> None:
    made = make(dumped(channel))
    everything = sorted([*channel["packages"], *channel["packages.conda"]])
    keep = {file for number, file in enumerate(everything) if number in chosen}
    text = text_of("linux-64", made.shown(dict.fromkeys(made.snapshot, keep)))
    found = sections_of(text)
    assert {*found["packages"], *found["packages.conda"]} == keep


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(COMMON)
def test_no_bytes_crash_the_splitting(document: bytes) -> None:
    with suppress(BadRepodata):
        split(document)


@given(channels(), st.integers(0, 400), st.integers(0, 255))
@settings(COMMON)
def test_a_damaged_index_is_refused_or_loses_single_records(
    channel: dict[str, Any], at: int, byte: int
) -> None:
    document = bytearray(dumped(channel))
    document[at % len(document)] = byte
    try:
        made = make(bytes(document))
    except BadRepodata:
        return
    assert sections_in(made.shards).keys() == sections_of(made.repodata()).keys()


@given(channels())
@settings(COMMON)
def test_half_an_index_is_refused(channel: dict[str, Any]) -> None:
    document = dumped(channel)
    for length in range(0, len(document), max(1, len(document) // 20)):
        try:
            split(document[:length])
        except BadRepodata:
            continue
        raise AssertionError(document[:length])


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=5), st.tuples(st.binary(max_size=30), st.binary(max_size=30)), max_size=8
    )
)
@settings(COMMON)
def test_packs_keep_what_they_are_given(names: dict[str, tuple[bytes, bytes]]) -> None:
    out = io.BytesIO()
    writer = PackWriter(out, b"")
    for name in sorted(names):
        writer.add(name, names[name], source=b"")
    writer.finish()
    pack = open_pack(reader(out.getvalue()), len(out.getvalue()))
    assert {name: pack.parts(name) for name in pack.entries} == names
