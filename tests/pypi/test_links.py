import hashlib

import pytest

from proxy.model.redact import SecretUrl
from proxy.pypi.links import BadLink, Links, checked_hashes, feed_path, filename_of, fragment_hashes
from tests.pypi.build import INDEX, SHA, blake_path

WHEEL = "foo-1.0-py3-none-any.whl"
PAGE = "https://index.example/simple/foo/"


@pytest.mark.parametrize(
    ("href", "url"),
    [
        ("https://files.example/a/f.whl#sha256=00", "https://files.example/a/f.whl"),
        ("HTTPS://files.example/a/f.whl", "https://files.example/a/f.whl"),
        ("../../packages/a/f.whl#x", "https://index.example/packages/a/f.whl"),
        ("../../../../f.whl", "https://index.example/f.whl"),
        ("f.whl", "https://index.example/simple/foo/f.whl"),
        ("./f.whl", "https://index.example/simple/foo/f.whl"),
        ("a/../f.whl", "https://index.example/simple/foo/f.whl"),
        ("/packages/f.whl", "https://index.example/packages/f.whl"),
        ("//files.example/f.whl", "https://files.example/f.whl"),
        ("  f.whl\n", "https://index.example/simple/foo/f.whl"),
        ("f.whl?token=1#x", "https://index.example/simple/foo/f.whl?token=1"),
        ("a b.whl", "https://index.example/simple/foo/a%20b.whl"),
        ("https://user:secret@files.example/f.whl", "https://files.example/f.whl"),
        ("https://user:se@cret@files.example/f.whl?a=b@c", "https://files.example/f.whl?a=b@c"),
    ],
)
def test_links_resolve_against_the_final_page_url(href: str, url: str) -> None:
    assert Links(PAGE).absolute(href) == url


@pytest.mark.parametrize(
    "href",
    [
        *("javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "JavaScript:x", "ftp://h/f.whl"),
        *(
            "",
            "#sha256=00",
            "https://",
            "http:///f.whl",
            "a\\b.whl",
            "f\0.whl",
            "f\n.whl",
            "https://[bad/f.whl",
        ),
        "f" * 5000,
        "f\ud800.whl",
    ],
)
def test_links_that_lead_nowhere_are_refused(href: str) -> None:
    with pytest.raises(BadLink):
        Links(PAGE).absolute(href)


def test_base_href_moves_relative_links_and_may_be_relative_itself() -> None:
    assert Links(PAGE, "https://mirror.example/all/").absolute("f.whl") == "https://mirror.example/all/f.whl"
    assert Links(PAGE, "/files/").absolute("f.whl") == "https://index.example/files/f.whl"
    with pytest.raises(BadLink):
        Links(PAGE, "javascript:x")


def test_credentials_of_the_page_do_not_get_into_links() -> None:
    links = Links("https://user:secret@index.example/simple/foo/")
    assert links.absolute("../f.whl") == "https://index.example/simple/f.whl"
    assert links.absolute("/f.whl") == "https://index.example/f.whl"


def path(
    url: str, sha256: str | None = SHA, files_base: str | None = None, filename: str | None = None
) -> str:
    return feed_path(url, sha256, index_url=INDEX, files_base=files_base, filename=filename)


def test_a_file_below_the_files_base_keeps_its_rest() -> None:
    for base in ("https://files.example/packages/", "https://FILES.example:443/packages"):
        assert path(f"https://files.example/packages/x/{WHEEL}", files_base=base) == f"packages/x/{WHEEL}"


def test_a_neighbour_of_the_files_base_is_not_below_it() -> None:
    url = f"https://files.example/packages2/{WHEEL}"
    assert path(url, files_base="https://files.example/packages") == f"files/{SHA}/{WHEEL}"


def test_a_file_on_the_indexs_host_keeps_its_path_from_the_root() -> None:
    assert path(f"https://index.example/simple/foo/{WHEEL}") == f"packages/simple/foo/{WHEEL}"
    assert path(f"https://INDEX.example:443/packages/{WHEEL}") == f"packages/packages/{WHEEL}"


def test_another_port_or_scheme_is_another_host() -> None:
    assert path(f"https://index.example:8443/{WHEEL}").startswith("files/")
    assert path(f"http://index.example/{WHEEL}").startswith("files/")


def test_the_content_addressed_layout_keeps_its_path_on_any_host() -> None:
    assert path(f"https://files.example/packages/{blake_path(WHEEL)}") == f"packages/{blake_path(WHEEL)}"


def test_other_files_are_named_by_digest_or_by_their_url() -> None:
    url = f"https://other.example/x/{WHEEL}?token=1"
    assert path(url) == f"files/{SHA}/{WHEEL}"
    assert path(url, None) == f"files/{hashlib.sha256(url.encode()).hexdigest()}/{WHEEL}"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (f"https://index.example/t0ken-abc/files/{WHEEL}", f"files/{SHA}/{WHEEL}"),
        (f"https://index.example/files/t0ken-abc/{WHEEL}", f"files/{SHA}/{WHEEL}"),
        (f"https://index.example/files/x-t0ken-abc-y/{WHEEL}", f"files/{SHA}/{WHEEL}"),
        (f"https://index.example/files/%740ken-abc/{WHEEL}", f"files/{SHA}/{WHEEL}"),
        (f"https://index.example/a/files/{WHEEL}", f"files/{SHA}/{WHEEL}"),
        (f"https://index.example/files/{WHEEL}", f"packages/files/{WHEEL}"),
        (f"https://files.example/packages/{blake_path(WHEEL)}", f"packages/{blake_path(WHEEL)}"),
    ],
)
def test_a_path_with_a_secret_is_not_published(url: str, path: str) -> None:
    secrets = SecretUrl("https://index.example/t0ken-abc/a/simple/", hides_path=True).secrets
    assert feed_path(url, SHA, index_url=INDEX, files_base=None, secrets=secrets) == path


