import contextlib
import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.pypi import project_list
from proxy.pypi.page import BadPage
from tests.pypi.build import HTML, JSON
from tests.support.cost import assert_linear


def root(*anchors: str) -> bytes:
    lines = "\n".join(f"    {anchor}" for anchor in anchors)
    return f"<!DOCTYPE html>\n<html>\n  <body>\n{lines}\n  </body>\n</html>\n".encode()


def parse_html(body: bytes, step: int = 7) -> list[tuple[str, str]]:
    return project_list.parse((body[at : at + step] for at in range(0, len(body), step)), HTML)


@pytest.mark.parametrize(
    ("anchor", "listed"),
    [
        ('<a href="/simple/foo-bar/">Foo.Bar</a>', ("foo-bar", "Foo.Bar")),
        ('<a href="foo/">foo</a>', ("foo", "foo")),
        ('<a href="foo">foo</a>', ("foo", "foo")),
        ("<A class=x HREF = 'https://h.example/simple/foo/?a#b'>Foo</A>", ("foo", "Foo")),
        ('<a href="Foo_Bar/">something else</a>', ("foo-bar", "foo-bar")),
        ('<a href="foo%2Dbar/">foo-bar</a>', ("foo-bar", "foo-bar")),
        ('<a\n data-x="1"\n href="foo/"\n>foo</a>', ("foo", "foo")),
        ("<a href=foo/>Foo</a>", ("foo", "Foo")),
        ("<A HREF=foo class=x>Foo", ("foo", "Foo")),
        ("<li><a href=foo/>", ("foo", "foo")),
        ('<a href="foo/"><b>Foo</b></a>', ("foo", "foo")),
        ('<!-- <a href="old/">old</a> --><a href="foo/">foo</a><!-- <a href="x/"> -->', ("foo", "foo")),
        ('<!--><a href="foo/">foo</a>', ("foo", "foo")),
        ('<a href="foo/">foo</a><!-- <a href="old/">old</a>', ("foo", "foo")),
        ('</body></html><a href="foo/">foo</a>', ("foo", "foo")),
        ('< a href="no/">< b <a href="foo/">foo</a>', ("foo", "foo")),
    ],
)
def test_anchors_of_every_shape_name_a_project(anchor: str, listed: tuple[str, str]) -> None:
    for step in (1, 7, 10_000):
        assert parse_html(root(anchor), step) == [listed]


def test_a_flat_page_names_the_projects_of_its_files() -> None:
    body = root(
        '<a href="../files/Foo_Bar-1.0%2Bcu1-py3-none-any.whl#sha256=00">x</a>',
        '<a href="foo-bar-1.0.tar.gz">foo-bar-1.0.tar.gz</a>',
        '<a href="https://h.example/a/zope.interface-5.0.zip">zope</a>',
        '<a href="../">up</a>',
        '<a href="README.txt">readme</a>',
    )
    listed = project_list.parse([body], HTML, is_flat=True)
    assert listed == [("foo-bar", "foo-bar"), ("zope-interface", "zope-interface")]


def test_names_are_sorted_and_unique() -> None:
    body = root('<a href="b/">B</a>', '<a href="a/">a</a>', '<a href="B/">b</a>', '<a href="a-1/">A_1</a>')
    assert parse_html(body) == [("a", "a"), ("a-1", "A_1"), ("b", "B")]


def test_what_is_no_name_is_left_out() -> None:
    body = root(
        '<a href="../">up</a>',
        '<a href="javascript:x">x</a>',
        '<a href="é/">é</a>',
        '<a name="x">y</a>',
        '<a href="foo/">foo</a>',
    )
    assert parse_html(body) == [("foo", "foo")]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", HTML),
        (b"  ", HTML),
        (root("Please sign in"), HTML),
        (root('<form action="/login"></form><title>Package index</title>'), HTML),
        (root("<script>location='/login'</script>"), HTML),
        (b"OK", HTML),
        (b"", JSON),
        (b'{"projects": null}', JSON),
        (b'{"projects": [{"name": "foo"}', JSON),
        (b'{"meta": {"api-version": "2.0"}, "projects": [{"name": "foo"}]}', JSON),
        (b'{"files": []}', JSON),
        (b"[" * 100_000, JSON),
        (root('<a href="foo/">foo</a>'), "application/json"),
        (root('<a href="foo/">foo</a>'), None),
    ],
)
def test_a_body_that_is_no_root_list_is_bad(body: bytes, kind: str | None) -> None:
    with pytest.raises(BadPage):
        project_list.parse([body], kind)


def test_the_json_list_takes_display_and_normalized_names() -> None:
    body = json.dumps(
        {
            "meta": {"api-version": "1.4", "_last-serial": 3},
            "projects": [{"name": "Foo_Bar", "_last-serial": 1}, {"name": "a"}, {"name": 3}, {}],
        }
    ).encode()
    assert project_list.parse([body], f"{JSON}; charset=utf-8") == [("a", "a"), ("foo-bar", "Foo_Bar")]


