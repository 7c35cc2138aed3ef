"""Conda feeds: channels over http and from a folder, their tokens, and the keys that only they have."""

import json
from pathlib import Path

import pytest

from proxy.config.settings import Auth, Feed, Upstream
from proxy.config.show import as_json, as_lines
from proxy.model.redact import Secret, SecretUrl
from tests.config.loading import PYPI, faults, loads

CANARY = "hunter2-canary"
HEAD = '[feeds.c]\nkind = "conda"\n'
CHANNEL = "https://conda.anaconda.org/conda-forge"
PLACE = "feeds.c.upstreams[0]"


def feed(folder: Path, *lines: str) -> Feed:
    return loads(folder, HEAD + "\n".join(lines)).settings.feeds["c"]


def first(folder: Path, *keys: str) -> Upstream:
    return feed(folder, "upstreams = [{ " + ", ".join(keys) + " }]").upstreams[0]


def refused(folder: Path, *keys: str) -> dict[str, str]:
    return faults(folder, HEAD + "upstreams = [{ " + ", ".join(keys) + " }]\n")


def test_a_conda_feed_has_its_own_defaults(tmp_path: Path) -> None:
    found = feed(tmp_path, f'upstreams = ["{CHANNEL}"]')
    assert (found.kind, found.subdirs, found.indexed_timestamp) == ("conda", (), "observed")
    assert found.upstreams[0].urls == (SecretUrl(f"{CHANNEL}/"),)
    assert found.upstreams[0].json_api is None


def test_subdirs_and_indexed_timestamp_are_read(tmp_path: Path) -> None:
    found = feed(
        tmp_path,
        f'upstreams = ["{CHANNEL}"]',
        'subdirs = ["noarch", "linux-64", "plan9-x1"]',
        'indexed_timestamp = "off"',
    )
    assert (found.subdirs, found.indexed_timestamp) == (("noarch", "linux-64", "plan9-x1"), "off")


def test_the_forms_of_an_index_are_switched_in_the_words_of_clients(tmp_path: Path) -> None:
    found = first(tmp_path, f'url = "{CHANNEL}"')
    assert (found.repodata_use_zst, found.repodata_use_shards) == (True, True)
    off = "repodata_use_zst = false", "repodata_use_shards = false"
    found = first(tmp_path, f'url = "{CHANNEL}"', *off)
    assert (found.repodata_use_zst, found.repodata_use_shards) == (False, False)
    assert refused(tmp_path, f'url = "{CHANNEL}"', 'repodata_use_zst = "no"').keys() == {
        f"{PLACE}.repodata_use_zst"
    }
    inner = refused(tmp_path, 'feed = "other"', off[1])
    assert "means nothing" in inner[f"{PLACE}.repodata_use_shards"]
    pypi = faults(tmp_path, PYPI + 'upstreams = [{ url = "https://h/simple/", repodata_use_zst = true }]\n')
    assert "conda feeds only" in pypi["feeds.pypi.upstreams[0].repodata_use_zst"]


@pytest.mark.parametrize(
    "url",
    [
        "https://conda.anaconda.org/conda-forge/label/dev",
        "https://repo.anaconda.com/pkgs/main",
        "http://127.0.0.1:9/a/b/c/d/",
        "https://h",
        "https://h/simple/",
        "https://h/t/",
    ],
)
def test_a_channel_may_have_labels_and_any_number_of_components(tmp_path: Path, url: str) -> None:
    one = first(tmp_path, f'url = "{url}"')
    assert one.urls == (SecretUrl(url.rstrip("/") + "/"),)
    assert (one.auth, one.json_api) == (None, None)


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        (f"https://h/t/{CANARY}/team/dev", "https://h/team/dev/"),
        (f"https://h/mirror/t/{CANARY}/team", "https://h/mirror/team/"),
        (f"https://h/t/{CANARY}/team/label/dev/", "https://h/team/label/dev/"),
        (f"https://h/t/{CANARY}", "https://h/"),
    ],
)
def test_a_token_in_the_path_becomes_authentication(tmp_path: Path, url: str, bare: str) -> None:
    settings = loads(tmp_path, f'{HEAD}upstreams = ["{url}"]').settings
    one = settings.feeds["c"].upstreams[0]
    assert (one.urls, one.auth) == ((SecretUrl(bare),), Auth("token", secret=Secret(CANARY)))
    printed = [repr(settings), "\n".join(as_lines(settings)), json.dumps(as_json(settings))]
    assert not [text for text in printed if CANARY in text]


