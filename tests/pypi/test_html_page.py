import pytest

from proxy.pypi.charsets import _CODECS, text_of
from proxy.pypi.names import FileKind
from proxy.pypi.page import BadPage
from tests.pypi.build import FILES, INDEX, SHA, anchor, blake_path, html, one_html, parse_html

WHEEL = "foo-1.0-py3-none-any.whl"
SDIST = "foo-1.0.tar.gz"


def test_a_plain_page_gives_each_file_with_link_hash_and_path() -> None:
    parsed = parse_html(html(anchor(f"{FILES}{blake_path(WHEEL)}#sha256={SHA}")))
    (file,) = parsed.project.files
    assert (file.filename, file.kind, file.version, file.hashes) == (
        WHEEL,
        FileKind.WHEEL,
        "1.0",
        {"sha256": SHA},
    )
    assert file.url == f"{FILES}{blake_path(WHEEL)}"
    assert file.path == f"packages/{blake_path(WHEEL)}"
    assert (file.size, file.upload_time, file.requires_python, file.yanked) == (None, None, None, False)
    assert (file.core_metadata, file.provenance, parsed.dropped) == (False, None, ())
    assert parsed.project.api_version == "1.0"
    assert parsed.project.versions == ()


def test_attributes_are_read_with_their_entities_decoded() -> None:
    file = one_html('data-requires-python="&gt;=3.8,&lt;4" data-yanked="broken &amp; &quot;bad&quot;"')
    assert file.requires_python == ">=3.8,<4"
    assert file.yanked == 'broken & "bad"'


@pytest.mark.parametrize(
    ("attributes", "yanked"),
    [
        ("", False),
        ("data-yanked", True),
        ('data-yanked=""', True),
        ('data-yanked=" \n"', True),
        ('data-yanked="a\nb"', "a b"),
    ],
)
def test_the_yanked_mark_counts_by_its_presence(attributes: str, yanked: bool | str) -> None:
    assert one_html(attributes).yanked == yanked


@pytest.mark.parametrize(
    ("attributes", "fact"),
    [
        (f'data-core-metadata="sha256={SHA}"', {"sha256": SHA}),
        (f'data-dist-info-metadata="sha256={SHA}"', {"sha256": SHA}),
        (f'data-core-metadata="sha256={SHA}" data-dist-info-metadata="true"', {"sha256": SHA}),
        ('data-core-metadata="true"', True),
        ('data-core-metadata="false"', False),
        ('data-core-metadata=""', False),
        ("data-core-metadata", False),
        ('data-core-metadata="sha256=zz"', True),
    ],
)
def test_core_metadata_is_read_under_both_names(attributes: str, fact: bool | dict[str, str]) -> None:
    assert one_html(attributes).core_metadata == fact


def test_attributes_of_no_standard_give_size_and_upload_time() -> None:
    file = one_html('data-size="12" data-upload-time="2024-01-02T03:04:05.123456Z"')
    assert (file.size, file.upload_time) == (12, "2024-01-02T03:04:05.123456Z")


@pytest.mark.parametrize(
    "attributes", ['data-size="-1"', 'data-size="1e3"', 'data-size="²"', 'data-upload-time="yesterday"']
)
def test_damaged_attributes_are_unknown_facts(attributes: str) -> None:
    assert (one_html(attributes).size, one_html(attributes).upload_time) == (None, None)


def test_provenance_is_kept_absolute_and_only_on_the_web() -> None:
    assert one_html('data-provenance="/integrity/x"').provenance == "https://index.example/integrity/x"
    assert one_html('data-provenance="javascript:x"').provenance is None


def test_relative_links_and_base_href_resolve_as_in_clients() -> None:
    page = html(anchor(f"../../packages/{WHEEL}"))
    assert parse_html(page).project.files[0].url == f"https://index.example/packages/{WHEEL}"
    based = html(anchor(WHEEL), head='<base href="https://mirror.example/all/">')
    assert parse_html(based).project.files[0].url == f"https://mirror.example/all/{WHEEL}"
    with pytest.raises(BadPage, match="base"):
        parse_html(html(anchor(WHEEL), head='<base href="javascript:x">'))


def test_links_without_a_hash_are_files_without_a_hash() -> None:
    (file,) = parse_html(html(anchor(WHEEL))).project.files
    assert file.hashes == {}
    assert file.path == f"packages/simple/foo/{WHEEL}"