_LISTED = st.lists(
    st.sampled_from([("foo", "foo"), ("foo-bar", "Foo.Bar"), ("a", "A"), ("b-1", "b_1")]),
    min_size=1,
    max_size=4,
    unique=True,
).map(sorted)


@settings(deadline=None)
@given(_LISTED, st.integers(1, 50))
def test_both_forms_read_back_as_they_were(listed: list[tuple[str, str]], step: int) -> None:
    assert parse_html(b"".join(project_list.render_html(listed)), step) == listed
    assert project_list.parse(project_list.render_json(listed), JSON) == listed


def test_links_are_relative_so_that_poetry_reads_the_name() -> None:
    page = b"".join(project_list.render_html([("foo-bar", "Foo.Bar")]))
    assert b'<a href="foo-bar/">Foo.Bar</a><br />' in page
    assert b'"projects":[{"name":"Foo.Bar"}]' in b"".join(project_list.render_json([("foo-bar", "Foo.Bar")]))


def test_an_empty_list_is_rendered_as_one() -> None:
    assert json.loads(b"".join(project_list.render_json([]))) == {
        "meta": {"api-version": "1.4"},
        "projects": [],
    }
    assert b"<a" not in b"".join(project_list.render_html([]))


def test_a_large_list_goes_through_in_small_pieces() -> None:
    listed = [(f"project-{number:05}", f"project-{number:05}") for number in range(20_000)]
    pieces = list(project_list.render_html(listed))
    assert max(map(len, pieces)) < 400_000

    def chunks() -> Iterator[bytes]:
        for piece in pieces:
            for at in range(0, len(piece), 65_536):
                yield piece[at : at + 65_536]

    assert project_list.parse(chunks(), HTML) == listed


@pytest.mark.parametrize("filler", [b"<a ", b'<a href="', b"<a href=", b"<", b" ", b'<a href="x">'])
def test_a_hostile_list_costs_no_more_than_an_honest_one(filler: bytes) -> None:
    body = root('<a href="foo/">foo</a>').replace(b"</html>", filler * (300_000 // len(filler)) + b"</html>")
    assert parse_html(body, 65_536)[0] == ("foo", "foo")


@pytest.mark.parametrize(
    "unit", [b' href=""', b" href=''", b' href="', b" href", b" href =", b" ", b' href=""x', b"="]
)
def test_cost_of_an_anchor_is_linear(unit: bytes) -> None:
    def read(body: bytes) -> None:
        with contextlib.suppress(BadPage):
            project_list.parse([body], HTML)

    assert_linear(read, lambda n: b"<a " + unit * (n // len(unit)) + b"</html>", 16_000)


def test_first_href_of_an_anchor_counts_wherever_it_stands() -> None:
    body = b"""<a class="x" data-y=' href ' HREF = 'one/' rel=href>one</a><a href="two/" href="no/">two</a></html>"""
    assert project_list.parse([body], HTML) == [("one", "one"), ("two", "two")]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (root(), HTML),
        (b"<!DOCTYPE html><html><body>", HTML),
        (
            b"<html><head><title>Simple Index</title></head><body><h1>Simple Index</h1>nothing yet</body></html>",
            HTML,
        ),
        (b'<meta name="pypi:repository-version" content="1.0">no packages', HTML),
        (b'{"projects": []}', JSON),
        (b'{"meta": {"api-version": 1}, "projects": []}', JSON),
    ],
)
def test_an_empty_registry_has_an_empty_list(body: bytes, kind: str) -> None:
    assert project_list.parse([body], kind) == []


def test_a_list_is_cut_off_where_the_transport_does_not_tell_and_its_markup_has_no_end() -> None:
    whole = root('<a href="foo/">foo</a>')
    assert project_list.parse([whole], HTML, is_framed=False) == [("foo", "foo")]
    assert project_list.parse([whole[:-18]], HTML) == [("foo", "foo")]
    with pytest.raises(BadPage, match="cut off"):
        project_list.parse([whole[:-18]], HTML, is_framed=False)


@pytest.mark.parametrize(
    "value", [b'"\\ud800"', b'"\xff"', b"[" * 3000 + b"]" * 3000, b"1e999", b"null", b"3", b"{}"]
)
def test_an_entry_that_cannot_be_read_costs_no_other_name(value: bytes) -> None:
    for entry in (b'{"name": %b}' % value, b'{"name": "b", "x": %b}' % value, value):
        body = b'{"meta": %b, "projects": [%b, {"name": "a"}]}' % (value, entry)
        assert ("a", "a") in project_list.parse([body], JSON)
