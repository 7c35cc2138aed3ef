import json
from typing import Any

import pytest

from proxy.pypi.legacy_json import Sources, render, shown_version
from proxy.pypi.project import Project
from tests.pypi.build import SHA, blake_path, distribution, project

NOTHING = Sources()
METADATA = b"""Metadata-Version: 2.4
Name: Foo
Version: 1.0
Summary: from the wheel
License-Expression: MIT
Classifier: Topic :: A
Classifier: Topic :: B
Requires-Dist: bar>=1
Project-URL: Home, https://foo.example/
Keywords: a,b

text
"""


def upstream(version: str = "2.0", **keys: object) -> bytes:
    info = {
        "name": "Foo",
        "version": version,
        "summary": "from the origin",
        "requires_python": "x",
        "yanked": True,
    }
    return json.dumps({"info": info, "vulnerabilities": [{"id": "V-1"}], "last_serial": 5, **keys}).encode()


def read(document: bytes | None) -> Any:
    assert document is not None
    return json.loads(document)


@pytest.fixture
def foo() -> Project:
    return project(
        distribution(
            "foo-1.0.tar.gz",
            size=1,
            upload_time="2024-01-02T03:04:05.678Z",
            hashes={"sha256": SHA, "md5": "0" * 32},
        ),
        distribution("foo-1.0-py3-none-any.whl", requires_python=">=3.8", core_metadata={"sha256": SHA}),
        distribution("foo-2.0-py2.py3-none-any.whl", yanked="broken"),
        distribution("foo-3.0rc1.win32.exe"),
        distribution("foo-2004d.tar.gz"),
        versions=("1.0.0", "2.0", "3.0rc1", "4.0"),
        serial=77,
    )


def test_the_document_lists_the_visible_files_by_version(foo: Project) -> None:
    document = read(render(foo, "../../", NOTHING))
    assert {
        version: [file["filename"] for file in files] for version, files in document["releases"].items()
    } == {
        "1.0.0": ["foo-1.0-py3-none-any.whl", "foo-1.0.tar.gz"],
        "2.0": ["foo-2.0-py2.py3-none-any.whl"],
        "3.0rc1": ["foo-3.0rc1.win32.exe"],
    }
    assert document["urls"] == document["releases"]["1.0.0"]
    assert (document["last_serial"], document["vulnerabilities"]) == (77, [])


def test_a_file_object_has_the_origins_shape_and_leads_into_the_feed(foo: Project) -> None:
    wheel, sdist = read(render(foo, "../../", NOTHING))["urls"]
    assert sdist == {
        "comment_text": None,
        "digests": {"sha256": SHA, "md5": "0" * 32},
        "downloads": -1,
        "filename": "foo-1.0.tar.gz",
        "has_sig": False,
        "md5_digest": "0" * 32,
        "packagetype": "sdist",
        "python_version": "source",
        "requires_python": None,
        "size": 1,
        "upload_time": "2024-01-02T03:04:05",
        "upload_time_iso_8601": "2024-01-02T03:04:05.678Z",
        "url": f"../../packages/{blake_path('foo-1.0.tar.gz')}",
        "yanked": False,
        "yanked_reason": None,
    }
    assert (wheel["packagetype"], wheel["python_version"], wheel["core-metadata"]) == (
        "bdist_wheel",
        "py3",
        {"sha256": SHA},
    )


def test_other_kinds_and_yanked_files_are_described(foo: Project) -> None:
    releases = read(render(foo, "https://feed.example/f/", NOTHING))["releases"]
    assert (releases["3.0rc1"][0]["packagetype"], releases["3.0rc1"][0]["python_version"]) == (
        "bdist_wininst",
        "any",
    )
    assert (releases["2.0"][0]["yanked"], releases["2.0"][0]["yanked_reason"]) == (True, "broken")
    assert releases["2.0"][0]["python_version"] == "py2.py3"
    assert releases["2.0"][0]["url"].startswith("https://feed.example/f/packages/")


def test_the_version_shown_is_the_latest_visible_by_the_origins_rule(foo: Project) -> None:
    assert shown_version(foo) == "1.0.0"
    assert shown_version(project(foo.files[2], foo.files[3])) == "3.0rc1"
    assert shown_version(project(foo.files[2])) == "2.0"
    assert shown_version(project(foo.files[4])) is None


def test_info_is_the_origins_when_it_is_of_the_version_shown(foo: Project) -> None:
    document = read(render(foo, "../../", Sources(upstream=upstream("1.0"), metadata=METADATA)))
    info = document["info"]
    assert (info["version"], info["summary"], info["name"]) == ("1.0.0", "from the origin", "Foo")
    assert (info["requires_python"], info["yanked"], info["yanked_reason"]) == (">=3.8", False, None)
    assert document["vulnerabilities"] == [{"id": "V-1"}]


def test_info_of_a_hidden_version_is_made_from_metadata_instead(foo: Project) -> None:
    document = read(render(foo, "../../", Sources(upstream=upstream("4.0"), metadata=METADATA)))
    info = document["info"]
    assert (info["version"], info["summary"], info["license_expression"]) == (
        "1.0.0",
        "from the wheel",
        "MIT",
    )
    assert (info["classifiers"], info["requires_dist"]) == (["Topic :: A", "Topic :: B"], ["bar>=1"])
    assert (info["project_urls"], info["keywords"]) == ({"Home": "https://foo.example/"}, "a,b")
    assert document["vulnerabilities"] == []


def test_without_any_source_info_still_has_its_keys(foo: Project) -> None:
    info = read(render(foo, "../../", NOTHING))["info"]
    assert (info["name"], info["version"], info["summary"], info["classifiers"]) == (
        "foo",
        "1.0.0",
        None,
        None,
    )


def test_the_document_of_a_version_has_no_releases(foo: Project) -> None:
    document = read(render(foo, "../../../", Sources(upstream=upstream("2.0")), "2"))
    assert "releases" not in document
    assert [file["filename"] for file in document["urls"]] == ["foo-2.0-py2.py3-none-any.whl"]
    assert (document["info"]["version"], document["info"]["yanked"], document["info"]["yanked_reason"]) == (
        "2.0",
        True,
        "broken",
    )


def test_what_is_not_visible_has_no_document(foo: Project) -> None:
    assert render(foo, "", NOTHING, "4.0") is None
    assert render(foo, "", NOTHING, "nonsense") is None
    assert render(project(), "", NOTHING) is None


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"info": []}', b"[" * 10**5, upstream("1.0", info={"version": 1})]
)
def test_a_damaged_document_of_the_origin_is_as_good_as_none(foo: Project, body: bytes) -> None:
    assert read(render(foo, "../../", Sources(upstream=body)))["info"]["summary"] is None


def test_values_that_cannot_be_written_are_left_out(foo: Project) -> None:
    deep = "[" * 400 + "]" * 400
    info = f'{{"version": "1.0", "summary": "s", "huge": {10**40}, "deep": {deep}}}'
    document = read(render(foo, "../../", Sources(upstream=f'{{"info": {info}}}'.encode())))
    assert document["info"]["summary"] == "s"
    assert "huge" not in document["info"]
    assert "deep" not in document["info"]


def test_the_origins_serial_stands_in_where_the_page_had_none() -> None:
    page = project(distribution("foo-1.0.tar.gz"))
    assert read(render(page, "", Sources(upstream=upstream("9"))))["last_serial"] == 5
    assert read(render(page, "", NOTHING))["last_serial"] == 0