def test_files_are_in_the_order_of_version_then_name() -> None:
    names = ["foo-1.10.tar.gz", "foo-1.9.tar.gz", "foo-1.9-py3-none-any.whl", "foo-2004d.tar.gz"]
    files = parse_html(html(*map(anchor, names))).project.files
    assert [file.filename for file in files] == [names[3], names[2], names[1], names[0]]


def test_a_flat_page_of_many_projects_gives_the_asked_ones_files() -> None:
    page = html(
        anchor(WHEEL), anchor("bar-1.0.tar.gz"), anchor("foo_bar-1.0-py3-none-any.whl"), title="wheels"
    )
    parsed = parse_html(page)
    assert [file.filename for file in parsed.project.files] == [WHEEL]
    assert parsed.dropped == (
        ("bar-1.0.tar.gz", "a file of another project"),
        ("foo_bar-1.0-py3-none-any.whl", "a file of another project"),
    )
    assert parse_html(page, "absent").project.files == ()


def test_what_is_dropped_is_told_in_bounded_length() -> None:
    parsed = parse_html(html(*(anchor(f"bar-{n}.tar.gz") for n in range(500))))
    assert len(parsed.dropped) == 51
    assert parsed.dropped[-1] == ("…", "and 450 more entries")


@pytest.mark.parametrize(
    ("href", "why"),
    [
        (f"javascript:/{WHEEL}", "scheme"),
        (f"file:///{WHEEL}", "scheme"),
        (f"data:x/{WHEEL}", "scheme"),
        (f"{WHEEL}#sha256=abc", "damaged sha256"),
        ("foo-1.0&#1;-py3-none-any.whl", "control character"),
        ("foo-1.0%0a-py3-none-any.whl", "cannot be served"),
        ("foo-1.0%2F-py3-none-any.whl", "cannot be served"),
        ("foo-1.0é-py3-none-any.whl", "cannot be served"),
        (f"foo-{'1' * 260}-py3-none-any.whl", "cannot be served"),
        ("foobar-1.0.tar.gz", "another project"),
    ],
)
def test_defective_entries_are_dropped_and_told(href: str, why: str) -> None:
    parsed = parse_html(html(anchor(href), anchor(SDIST)))
    assert [file.filename for file in parsed.project.files] == [SDIST]
    ((_, told),) = parsed.dropped
    assert why in told


def test_a_name_listed_twice_keeps_its_first_entry() -> None:
    parsed = parse_html(html(anchor(f"https://a.example/{WHEEL}"), anchor(f"https://b.example/{WHEEL}")))
    assert [file.url for file in parsed.project.files] == [f"https://a.example/{WHEEL}"]
    assert parsed.dropped == ((WHEEL, "listed twice"),)


def test_links_that_are_no_files_are_passed_over_in_silence() -> None:
    parsed = parse_html(
        html(anchor("../"), anchor("https://foo.example/"), anchor(f"{WHEEL}.asc"), anchor(WHEEL))
    )
    assert [file.filename for file in parsed.project.files] == [WHEEL]
    assert parsed.dropped == ()


def test_anchors_in_comments_and_scripts_are_none() -> None:
    page = html(f"<!-- {anchor(WHEEL)} -->", f"<script>'{anchor(WHEEL)}'</script>", anchor(SDIST))
    assert [file.filename for file in parse_html(page).project.files] == [SDIST]


def test_metas_and_the_trailing_comment_are_read() -> None:
    head = (
        '<meta name="pypi:repository-version" content="1.4">'
        '<meta name="pypi:project-status" content="quarantined">'
        '<meta name="pypi:project-status-reason" content="mal&amp;ware">'
    )
    project = parse_html(html(head=head, title="x") + b"<!--SERIAL 12345-->").project
    assert (project.api_version, project.status, project.status_reason) == ("1.4", "quarantined", "mal&ware")
    assert (project.serial, project.files) == (12345, ())


