import json

import pytest

from proxy.pypi.enrich import carry_over, enrich
from proxy.pypi.page import BadPage
from tests.pypi.build import FILES, SHA, blake_path, distribution, project

WHEEL = "foo-1.0-py3-none-any.whl"
OTHER = "b2" * 32


def api_file(filename: str = WHEEL, **keys: object) -> dict[str, object]:
    entry: dict[str, object] = {
        "filename": filename,
        "url": f"{FILES}{blake_path(filename)}",
        "digests": {"sha256": SHA, "md5": "0" * 32},
        "size": 12,
        "upload_time_iso_8601": "2024-01-02T03:04:05.123456Z",
        "upload_time": "2024-01-02T03:04:05",
        "requires_python": ">=3.8",
        "yanked": True,
        "yanked_reason": "broken",
    }
    return {
        **entry,
        **{"core-metadata" if key == "core_metadata" else key: value for key, value in keys.items()},
    }


def api(*files: object, **keys: object) -> bytes:
    return json.dumps(
        {"info": {"name": "Foo"}, "releases": {"1.0": list(files)}, "urls": [], **keys}
    ).encode()


def test_unknown_facts_are_taken_from_the_json_api() -> None:
    body = api(api_file(core_metadata={"sha256": OTHER}))
    enriched = enrich(project(distribution(WHEEL, yanked=True)), body)
    (file,) = enriched.files
    assert (file.size, file.upload_time) == (12, "2024-01-02T03:04:05.123456Z")
    assert (file.requires_python, file.yanked, file.core_metadata) == (">=3.8", "broken", {"sha256": OTHER})
    assert file.hashes == {"sha256": SHA}
    assert enriched.versions == ("1.0",)


def test_what_the_page_says_is_never_changed() -> None:
    said = distribution(
        WHEEL,
        size=1,
        upload_time="2000-01-01T00:00:00Z",
        requires_python="<3",
        yanked="why",
        core_metadata={"sha256": SHA},
    )
    body = api(api_file(core_metadata={"sha256": OTHER}))
    assert enrich(project(said, versions=("1.0.0",)), body) == project(said, versions=("1.0.0",))


def test_a_mark_that_the_page_lacks_stays_lacking() -> None:
    assert enrich(project(distribution(WHEEL, yanked=False)), api(api_file())).files[0].yanked is False


def test_a_mark_without_a_reason_anywhere_stays_a_mark() -> None:
    body = api(api_file(yanked_reason=None))
    assert enrich(project(distribution(WHEEL, yanked=True)), body).files[0].yanked is True


def test_facts_of_other_bytes_under_the_same_name_are_not_taken() -> None:
    page = project(distribution(WHEEL))
    assert enrich(page, api(api_file(digests={"sha256": OTHER}))).files == page.files


def test_a_file_with_a_digest_is_known_whatever_its_url() -> None:
    """Mirrors of some indexes link relatively here, and only for some projects."""
    for url in ("../../packages/foo-1.0-py3-none-any.whl", "ftp://host/foo", "", None, 7):
        (file,) = enrich(project(distribution(WHEEL)), api(api_file(url=url))).files
        assert (file.size, file.upload_time) == (12, "2024-01-02T03:04:05.123456Z"), url


def test_a_file_without_a_hash_is_known_by_its_url_and_gets_the_hash() -> None:
    page = project(distribution(WHEEL, hashes={}))
    (file,) = enrich(page, api(api_file())).files
    assert (file.hashes, file.size) == ({"sha256": SHA}, 12)
    assert enrich(page, api(api_file(url="https://elsewhere.example/x"))).files == page.files


def test_a_file_with_md5_only_gets_its_sha256_when_the_md5_agrees() -> None:
    (file,) = enrich(project(distribution(WHEEL, hashes={"md5": "0" * 32})), api(api_file())).files
    assert file.hashes == {"md5": "0" * 32, "sha256": SHA}


def test_no_file_comes_or_goes() -> None:
    page = project(distribution(WHEEL), distribution("foo-2.0.tar.gz"))
    enriched = enrich(page, api(api_file(), api_file("foo-3.0.tar.gz")))
    assert [file.filename for file in enriched.files] == [WHEEL, "foo-2.0.tar.gz"]


def test_damaged_facts_are_unknown() -> None:
    body = api(api_file(size="12", upload_time_iso_8601=None, requires_python=7, yanked_reason=[], url=4))
    (file,) = enrich(project(distribution(WHEEL)), body).files
    assert (file.size, file.upload_time, file.requires_python) == (None, None, None)
    odd = api(api_file(digests=None), api_file(digests={"sha256": "x"}), {"filename": 3}, {})
    assert enrich(project(distribution(WHEEL)), odd).files == (distribution(WHEEL),)


def test_a_document_with_urls_only_is_enough() -> None:
    body = json.dumps({"info": {}, "urls": [api_file()]}).encode()
    assert enrich(project(distribution(WHEEL)), body).files[0].size == 12


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"info": 3}',
        b'{"info": {}, "releases": []}',
        b'{"info": {"name": "bar"}}',
        b"[" * 10**5,
    ],
)
def test_a_body_that_is_no_document_of_the_project_is_bad(body: bytes) -> None:
    with pytest.raises(BadPage):
        enrich(project(distribution(WHEEL)), body)


def test_known_facts_of_the_last_snapshot_are_carried_over() -> None:
    page = project(distribution(WHEEL, yanked=True), distribution("foo-2.0.tar.gz"))
    old = enrich(page, api(api_file()))
    assert carry_over(page, old) == old


def test_nothing_is_carried_over_to_other_or_unhashed_bytes() -> None:
    old = enrich(project(distribution(WHEEL)), api(api_file()))
    for hashes in ({"sha256": OTHER}, {}):
        page = project(distribution(WHEEL, hashes=hashes))
        assert carry_over(page, old).files == page.files


def test_an_unyanked_file_does_not_get_its_old_mark_back() -> None:
    old = project(distribution(WHEEL, yanked="why"))
    assert carry_over(project(distribution(WHEEL)), old).files[0].yanked is False