def test_an_upstreams_id_is_the_same_with_and_without_its_token(tmp_path: Path) -> None:
    ids = {
        first(tmp_path, *keys).id
        for keys in (
            ('url = "https://h/team"',),
            ('url = "https://h/t/one/team/"',),
            ('url = "HTTPS://H:443/t/two/team"',),
            ('url = "https://h/team"', 'auth = { token = "three" }', 'ttl = "1s"'),
            ('urls = ["https://h/t/a/team", "https://g/t/a/team"]',),
        )
    }
    assert len(ids) == 1


def test_user_and_token_are_told_apart(tmp_path: Path) -> None:
    assert first(tmp_path, 'url = "https://u:p@h/team"').auth == Auth("basic", "u", Secret("p"))
    assert first(tmp_path, 'url = "https://h/team"', 'auth = { token = "x" }').auth == Auth(
        "token", secret=Secret("x")
    )


@pytest.mark.parametrize(
    ("keys", "where", "words"),
    [
        ([f'url = "https://u:{CANARY}@h/t/{CANARY}/x"'], ".url", "a user and a token"),
        ([f'url = "https://h/t/{CANARY}/t/{CANARY}/x"'], ".url", "two tokens"),
        ([f'url = "https://h/t/%20{CANARY}/x"'], ".url", "a token that is not"),
        ([f'url = "https://h/t/{CANARY}/x"', "auth = { netrc = true }"], ".auth", "once"),
        ([f'urls = ["https://h/t/{CANARY}/x", "https://g/x"]'], ".urls", "different credentials"),
        ([f'url = "https://h/x?token={CANARY}"'], ".url", "without '?'"),
        (['url = "https://h/team/linux-64/"'], ".url", 'subdirs = ["linux-64"]'),
        (['url = "ftp://h/x"'], ".url", "begins with http:// or https://"),
        (['url = "conda-forge"'], ".url", "begins with"),
        (['url = "https://h/x"', 'json_api = "https://h/"'], ".json_api", "pypi feeds only"),
        (['url = "https://h/x"', 'files_base = "https://h/"'], ".files_base", "pypi feeds only"),
        (['url = "file://server/share/x"'], ".url", "names a host"),
        (['url = "file:~/mirror"'], ".url", "names no folder"),
        (['url = "file://"'], ".url", "names no folder"),
        (['url = "file:///"'], ".url", "names no folder"),
        (['url = "file:///m/noarch"'], ".url", 'subdirs = ["noarch"]'),
        (['url = "file:///m?x"'], ".url", "without '?'"),
        (['urls = ["file:///m", "https://h/x"]'], ".urls", "an upstream of its own"),
        (['url = "file:///m"', "auth = { netrc = true }"], ".auth", "a folder of this machine"),
        (['url = "file:///m"', 'route = "direct"'], ".route", "a folder of this machine"),
        (['url = "file:///m"', "allow_private = true"], ".allow_private", "a folder of this machine"),
    ],
)
def test_what_no_channel_can_be_is_said_without_its_secrets(
    tmp_path: Path, keys: list[str], where: str, words: str
) -> None:
    found = refused(tmp_path, *keys)
    assert words in found[PLACE + where]
    assert CANARY not in str(found)


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (HEAD, "feeds.c", "has no default"),
        (HEAD + "upstreams = []", "feeds.c.upstreams", "must not be empty"),
        (HEAD + f'upstreams = ["{CHANNEL}"]\nsubdirs = ["Linux"]', "feeds.c.subdirs[0]", "a subdir such as"),
        (
            HEAD + f'upstreams = ["{CHANNEL}"]\nsubdirs = ["linux-64/.."]',
            "feeds.c.subdirs[0]",
            "a subdir such as",
        ),
        (HEAD + f'upstreams = ["{CHANNEL}"]\nsubdirs = ["{"x" * 40}-64"]', "feeds.c.subdirs[0]", "a subdir"),
        (
            HEAD + f'upstreams = ["{CHANNEL}"]\nindexed_timestamp = "on"',
            "feeds.c.indexed_timestamp",
            "observed, off",
        ),
        (
            HEAD + f'upstreams = ["{CHANNEL}"]\nblocked_project = 404',
            "feeds.c.blocked_project",
            "pypi feeds only",
        ),
        (
            PYPI + f'upstreams = [{{ url = "{CHANNEL}", auth = {{ token = "x" }} }}]',
            "feeds.pypi.upstreams[0].auth.token",
            "conda feeds only",
        ),
        (
            HEAD + 'upstreams = ["http://127.0.0.1:8080/t/KEY/conda/c"]',
            "feeds.c.upstreams[0].url",
            "this URL is this server",
        ),
    ],
)
def test_what_is_wrong_with_a_conda_feed_is_said(tmp_path: Path, text: str, key: str, words: str) -> None:
    assert words in faults(tmp_path, text)[key]