def test_a_bigger_minor_version_is_read_and_a_bigger_major_one_is_not() -> None:
    meta = '<meta name="pypi:repository-version" content="{}">'
    assert parse_html(html(head=meta.format("1.9"))).project.api_version == "1.9"
    for version in ("1", " 1.0.2 ", ""):
        assert parse_html(html(anchor(WHEEL), head=meta.format(version))).project.api_version == "1.0"
    for version in ("2.0", "x", "2"):
        with pytest.raises(BadPage, match="repository version"):
            parse_html(html(anchor(WHEEL), head=meta.format(version)))


def test_a_page_without_files_is_legal_when_it_says_that_it_is_one() -> None:
    assert parse_html(html(title="Links for Foo")).project.files == ()
    assert (
        parse_html(html(title="x", head='<meta name="pypi:repository-version" content="1.0">')).project.files
        == ()
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"OK",
        b"<html><body>Please sign in</body></html>",
        html(title="Sign in"),
        html(title="Links for bar"),
        html(anchor(WHEEL).replace(".whl", ".wh"), title="Links for foo"),
        html(anchor(WHEEL), title="Links for foo").replace(b"</title>", b"</title<b>"),
        html(anchor("/login"), anchor("https://portal.example/"), title="Welcome"),
        html('<form action="/login"></form>', anchor("vpn-client-1.0.zip"), title="Portal"),
        b'{"meta": {}, "files": []}',
        b"\x1f\x8b\x08\x00",
        b"\xff\xfe<\0a\0>\0",
        html(anchor(WHEEL)).decode().encode("utf-16"),
    ],
)
def test_a_body_that_is_no_page_is_never_an_empty_project(body: bytes) -> None:
    with pytest.raises(BadPage):
        parse_html(body)


def test_a_page_cut_anywhere_before_its_body_ends_is_bad_where_the_transport_does_not_tell() -> None:
    whole = html(*(anchor(f"foo-{n}.tar.gz") for n in range(5)))
    assert len(parse_html(whole, is_framed=False).project.files) == 5
    for end in range(whole.index(b"</body") + 6):
        with pytest.raises(BadPage):
            parse_html(whole[:end], is_framed=False)


def test_a_fragment_of_html_is_a_page_unless_it_is_cut() -> None:
    bare = f'<a href="{WHEEL}">x</a><br>\n<a href="{SDIST}">y</a>\n'.encode()
    assert len(parse_html(bare, is_framed=False).project.files) == 2
    for end in (bare.index(b"y</a"), bare.index(b"</a>\n") + 3, bare.rindex(b"<a") + 1):
        with pytest.raises(BadPage):
            parse_html(bare[:end], is_framed=False)


@pytest.mark.parametrize(
    "body",
    [
        f"<!DOCTYPE html><html><head><title>x</title><body><a href={WHEEL}>x</a>",
        f"<html><body><a href='{WHEEL}'>x",
        f"<html><body></body></html><a href={WHEEL}>x</a>",
        f'<html><body><a href="{WHEEL}">x</a></body></html><!-- <a href="old"> -->',
        f'<html><body><!-- <a href="a"> <a href="b"> --><a href="{WHEEL}">x</a>',
        f"<HTML><BODY><UL><LI><A HREF={WHEEL}>x<LI><A HREF={WHEEL}>x",
        f'<a href="{WHEEL}"/>',
        f"<p><a href={WHEEL}><p>more & less <",
    ],
)
def test_markup_that_leaves_out_ends_is_whole_where_the_transport_says_so(body: str) -> None:
    assert [file.filename for file in parse_html(body.encode()).project.files] == [WHEEL]


def test_a_page_without_files_needs_no_end_tags() -> None:
    assert parse_html(b"<html><body><h1>Links for foo</h1>").project.files == ()
    assert parse_html(b"<title>Links for foo").project.files == ()


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("gb2312", "gb18030"), ("windows-1251", "cp1251"), ("ISO-8859-15", "iso8859-15"), ("euc-jp", "euc_jp"),
        ("Shift_JIS", "cp932"), ("big5", "big5hkscs"), ("KOI8-R", "koi8-r"), ("euc-kr", "euc_kr"), ("latin1", "cp1252"),
        ("us-ascii", "ascii"), ("x-unknown", "ascii"), ("none", "ascii"), ("utf8", "utf-8"), ("UTF-16LE", "utf-16-le"),
        ("iso-2022-jp", "iso2022_jp"), ("", "utf-8"),
    ],
)  # fmt: skip
def test_a_page_is_read_in_the_encoding_that_it_is_announced_in(charset: str, codec: str) -> None:
    page = html(anchor(WHEEL)).decode()
    assert len(parse_html(page.encode(codec), charset=charset).project.files) == 1
    for letters in ("Ж", "€", "語", "é", "語"):
        try:
            body = html(anchor(WHEEL, f'data-yanked="{letters}"')).decode().encode(codec)
        except UnicodeEncodeError:
            continue
        assert parse_html(body, charset=charset).project.files[0].yanked == letters


