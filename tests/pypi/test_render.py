import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from proxy.pypi import render_html, render_json
from proxy.pypi.distribution import Distribution
from tests.pypi.build import SHA, blake_path, distribution, one_html, one_json, project

WHEEL = "foo-1.0-py3-none-any.whl"
SDIST = "foo-2.0.tar.gz"


def full(filename: str = WHEEL, **fields: object) -> Distribution:
    facts: dict[str, object] = {
        "size": 12,
        "upload_time": "2024-01-02T03:04:05Z",
        "requires_python": ">=3.8,<4",
        "yanked": 'a & "b" <c>',
        "core_metadata": {"sha256": SHA},
        "provenance": "https://index.example/x",
    }
    return distribution(filename, **{**facts, **fields})


def test_the_html_page_has_the_classic_shape() -> None:
    page = render_html.render(
        project(distribution(WHEEL), full(SDIST), status="archived", status_reason="it's <old>")
    )
    link = f"../../packages/{blake_path(SDIST)}#sha256={SHA}"
    assert page.decode() == (
        "<!DOCTYPE html>\n<html>\n  <head>\n"
        '    <meta name="pypi:repository-version" content="1.4">\n'
        '    <meta name="pypi:project-status" content="archived">\n'
        '    <meta name="pypi:project-status-reason" content="it&#x27;s &lt;old&gt;">\n'
        "    <title>Links for foo</title>\n  </head>\n  <body>\n    <h1>Links for foo</h1>\n"
        f'    <a href="../../packages/{blake_path(WHEEL)}#sha256={SHA}">{WHEEL}</a><br />\n'
        f'    <a href="{link}" data-requires-python="&gt;=3.8,&lt;4" '
        'data-yanked="a &amp; &quot;b&quot; &lt;c&gt;" '
        f'data-core-metadata="sha256={SHA}" data-dist-info-metadata="sha256={SHA}" '
        'data-size="12" data-upload-time="2024-01-02T03:04:05Z" '
        f'data-provenance="../../integrity/foo/2.0/{SDIST}/provenance">{SDIST}</a><br />\n'
        "  </body>\n</html>\n"
    )


def test_the_json_page_has_every_known_fact_and_says_1_4() -> None:
    page = json.loads(render_json.render(project(full(), versions=("1.0.0", "3.0"), status="active")))
    assert page == {
        "meta": {"api-version": "1.4"},
        "name": "foo",
        "files": [
            {
                "filename": WHEEL,
                "url": f"../../packages/{blake_path(WHEEL)}",
                "hashes": {"sha256": SHA},
                "requires-python": ">=3.8,<4",
                "size": 12,
                "upload-time": "2024-01-02T03:04:05Z",
                "yanked": 'a & "b" <c>',
                "core-metadata": {"sha256": SHA},
                "provenance": f"../../integrity/foo/1.0/{WHEEL}/provenance",
            }
        ],
        "versions": ["1.0.0"],
        "project-status": {"status": "active"},
    }


def test_unknown_facts_are_left_out_of_json_and_it_says_1_0_without_versions() -> None:
    page = json.loads(render_json.render(project(full(), distribution(SDIST), versions=("1.0", "2.0"))))
    assert page["meta"] == {"api-version": "1.0"}
    assert "versions" not in page
    assert page["files"][1] == {
        "filename": SDIST,
        "url": f"../../packages/{blake_path(SDIST)}",
        "hashes": {"sha256": SHA},
        "yanked": False,
        "core-metadata": False,
    }


def test_no_null_and_no_empty_text_leaves_in_json() -> None:
    odd = one_json(
        size=None, upload_time=None, yanked="", requires_python="", core_metadata=None, hashes=None
    )
    page = render_json.render(project(odd, one_html('data-yanked=""', SDIST)))
    assert b"null" not in page
    assert b'""' not in page
    assert b'"hashes":{}' in page


def test_an_empty_project_is_complete() -> None:
    page = json.loads(render_json.render(project(status="quarantined", status_reason="why")))
    assert (page["meta"], page["files"], page["versions"]) == ({"api-version": "1.4"}, [], [])
    assert page["project-status"] == {"status": "quarantined", "reason": "why"}


@pytest.mark.parametrize(
    ("hashes", "fragment"),
    [
        ({"md5": "0" * 32, "sha512": "0" * 128, "sha256": SHA}, f"#sha256={SHA}"),
        ({"md5": "0" * 32, "sha512": "0" * 128}, "#sha512=" + "0" * 128),
        ({"md5": "0" * 32}, "#md5=" + "0" * 32),
        ({"sha1": "0" * 40, "sha224": "0" * 56, "blake2b_256": SHA}, ""),
        ({}, ""),
    ],
)
def test_the_fragment_names_only_what_uv_knows(hashes: dict[str, str], fragment: str) -> None:
    page = render_html.render(project(distribution(WHEEL, hashes=hashes))).decode()
    assert f'href="../../packages/{blake_path(WHEEL)}{fragment}"' in page


