import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.pypi.negotiate import UPSTREAM_ACCEPT, Form, negotiate

J, V, H = Form.JSON, Form.V1_HTML, Form.HTML
JSON, V1, HTML = (form.value for form in Form)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, H),
        ("", H),
        ("*/*", H),
        ("text/html", H),
        (JSON, J),
        (V1, V),
        # What the clients send: pip and PDM, uv, Poetry, a browser, curl.
        (f"{JSON}, {V1}; q=0.1, {HTML}; q=0.01", J),
        (f"{JSON}, {V1};q=0.2, {HTML};q=0.01", J),
        (f"{JSON}, */*;q=0.1", J),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", H),
        (UPSTREAM_ACCEPT, J),
        # Weights.
        (f"{JSON};q=0.1, {V1};q=0.5", V),
        (f"{JSON};q=0.001, {HTML};q=0.002", H),
        (f"{JSON};q=0, {V1}", V),
        (f"{JSON};q=0", H),
        (f"{JSON};q=0, {V1};q=0, {HTML};q=0", H),
        (f"{JSON};Q=0.2,{V1};q=0.1", J),
        # Ties between named types.
        (f"{HTML}, {V1}, {JSON}", J),
        (f"{HTML}, {V1}", V),
        (f"{HTML};q=0.3, {V1};q=0.3, image/png", V),
        # The most specific entry weighs; what only a wildcard matches is text/html.
        (f"{JSON};q=0.5, */*", H),
        (f"{JSON}, */*", J),
        (f"*/*, {HTML};q=0.1", H),
        (f"*/*, {HTML};q=0", V),
        ("application/*", H),
        ("text/*", H),
        (f"application/*;q=0.9, {HTML};q=0.1, */*;q=0.1", H),
        # The meta version, other registries' types, malformed entries.
        ("application/vnd.pypi.simple.latest+json", J),
        ("application/vnd.pypi.simple.latest+html", V),
        (f"application/vnd.pyx.simple.v1+msgpack, {JSON};q=0.9", J),
        ("application/vnd.pypi.simple.v2+json", H),
        ("application/json", H),
        (JSON.upper(), J),
        (f"{JSON};q=2, {V1}", V),
        (f"{JSON};q=0.1234, {V1};q=0.1", V),
        (f"{JSON};q=, {V1};q=0.1", V),
        (f"{JSON};level=1;q=0.1, {V1};q=0.2", V),
        (f",,;;q=1, {V1}", V),
        (f"{JSON}, " + "x/y, " * 2000, J),
    ],
)
def test_the_accept_header_chooses_the_form(accept: str | None, form: Form) -> None:
    assert negotiate(accept) is form


@pytest.mark.parametrize(
    ("format", "form"),
    [
        (JSON, J),
        (V1, V),
        (HTML, H),
        # A "+" that the query's decoding made a space.
        ("application/vnd.pypi.simple.v1 json", J),
        ("application/vnd.pypi.simple.latest+json", J),
        ("application/json", V),
        ("json", V),
        ("", V),
        ("x" * 10_000, V),
        (f"{JSON};q=1", V),
    ],
)
def test_a_known_format_wins_over_accept_and_another_is_ignored(format: str, form: Form) -> None:
    assert negotiate(V1, format) is form


def test_the_content_type_is_exact_and_json_has_no_charset() -> None:
    assert [form.content_type for form in Form] == [JSON, V1, "text/html; charset=utf-8"]


@settings(deadline=None)
@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from([JSON, V1, HTML, "*/*", ";q=0.5", ";q=0", ",", " "])).map("".join)
)
def test_any_header_gets_a_form(accept: str) -> None:
    assert negotiate(accept) in Form