def test_bytes_beyond_ascii_under_a_label_of_no_encoding_are_no_page() -> None:
    for charset in ("x-unknown", "utf-7", "unicode_escape", "idna", "base64"):
        with pytest.raises(BadPage, match="charset"):
            parse_html(html(anchor(WHEEL)) + b"\xe9", charset=charset)
    with pytest.raises(BadPage, match="charset"):
        parse_html(html(anchor(WHEEL)), charset="utf-7")


@pytest.mark.parametrize("charset", ["utf-16", "UTF-16BE", "unicode"])
def test_ascii_bytes_under_a_label_of_wide_characters_are_ascii(charset: str) -> None:
    assert len(parse_html(html(anchor(WHEEL)), charset=charset).project.files) == 1


def test_every_label_has_a_codec() -> None:
    for label, codec in _CODECS.items():
        assert text_of("<a>".encode(codec), label) == "<a>"


_ATTRIBUTES = (
    "data-requires-python", "data-yanked", "data-core-metadata", "data-dist-info-metadata", "data-size",
    "data-upload-time", "data-provenance", "data-gpg-sig", "x-other",
)  # fmt: skip
_DAMAGE = {
    "no UTF-8": b"\xff", "half a sequence": b"\xe2\x82", "a surrogate": b"\xed\xa0\x80", "a long text": b"x" * 70_000,
    "a null": b"\0", "half a character": b"&#xd800;", "no character": b"&#x110000;", "control characters": b"&#1;&#10;",
    "signs that turn": "\u202e".encode(), "a number": b"9" * 5000, "tags": b"<a href=x><table>", "quotes": b"'&quot;'",
}  # fmt: skip


@pytest.mark.parametrize("attribute", _ATTRIBUTES)
@pytest.mark.parametrize("damage", _DAMAGE)
def test_damage_in_an_anchor_costs_no_other(attribute: str, damage: str) -> None:
    bad = f'<a href="foo-2.0.tar.gz" {attribute}="MARK" {attribute}="twice">x</a>'
    body = html(bad, anchor(WHEEL)).replace(b"MARK", _DAMAGE[damage])
    parsed = parse_html(body)
    assert WHEEL in [file.filename for file in parsed.project.files]
    assert len(parsed.project.files) + len(parsed.dropped) == 2


@pytest.mark.parametrize("damage", _DAMAGE)
def test_damage_in_a_link_costs_no_other(damage: str) -> None:
    body = html('<a href="foo-2.0MARK.tar.gz">x</a>', anchor(WHEEL)).replace(b"MARK", _DAMAGE[damage])
    assert [file.filename for file in parse_html(body).project.files][-1] == WHEEL
    for head in ("<title>Links for foo MARK</title>", '<meta name="MARK" content="MARK">'):
        assert (
            len(parse_html(html(anchor(WHEEL), head=head).replace(b"MARK", _DAMAGE[damage])).project.files)
            == 1
        )


def test_a_byte_that_is_no_text_drops_its_anchor_alone() -> None:
    body = (
        html(anchor(SDIST, 'data-requires-python="MARK"'), anchor(WHEEL)).replace(b"MARK", b"\xff") + b"\xff"
    )
    parsed = parse_html(body)
    assert [file.filename for file in parsed.project.files] == [WHEEL]
    assert parsed.dropped == ((SDIST, "it holds bytes that are no text in the page's encoding"),)