@pytest.mark.parametrize(
    ("fact", "value"),
    [(True, "true"), ({"sha256": SHA}, f"sha256={SHA}"), ({"sha3_256": SHA}, "true")],
)
def test_core_metadata_is_written_under_both_names(fact: object, value: str) -> None:
    page = render_html.render(project(distribution(WHEEL, core_metadata=fact))).decode()
    assert f'data-core-metadata="{value}" data-dist-info-metadata="{value}"' in page


def test_core_metadata_that_is_not_there_is_not_mentioned_in_html() -> None:
    assert b"metadata" not in render_html.render(project(distribution(WHEEL, core_metadata=False)))


def test_a_yanked_mark_without_reason_is_an_empty_attribute_and_true() -> None:
    yanked = project(distribution(WHEEL, yanked=True))
    assert b' data-yanked=""' in render_html.render(yanked)
    assert b'"yanked":true' in render_json.render(yanked)


def test_html_is_ascii_one_anchor_a_line_and_no_newline_in_a_tag() -> None:
    page = render_html.render(project(full(yanked="é\u2028中 'x'\u00a0"), full(SDIST)))
    assert page.isascii()
    anchors = [line for line in page.decode().splitlines() if "<a " in line]
    assert len(anchors) == 2
    assert all(
        re.fullmatch(r'    <a href="[^"]*"( data-[a-z-]+="[^"]*")*>[^<]+</a><br />', line) for line in anchors
    )


def test_the_body_can_be_read_by_an_xml_parser() -> None:
    page = render_html.render(project(full(), full(SDIST))).decode()
    body = ElementTree.fromstring(page[page.index("<body>") : page.index("</html>")])
    assert [node.text for node in body.iter("a")] == [WHEEL, SDIST]


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.values: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.values.append(dict(attrs))


def test_markup_in_facts_stays_text() -> None:
    hostile = '"><script>alert(1)</script>'
    page = render_html.render(
        project(full(yanked=hostile, requires_python=hostile), status="x", status_reason=hostile)
    )
    anchors = _Anchors()
    anchors.feed(page.decode())
    assert anchors.values[0]["data-yanked"] == hostile
    assert anchors.values[0]["data-requires-python"] == hostile
    assert b"<script" not in page


def test_paths_are_percent_encoded_once_and_plus_stays() -> None:
    file = distribution(
        "foo-1!2.0+cu1-py3-none-any.whl", path="packages/a b/(x)&'y/foo-1!2.0+cu1-py3-none-any.whl"
    )
    link = "../../packages/a%20b/(x)%26%27y/foo-1!2.0+cu1-py3-none-any.whl"
    assert json.loads(render_json.render(project(file)))["files"][0]["url"] == link
    assert f'href="{link}#' in render_html.render(project(file)).decode()


def test_the_prefix_leads_to_the_feed() -> None:
    assert b'"url":"https://feed.example/f/packages/' in render_json.render(
        project(full()), "https://feed.example/f/"
    )


@pytest.mark.parametrize(
    ("base", "start"),
    [
        ("https://feed.example/f/", "https://feed.example/f/"),
        ("http://feed.example/f/", "../../"),
        (None, "../../"),
    ],
)
def test_provenance_leads_into_the_feed_and_never_to_the_origin(base: str | None, start: str) -> None:
    for page in (
        render_html.render(project(full()), provenance_base=base),
        render_json.render(project(full()), provenance_base=base),
    ):
        assert f"{start}integrity/foo/1.0/{WHEEL}/provenance".encode() in page
        assert b"index.example" not in page


def test_nothing_of_the_origins_url_leaves() -> None:
    file = full(url="https://files.example/packages/x.whl?token=secret")
    for page in (render_html.render(project(file)), render_json.render(project(file))):
        assert b"secret" not in page
        assert b"files.example" not in page


def test_unknown_keys_go_out_again_but_never_over_known_ones() -> None:
    page = json.loads(render_json.render(project(full(extra={"colour": 1, "filename": "x", "url": "y"}))))
    assert (page["files"][0]["colour"], page["files"][0]["filename"]) == (1, WHEEL)
    assert page["files"][0]["url"].startswith("../../")


def test_rendering_is_deterministic() -> None:
    one = project(full(), full(SDIST))
    assert render_html.render(one) == render_html.render(one)
    assert render_json.render(one) == render_json.render(one)
