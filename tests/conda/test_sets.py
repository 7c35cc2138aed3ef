"""Every real index is served as it came, record for record, in every form."""

import io
import json
from typing import Any

import pytest
import zstandard

from proxy.conda.mend import STRIPPED
from proxy.conda.names import SECTIONS, parse_file
from proxy.conda.record import Facts
from proxy.conda.repodata import pieces, write
from tests.conda.made import Made, Sections, make, sections_in, sections_of
from tests.conda.sets import IndexFile, index_files

SETS = index_files()


def expected(document: bytes, subdir: str) -> Sections:
    """What must be served, written down a second time and slowly."""
    decoded = json.loads(document)
    listed = {**(decoded.get("packages.conda") or {}), **(decoded.get("packages") or {})}
    return {
        section: {
            file: _served(record, subdir)
            for file, record in listed.items()
            if _is_served(file, record, extension)
        }
        for extension, section in SECTIONS.items()
    }


def _is_served(file: str, record: dict[str, Any], extension: str) -> bool:
    parsed, noarch = parse_file(file), record.get("noarch")
    return (
        parsed is not None
        and (parsed.name, parsed.extension) == (record["name"], extension)
        and noarch in (None, True, False, "", "python", "generic")
    )


def _served(record: dict[str, Any], subdir: str) -> dict[str, Any]:
    served = {key: value for key, value in record.items() if key not in STRIPPED}
    served["depends"] = served.get("depends") or []
    if "constrains" in served:
        served["constrains"] = served["constrains"] or []
    if "subdir" in served:
        served["subdir"] = subdir
    return served


@pytest.fixture(scope="module", params=SETS, ids=lambda each: each.name)
def case(request: pytest.FixtureRequest) -> tuple[Sections, Made]:
    file: IndexFile = request.param
    document = file.read()
    return expected(document, file.subdir), make(document, file.subdir)


def test_repodata_json_has_the_records_of_the_origin(case: tuple[Sections, Made]) -> None:
    wanted, made = case
    assert sections_of(made.repodata()) == wanted


def test_zst_has_the_same_bytes_in_one_frame(case: tuple[Sections, Made]) -> None:
    _, made = case
    out = io.BytesIO()
    write(pieces(made.snapshot.top.subdir, made.shown()), zst=out)
    frame = zstandard.ZstdDecompressor().decompressobj()
    assert frame.decompress(out.getvalue()) == made.repodata()
    assert frame.eof
    assert not frame.unused_data


def test_shards_have_the_records_of_the_origin(case: tuple[Sections, Made]) -> None:
    wanted, made = case
    assert sections_in(made.shards) == wanted


def test_facts_are_told_of_every_record(case: tuple[Sections, Made]) -> None:
    wanted, made = case
    facts: dict[str, Facts] = {}
    for name in made.snapshot:
        block = made.snapshot.block(name)
        assert block is not None
        facts |= block.facts()
    records = wanted["packages"] | wanted["packages.conda"]
    assert {file: (each.version, each.depends, each.sha256) for file, each in facts.items()} == {
        file: (each["version"], each["depends"], each.get("sha256")) for file, each in records.items()
    }


def test_an_ingest_of_the_same_index_copies_everything(case: tuple[Sections, Made]) -> None:
    _, made = case
    again = make(made.repodata(), made.snapshot.top.subdir, made)
    assert sections_of(again.repodata()) == sections_of(made.repodata())
    assert again.shard_data == made.shard_data


def test_the_committed_sets_are_there() -> None:
    assert sum(each.name.endswith((".zst", ".json", ".bz2")) for each in SETS) >= 15
