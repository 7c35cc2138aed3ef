import json
import re
import tomllib
from pathlib import Path

import pytest
import trustme

from proxy.cli.init import TEMPLATE
from proxy.config.load import Request, load
from proxy.web.showcase import banner, feed_cards
from tests.cli.calling import QUIET_FEED, ROOT, Place
from tests.config.loading import loads


def test_init_writes_a_file_that_is_ready_to_use(place: Place) -> None:
    result = place.call("init")
    assert result.exit_code == 0
    assert "feedgate serve" in result.stdout
    assert place.json("check-config")["ok"] is True
    assert "/pypi/pypi/simple/" in place.call("feed", "list").stdout


def test_init_leaves_an_existing_file_alone(place: Place) -> None:
    path = place.write("mine")
    result = place.call("init")
    assert (result.exit_code, path.read_text()) == (1, "mine")
    assert "already there" in result.stderr
    assert place.json("init", status=1)["ok"] is False


def test_init_writes_where_it_is_told_and_says_how_to_go_on(place: Place) -> None:
    document = place.json("init", "--config", "other.toml")
    assert document["file"] == str(place.folder / "other.toml")
    assert document["next"] == [
        f"feedgate {c} --config other.toml" for c in ("check-config", "serve", "snippet pypi")
    ]


@pytest.mark.parametrize("path", ["gone/config.toml", ".", "x" * 300, "a\0b"])
def test_init_says_why_it_cannot_write(place: Place, path: str) -> None:
    result = place.call("init", "--config", path)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1


def test_the_shipped_configuration_is_the_one_that_init_writes() -> None:
    assert (ROOT / "config.toml").read_bytes() == TEMPLATE.read_bytes()


def test_every_commented_key_of_the_shipped_configuration_is_valid(place: Place) -> None:
    text = re.sub(r"(?m)^# (?=\[+[a-z_.-]+\]+|[a-z_]+ = )", "", TEMPLATE.read_text())
    authority = trustme.CA()
    issued = authority.issue_cert("packages.example")
    authority.cert_pem.write_to_path(place.folder / "corp-root.pem")
    issued.cert_chain_pems[0].write_to_path(place.folder / "server.pem")
    issued.private_key_pem.write_to_path(place.folder / "server.key")
    (place.folder / "proxy-password").write_text("x")
    place.write(text)
    done = place.start("check-config", "--json", environ={"INDEX_PASSWORD": "x", "CONDA_TOKEN": "x"})
    assert done.returncode == 0, done.stdout
    shown = json.loads(done.stdout)["settings"]
    from_file = [key for key, entry in shown.items() if "config.toml" in entry["source"]]
    assert len(from_file) > 45
    # What the comments give as the default is the default.
    place.write('[feeds.pypi]\nkind = "pypi"\n')
    defaults = json.loads(place.start("check-config", "--json").stdout)["settings"]
    given = {"server.public_url", "server.trusted_proxies", "upstream_defaults.contact"}
    for key in from_file:
        if key.split(".")[0] in ("server", "cache", "log", "state", "upstream_defaults") and "tls" not in key:
            assert key in given or shown[key]["value"] == defaults[key]["value"], key


def test_the_shipped_configuration_needs_no_more_than_a_page() -> None:
    text = TEMPLATE.read_text()
    assert len(text.splitlines()) < 90
    assert list(tomllib.loads(text)["feeds"]) == ["pypi"]