def test_an_empty_list_of_channels_is_no_way_to_follow_pip(tmp_path: Path) -> None:
    assert "pip" not in faults(tmp_path, HEAD + "upstreams = []")["feeds.c.upstreams"]


@pytest.mark.parametrize(
    ("url", "below"),
    [
        ("file:///srv/mirror/main", "/srv/mirror/main"),
        ("FILE:///srv/mirror/main/", "/srv/mirror/main"),
        ("file://localhost/srv/main", "/srv/main"),
        ("file:///srv/a/../my%20mirror", "/srv/my mirror"),
        ("file:mirror/main", "mirror/main"),
        ("file:./mirror", "mirror"),
        ("file:../mirror", "../mirror"),
    ],
)
def test_a_folder_is_a_channel_and_relative_ones_count_from_the_file(
    tmp_path: Path, url: str, below: str
) -> None:
    home = tmp_path / "etc"
    home.mkdir()
    (home / "config.toml").write_text(f'{HEAD}upstreams = ["{url}"]')
    one = loads(tmp_path, path="etc/config.toml").settings.feeds["c"].upstreams[0]
    expected = (home / below).resolve().as_uri()
    assert one.urls == (SecretUrl(f"{expected}/"),)


def test_only_the_file_itself_may_name_a_folder(tmp_path: Path) -> None:
    (tmp_path / "channel").write_text("file:///etc")
    found = faults(
        tmp_path,
        HEAD + 'upstreams = [{ url = { env = "CHANNEL" } }, { url = { file = "channel" } }]\n',
        environ={
            "CHANNEL": "file:///etc",
            "FEEDGATE__FEEDS__D": '{"kind": "conda", "upstreams": ["file:///etc", {"urls": ["file:///etc"]}]}',
        },
    )
    keys = ("c.upstreams[0].url", "c.upstreams[1].url", "d.upstreams[0].url", "d.upstreams[1].urls[0]")
    assert set(found) == {f"feeds.{key}" for key in keys}
    assert all("config.toml itself" in message for message in found.values())


def test_a_pypi_feed_has_no_folders(tmp_path: Path) -> None:
    assert (
        "http:// or https://"
        in faults(tmp_path, PYPI + 'upstreams = ["file:///x"]')["feeds.pypi.upstreams[0].url"]
    )


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (
            "https://h/conda-forge/linux-64/repodata.json",
            'the file repodata.json, not of a channel: write "https://h/conda-forge/", and subdirs = ["linux-64"]',
        ),
        ("https://h/x/noarch/repodata.json.zst/", 'write "https://h/x/", and subdirs = ["noarch"]'),
        ("https://h/x/channeldata.json", 'write "https://h/x/"'),
        ("https://h/x/osx-64", 'the subdir osx-64, not of a channel: write "https://h/x/", and'),
        ("https://h/t/hunter2/x/osx-64", 'write "https://h/x/", and'),
        ("https://u:hunter2@h/x/osx-64", 'write "https://h/x/", and'),
        ("file:x/osx-64/repodata.json", "/x/"),
    ],
)
def test_one_subdir_or_file_is_no_channel_and_what_to_write_is_said(
    tmp_path: Path, url: str, words: str
) -> None:
    found = faults(tmp_path, f'[feeds.c]\nkind = "conda"\nupstreams = ["{url}"]\n')
    (told,) = found.values()
    assert words in told
    assert "hunter2" not in told


def test_what_to_write_in_place_of_a_secret_url_is_said_without_it(tmp_path: Path) -> None:
    text = '[feeds.c]\nkind = "conda"\nupstreams = [{ url = { env = "U" } }]\n'
    (told,) = faults(tmp_path, text, environ={"U": "https://h/hunter2/linux-64/"}).values()
    assert "write the URL of the channel, which is above that" in told
    assert "hunter2" not in told
