import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.pypi import page
from proxy.pypi.page import BadPage
from tests.pypi.build import INDEX, anchor, file_entry, html, json_page

WHEEL = "foo-1.0-py3-none-any.whl"


def parse(body: bytes, content_type: str | None) -> int:
    return len(page.parse(body, content_type, f"{INDEX}foo/", "Foo", index_url=INDEX).project.files)


@pytest.mark.parametrize(
    "content_type",
    [
        *("application/vnd.pypi.simple.v1+json", "Application/VND.pypi.simple.v1+json; charset=utf-8"),
        "application/vnd.pypi.simple.latest+json",
    ],
)
def test_json_types_are_read_as_json(content_type: str) -> None:
    assert parse(json_page(file_entry(WHEEL)), content_type) == 1


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html",
        'text/html; charset="UTF-8"',
        "text/html;charset=iso-8859-1",
        "application/vnd.pypi.simple.v1+html; x",
    ],
)
def test_html_types_are_read_as_html(content_type: str) -> None:
    assert parse(html(anchor(WHEEL)), content_type) == 1


@pytest.mark.parametrize(
    "content_type",
    [
        *(None, "", "application/json", "text/plain", "application/octet-stream", "text/html, text/html"),
        *(
            "application/vnd.pypi.simple.v2+json",
            "application/vnd.pypi.simple.v1+xml",
            "text/html; charset=utf-7",
        ),
    ],
)
def test_other_types_are_no_page_whatever_the_body_is(content_type: str | None) -> None:
    for body in (json_page(file_entry(WHEEL)), html(anchor(WHEEL))):
        with pytest.raises(BadPage):
            parse(body, content_type)


def test_a_page_of_latin_letters_is_decoded_as_its_type_says() -> None:
    body = html(anchor(WHEEL, 'data-yanked="é"')).decode().encode("latin-1")
    parsed = page.parse(body, "text/html; charset=latin-1", f"{INDEX}foo/", "foo", index_url=INDEX)
    assert parsed.project.files[0].yanked == "é"


@settings(deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["text/html", "application/vnd.pypi.simple.v1+json"]))
def test_no_bytes_make_the_parsers_crash(body: bytes, content_type: str) -> None:
    try:
        parse(body, content_type)
    except BadPage as err:
        assert "\n" not in err.reason


@settings(deadline=None)
@given(st.data())
def test_no_damage_to_a_page_makes_the_parsers_crash(data: st.DataObject) -> None:
    body, content_type = data.draw(
        st.sampled_from(
            [
                (html(anchor(f"{WHEEL}#sha256={'0' * 64}", 'data-yanked="x"')), "text/html"),
                (json_page(file_entry(WHEEL, size=1, yanked="x")), "application/vnd.pypi.simple.v1+json"),
            ]
        )
    )
    at = data.draw(st.integers(0, len(body)))
    inserted = data.draw(
        st.binary(max_size=6) | st.sampled_from([b"<", b">", b'"', b"{", b"null", b"&#0;", b"\\u0000"])
    )
    damaged = body[:at] + inserted + body[at + data.draw(st.integers(0, 6)) :]
    try:
        parse(damaged, content_type)
    except BadPage as err:
        assert "\n" not in err.reason
