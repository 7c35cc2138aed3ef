import configparser
import tomllib

import pytest

from proxy.model.placeholders import CA_FILE, KEY_PLACEHOLDER, OWN_CA
from proxy.pypi.snippets import WARNING, snippets

URL = "https://feed.example/pypi/corp/simple/"


@pytest.mark.parametrize("with_key", [False, True])
def test_every_client_gets_one_index_and_the_warning(with_key: bool) -> None:
    found = snippets(URL, "corp", with_key=with_key)
    assert set(found) == {
        "pip",
        "pip.conf",
        "requirements",
        "uv",
        "uv-pyproject",
        "poetry",
        "pdm",
        "dockerfile",
    }
    for text in found.values():
        assert WARNING in text
        assert "feed.example/pypi/corp/simple/" in text
        assert "--extra-index-url" not in text
        assert "--index " not in text
        assert (KEY_PLACEHOLDER in text) is with_key


def test_a_key_goes_where_each_client_looks_for_it() -> None:
    found = snippets(URL, "my-feed", with_key=True)
    with_user = f"https://__token__:{KEY_PLACEHOLDER}@feed.example/pypi/corp/simple/"
    assert with_user in found["pip"]
    assert f"poetry config http-basic.my-feed __token__ {KEY_PLACEHOLDER}" in found["poetry"]
    assert f"UV_INDEX_MY_FEED_PASSWORD={KEY_PLACEHOLDER}" in found["uv-pyproject"]
    assert with_user not in found["uv-pyproject"]


def test_the_files_are_well_formed() -> None:
    for with_key in (False, True):
        found = snippets(URL, "corp", with_key=with_key)
        (index,) = tomllib.loads(found["uv-pyproject"])["tool"]["uv"]["index"]
        assert (index["name"], index["url"], index["default"]) == ("corp", URL, True)
        (source,) = tomllib.loads(found["pdm"])["tool"]["pdm"]["source"]
        assert source["name"] == "pypi"
        conf = configparser.ConfigParser(interpolation=None)
        conf.read_string(found["pip.conf"])
        assert conf["global"]["index-url"].endswith("feed.example/pypi/corp/simple/")


@pytest.mark.parametrize(
    ("url", "trusted"),
    [
        ("http://feed.example:8080/pypi/corp/simple/", "feed.example:8080"),
        ("http://127.0.0.1:8080/pypi/corp/simple/", None),
        ("http://localhost/pypi/corp/simple/", None),
        (URL, None),
    ],
)
def test_pip_is_told_to_trust_a_plain_http_host_elsewhere(url: str, trusted: str | None) -> None:
    found = snippets(url, "corp")
    for client in ("pip", "pip.conf", "requirements"):
        assert ("trusted-host" in found[client]) is (trusted is not None)
        assert trusted is None or trusted in found[client]
    assert ("PIP_TRUSTED_HOST" in found["dockerfile"]) is (trusted is not None)


def test_poetry_takes_the_feed_as_its_primary_source() -> None:
    assert f"poetry source add --priority=primary corp {URL}" in snippets(URL, "corp")["poetry"]
    # Poetry keeps the name of its own source for itself.
    for text in snippets(URL, "pypi", with_key=True)["poetry"].splitlines():
        assert text.startswith("#") or " feedgate " in text or "http-basic.feedgate " in text


def test_every_client_is_told_how_it_learns_of_a_ca_of_the_company_where_there_is_tls() -> None:
    for text in snippets(URL, "corp").values():
        (comment,) = [line for line in text.splitlines() if line.startswith(OWN_CA)]
        assert CA_FILE in comment
    assert not any(OWN_CA in text for text in snippets("http://127.0.0.1/simple/", "corp").values())