def test_plus_and_exclamation_mark_are_kept_and_percent_is_decoded_once() -> None:
    plain = "packages/simple/foo-1!2+cu.1-py3-none-any.whl"
    assert path("https://index.example/simple/foo-1!2+cu.1-py3-none-any.whl") == plain
    assert path("https://index.example/simple/foo-1%212%2Bcu.1-py3-none-any.whl") == plain
    assert path(f"https://index.example/a%20b/{WHEEL}") == f"packages/a b/{WHEEL}"


@pytest.mark.parametrize(
    "raw",
    [
        "a%2Fb",
        "a//b",
        "a/../b",
        "a/./b",
        "%2e%2e/b",
        "a%00b",
        "a%5Cb",
        "a%255Cb",
        "%C3%A9",
        "%FF",
        "a" * 1100,
    ],
)
def test_a_path_without_canonical_form_is_named_by_digest(raw: str) -> None:
    assert path(f"https://index.example/{raw}/{WHEEL}") == f"files/{SHA}/{WHEEL}"


def test_a_path_always_ends_with_the_files_own_name() -> None:
    assert path("https://index.example/download/123", filename=WHEEL) == f"files/{SHA}/{WHEEL}"


def test_the_query_is_never_part_of_the_path() -> None:
    assert path(f"https://index.example/{WHEEL}?sig=a/b.whl") == f"packages/{WHEEL}"


@pytest.mark.parametrize(
    ("href", "hashes"),
    [
        (f"f#sha256={SHA}", {"sha256": SHA}),
        (f"f#sha256={SHA.upper()}", {"sha256": SHA}),
        (f"f#egg=foo&sha256={SHA}", {"sha256": SHA}),
        ("f#md5=" + "0" * 32, {"md5": "0" * 32}),
        ("f#md5=zz", {}),
        ("f#egg=foo", {}),
        ("f", {}),
        ("f#sha256=", {}),
    ],
)
def test_the_fragment_names_the_hash(href: str, hashes: dict[str, str]) -> None:
    assert fragment_hashes(href) == hashes


@pytest.mark.parametrize("value", ["abc", "g" * 64, "a" * 63, 7, "\u212a" * 64])
def test_a_damaged_sha256_is_an_error_because_bytes_in_doubt_are_no_bytes(value: object) -> None:
    with pytest.raises(BadLink):
        checked_hashes({"sha256": value})


def test_hashes_of_an_unknown_kind_are_kept_and_garbage_is_not() -> None:
    given: dict[str, object] = {
        "sha3_256": "ab" * 32,
        "SHA256": SHA.upper(),
        "md5": None,
        "x y": "00" * 8,
        "sha512": "00",
    }
    assert checked_hashes(given) == {"sha3_256": "ab" * 32, "sha256": SHA}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://h/a/f%2B1.whl?x=/y", "f+1.whl"),
        ("https://h/a/", None),
        ("https://h", None),
        ("https://h/%FF", None),
    ],
)
def test_the_name_is_the_decoded_last_component_of_the_path(url: str, name: str | None) -> None:
    assert filename_of(url) == name