def test_check_config_shows_every_setting_with_its_source(
    ready: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEEDGATE__SERVER__PORT", "9000")
    lines = ready.call("check-config").stdout.splitlines()
    assert lines[0] == f"# {ready.folder / 'config.toml'}"
    assert any(line.startswith("server.port = 9000 ") and "environment" in line for line in lines)
    settings = ready.json("check-config")["settings"]
    assert isinstance(settings, dict)
    assert settings["server.port"] == {"value": 9000, "source": "environment FEEDGATE__SERVER__PORT"}


def test_check_config_shows_what_is_given_and_all_of_it_only_if_asked(place: Place) -> None:
    place.write(QUIET_FEED + '[upstream_defaults]\nttl = "5m"\n')
    lines = place.call("check-config").stdout.splitlines()
    assert [line.partition(" ")[0] for line in lines[1:5]] == [
        "upstream_defaults.ttl",
        "feeds.pypi.kind",
        "feeds.pypi.upstreams[0].url",
        "#",
    ]
    whole = place.call("check-config", "--all").stdout.splitlines()
    given = {line.partition(" ")[0] for line in lines}
    left_out = {line.partition(" ")[0] for line in whole} - given - {""}
    assert f"# no errors; {len(left_out)} more settings have their defaults: --all shows them" in lines
    assert any(line.startswith("server.port = 8080 ") for line in whole)
    assert not any("].id" in line for line in whole)


def test_check_config_notes_what_is_probably_not_meant(place: Place) -> None:
    result = place.call("check-config")
    assert result.exit_code == 0
    assert "no feed is configured" in result.stderr
    assert "no feed is configured" in str(place.json("check-config")["notes"])


def test_check_config_tells_how_requests_leave(place: Place) -> None:
    route = '{ proxy = "http://me:hunter2@p.example:8" }'
    upstream = f'{{ url = "https://h.example/", route = {route} }}'
    place.write(f'[feeds.pypi]\nkind = "pypi"\nupstreams = [{upstream}]\n')
    lines = place.call("check-config").stdout.splitlines()
    assert lines[lines.index("# how requests leave") :] == [
        "# how requests leave",
        "# feeds.pypi.upstreams[0]: route inline (feeds.pypi.upstreams[0].route, config.toml)",
        "#     https://h.example: through http://p.example:8 as user me"
        " (feeds.pypi.upstreams[0].route.proxy, config.toml)",
    ]
    chains = place.json("check-config")["chains"]
    assert isinstance(chains, dict)
    assert chains["feeds.pypi.upstreams[0]"]["legs"][0]["proxy"] == "http://p.example:8"


def test_check_config_masks_secrets(place: Place) -> None:
    route = '{ proxy = "http://u:hunter2@p" }'
    upstream = f'{{ url = "https://u:hunter2@h/", route = {route} }}'
    place.write(f'[feeds.pypi]\nkind = "pypi"\nupstreams = [{upstream}]\n')
    assert "hunter2" not in place.call("check-config").output
    assert "hunter2" not in place.call("check-config", "--json").output
    assert "hunter2" not in place.call("feed", "list").output
    assert "hunter2" not in place.call("feed", "list", "--json").output


def test_feed_list_tells_where_a_curated_feed_is_approved_from(place: Place) -> None:
    place.write('[feeds.open]\nkind = "pypi"\n[feeds.approved]\nkind = "pypi"\ncurated_from = ["open"]\n')
    assert "approved from open" in place.call("feed", "list").stdout
    (_, approved) = json.loads(place.call("feed", "list", "--json").stdout)
    assert approved["curated_from"] == ["open"]


def test_feed_list_shows_urls_and_sources(place: Place) -> None:
    place.write(
        QUIET_FEED + '[feeds.corp]\nkind = "pypi"\naliases = ["c"]\nupstreams = [{ feed = "pypi" }]\n'
    )
    lines = place.call("feed", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", "pypi", "corp"]
    assert "http://127.0.0.1:8080/pypi/corp/simple/" in lines[2]
    assert "feed pypi" in lines[2]
    result = place.call("feed", "list", "--json")
    assert [feed["url"] for feed in json.loads(result.stdout)] == [
        "http://127.0.0.1:8080/pypi/pypi/simple/",
        "http://127.0.0.1:8080/pypi/corp/simple/",
    ]


def test_a_snippet_names_the_public_url_and_warns_of_a_second_index(place: Place) -> None:
    place.write(QUIET_FEED + "[server]\npublic_url = 'https://packages.example'\n")
    text = place.call("snippet", "pypi").stdout
    for client in ("pip", "uv", "poetry", "pdm"):
        assert f"# {client}" in text.splitlines()
    assert "https://packages.example/pypi/pypi/simple/" in text
    assert "extra-index-url" in text


def test_a_snippet_of_one_client(ready: Place) -> None:
    document = ready.json("snippet", "pypi", "--client", "uv")
    assert isinstance(document["snippets"], dict)
    assert list(document["snippets"]) == ["uv"]


CONDA_FEED = (
    '[feeds.forge]\nkind = "conda"\nupstreams = ["https://conda.example/t/hunter2/team", "file:mirror",'
    ' { url = "https://inside.example/own", private = true }]\n'
)


def test_a_conda_snippet_begins_with_the_line_that_adds_the_channel(place: Place) -> None:
    place.write(CONDA_FEED + "[server]\npublic_url = 'https://packages.example'\n")
    lines = place.call("snippet", "forge").stdout.splitlines()
    first = next(line for line in lines if line and not line.startswith("#"))
    assert first == "conda config --add channels https://packages.example/conda/forge/"
    document = place.json("snippet", "forge")
    assert document["url"] == "https://packages.example/conda/forge/"
    assert isinstance(document["snippets"], dict)
    assert list(document["snippets"]) == ["conda", "mamba", "pixi", "py-rattler"]


def test_pixi_takes_the_public_channels_of_a_feed_from_it_and_learns_no_secret(place: Place) -> None:
    place.write(CONDA_FEED)
    text = place.call("snippet", "forge", "--client", "pixi").stdout
    assert '"https://conda.example/team" = ["http://127.0.0.1:8080/conda/forge"]' in text
    assert "inside.example" not in text
    for words in ("snippet forge", "check-config", "check-config --json", "feed list", "feed list --json"):
        assert "hunter2" not in place.call(*words.split()).output


def test_feed_list_shows_a_channels_folder(place: Place) -> None:
    place.write(CONDA_FEED)
    line = place.call("feed", "list").stdout.splitlines()[1]
    assert (place.folder / "mirror").as_uri() in line
    assert "http://127.0.0.1:8080/conda/forge/" in line


def test_the_banner_and_the_page_show_the_usual_client_of_each_kind(tmp_path: Path) -> None:
    settings = loads(tmp_path, QUIET_FEED + CONDA_FEED).settings
    lines = banner(settings, "http://h").splitlines()
    assert "  pip install --index-url http://h/pypi/pypi/simple/ --trusted-host h PACKAGE" in lines
    assert "  conda config --add channels http://h/conda/forge/" in lines
    assert any("extra-index-url" in line for line in lines)
    assert any("`defaults`" in line for line in lines)
    pypi, forge = feed_cards(settings, "http://h")
    assert [paste.client for paste in pypi.pastes] == ["pip", "uv", "poetry", "pdm"]
    assert [paste.client for paste in forge.pastes] == ["conda", "mamba", "pixi"]
    assert (forge.url, "hunter2" in str(forge)) == ("http://h/conda/forge/", False)


@pytest.mark.parametrize("words", ["snippet pipy", "snippet pypi --client yarn", "doctor pipy"])
def test_a_name_that_is_not_there_is_a_usage_error_of_one_line(ready: Place, words: str) -> None:
    result = ready.call(*words.split())
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


def test_an_alias_is_as_good_as_the_name(place: Place) -> None:
    place.write(QUIET_FEED + 'aliases = ["main"]\n')
    assert place.call("snippet", "main").exit_code == 0


def test_feed_list_without_a_configuration_says_where_to_begin(place: Place) -> None:
    result = place.call("feed", "list")
    assert result.exit_code == 0
    assert "feedgate init" in result.stderr
    assert "no config.toml here" in result.stderr
    assert place.call("feed", "list", "--json").stdout == "[]\n"
    path = place.write("[server]\nport = 1\n")
    assert f"{path} has no feed" in place.call("feed", "list").stderr


def test_a_snippet_of_an_unknown_client_lists_the_clients_there_are(ready: Place) -> None:
    result = ready.call("snippet", "pypi", "--client", "npm")
    assert result.exit_code == 2
    for client in ("pip", "pip.conf", "requirements", "uv", "uv-pyproject", "poetry", "pdm", "dockerfile"):
        assert client in result.stderr


def test_the_warning_of_a_second_index_stands_once(ready: Place) -> None:
    settings = loads(ready.folder).settings
    texts = [
        ready.call("snippet", "pypi").stdout,
        ready.call("snippet", "pypi", "--client", "pip").stdout,
        banner(settings, "http://h"),
        "".join(
            card.note + "".join(paste.text for paste in card.pastes)
            for card in feed_cards(settings, "http://h")
        ),
    ]
    assert [text.count("One index only") for text in texts] == [1, 1, 1, 1]


def test_init_makes_two_feeds_of_each_kind(place: Place) -> None:
    document = place.json("init", "--two-feeds")
    steps = document["next"]
    assert isinstance(steps, list) and "feedgate snippet pypi-approved" in steps
    # Reviewers read the unapproved feeds with a key, which comes next; developers see theirs first (U6).
    assert steps[-1].startswith("feedgate key create reviewer --read conda-unapproved --read pypi-unapproved")
    settings = load(Request.here(None, {})).settings
    assert {name for name, feed in settings.feeds.items() if feed.anonymous} == {
        "conda-approved",
        "pypi-approved",
    }
    cards = [card.name for card in feed_cards(settings, "http://h")]
    assert cards[:2] == ["conda-approved", "pypi-approved"]
    lines = banner(settings, "http://h").splitlines()
    assert [line.split()[1] for line in lines if line.startswith("feed ")] == cards
    assert {name: feed.curated_from for name, feed in settings.feeds.items()} == {
        "conda-unapproved": (),
        "conda-approved": ("conda-unapproved",),
        "pypi-unapproved": (),
        "pypi-approved": ("pypi-unapproved",),
    }
    assert place.call("check-config").exit_code == 0


def test_the_banner_tells_where_it_listens_and_where_people_reach_it(tmp_path: Path) -> None:
    settings = loads(tmp_path, QUIET_FEED).settings
    lines = banner(settings, "https://p.example", listening="http://127.0.0.1:8080").splitlines()
    assert lines[:2] == [
        "feedgate listens at http://127.0.0.1:8080/",
        "people reach it at https://p.example/ (server.public_url)",
    ]
    assert banner(settings, "http://h").splitlines()[:2] == ["feedgate listens at http://h/", ""]