@pytest.mark.parametrize(
    ("href", "name"),
    [
        ("https://code.example/me/foo/archive/v1.0.tar.gz#egg=foo-1.0", "foo-1.0.tar.gz"),
        ("https://code.example/me/foo/zip/master.zip#egg=Foo-1.2.dev3", "foo-1.2.dev3.zip"),
        ("https://code.example/me/foo/tarball/v1.0#egg=foo-1.0", "foo-1.0.tar.gz"),
        ("https://code.example/me/foo/zipball/v1.0#md5=" + "0" * 32 + "&egg=foo-1.0", "foo-1.0.zip"),
        (f"https://code.example/x.tgz#egg=foo-1.0+local&sha256={SHA}", "foo-1.0+local.tgz"),
        ("https://code.example/foo-1.0.tar.gz#egg=foo-9.9", "foo-1.0.tar.gz"),
        ("https://code.example/v1.0.tar.gz#egg=foo", None),
        ("https://code.example/v1.0.tar.gz#egg=foo-dev", None),
        ("https://code.example/v1.0.tar.gz#egg=bar-1.0", None),
        ("https://code.example/v1.0#egg=foo-1.0", None),
        ("https://code.example/v1.0.exe#egg=foo-1.0", None),
        ("https://code.example/v1.0.tar.gz#egg=foo-1.0&subdirectory=x", None),
        ("https://code.example/v1.0.tar.gz#egg=foo-1.0%2F..", None),
    ],
)
def test_an_archive_is_the_file_that_its_egg_fragment_names(href: str, name: str | None) -> None:
    files = (
        parse_html(html(anchor(href.replace("&", "&amp;")), title="Links for foo")).project.files
        if name
        else ()
    )
    if name is None:
        parsed = parse_html(html(anchor(href.replace("&", "&amp;")), anchor(WHEEL)))
        assert [file.filename for file in parsed.project.files] == [WHEEL]
        return
    assert [file.filename for file in files] == [name]
    assert files[0].url == href.partition("#")[0]
    assert files[0].path.endswith(f"/{name}") and files[0].version


@pytest.mark.parametrize("filler", [b"<div>", b"<b><i>", b"<div></x>", b"<table><td>", b"<x-y>"])
def test_absurd_nesting_is_refused_before_the_parser_pays_for_it(filler: bytes) -> None:
    with pytest.raises(BadPage, match="deep"):
        parse_html(html(anchor(WHEEL)).replace(b"<h1>", filler * 60_000 + b"<h1>"))


@pytest.mark.parametrize(
    "attribute",
    ["x{n}=1 ", "x{n}/", "x{n}='' ", 'x{n}=""', "x{n}='>' ", 'x{n}=">"', 'a{n}/b{n} x=">"/', 'a{n}" b{n} x=">"',
     "x{n}=\"='>\"", 'x{n}=">=\'"/y{n}=\'>\'', "x{n}\n", "x{n}\t=\t'>'\t", "x{n}\f"],
)  # fmt: skip
def test_a_tag_of_countless_attributes_is_refused_before_the_parser_pays_for_it(attribute: str) -> None:
    tag = "<a " + "".join(attribute.format(n=number) for number in range(20_000)) + ">"
    with pytest.raises(BadPage, match="endless tag"):
        parse_html(html(anchor(WHEEL), tag))


def test_signs_of_requires_python_that_are_not_escaped_end_no_tag() -> None:
    files = [anchor(f"foo-{number}.tar.gz", 'data-requires-python=">=3.6,<4"') for number in range(3000)]
    assert len(parse_html(html(*files)).project.files) == 3000


def test_many_flat_elements_are_no_nesting() -> None:
    rows = "".join(f"<div><span>{anchor(f'foo-{n}.tar.gz')}</span></div>" for n in range(3000))
    assert len(parse_html(html(rows)).project.files) == 3000


def test_a_byte_order_mark_in_front_of_html_is_no_harm() -> None:
    assert len(parse_html(b"\xef\xbb\xbf" + html(anchor(WHEEL))).project.files) == 1


def test_weird_entries_of_real_indexes_stay_listed() -> None:
    names = [
        *("foo-1.0.win32-py2.7.exe", "foo-1.0-variants.json", "foo-1.0-cp313-cp313-linux_x86_64-fast.whl"),
        *("foo-1.0-py2.7.egg", "foo-1.0.tar.bz2", "foo-2004d.tar.gz", "foo-1.0+cu118-py3-none-any.whl"),
    ]
    parsed = parse_html(html(*(anchor(f"{INDEX}files/{name}") for name in names)))
    assert sorted(file.filename for file in parsed.project.files) == sorted(names)
    assert parsed.dropped == ()
