"""Where a command acts and where a key goes: the server and the folder that the person means, or nowhere (S16, U3)."""

import json
import os
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import trustme
import typer

from proxy.cli import over_http
from proxy.cli.asking import Asked, AskFailed
from proxy.cli.program import program
from tests.cli.calling import QUIET_FEED, Place, serving

CURATED = QUIET_FEED + '[feeds.approved]\nkind = "pypi"\ncurated_from = ["pypi"]\n'
NAMED_KEY = "named-key-of-a-server-elsewhere"


class Elsewhere:
    """A host that is not ours: it keeps what it was sent and answers nobody well."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            with caller:
                caller.settimeout(5)
                self.heard.append(caller.recv(65536))
                caller.sendall(b"HTTP/1.1 503 Elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    host = Elsewhere()
    yield host
    host.close()


def server_facts(place: Place) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((place.folder / "data/state/server.json").read_text())
    return facts


# -- the admin's key stays here

ASKING = [
    ("key", "create", "ci", "--read", "pypi"),
    ("key", "list"),
    ("audit",),
    ("feed", "show", "pypi"),
    ("approvals", "approved"),
    ("reload",),
]


@pytest.mark.parametrize(
    "public", ["elsewhere", "http://packages.invalid", "https://packages.invalid/prefix"]
)
def test_the_admins_key_goes_to_the_address_that_is_listened_on_only(
    place: Place, elsewhere: Elsewhere, public: str
) -> None:
    url = elsewhere.url if public == "elsewhere" else public
    place.write(CURATED + f'[server]\nport = 0\npublic_url = "{url}"\n')
    with serving(place):
        assert server_facts(place)["url"].startswith("http://127.0.0.1:")
        for words in ASKING:
            result = place.call(*words)
            assert result.exit_code == 0, (words, result.output)
    assert elsewhere.heard == []


@pytest.mark.parametrize(
    ("host", "loopback"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("localhost", None)]
)
@pytest.mark.parametrize("prefix", ["", "/packages"])
def test_a_server_on_every_address_is_asked_over_loopback(
    place: Place, elsewhere: Elsewhere, host: str, loopback: str | None, prefix: str
) -> None:
    place.write(
        CURATED + f'[server]\nport = 0\nhost = "{host}"\npublic_url = "{elsewhere.url}{prefix}"\n'
        f'path_prefix = "{prefix}"\n'
    )
    with serving(place):
        if loopback is not None:
            assert server_facts(place)["url"].startswith(f"http://{loopback}:")
        assert place.call("key", "list").exit_code == 0
        assert place.call("promote", "approved", "demo", "--dry-run").exit_code == 1
    assert elsewhere.heard == []


def test_a_server_with_a_certificate_of_another_name_is_asked_and_no_impostor_is(place: Place) -> None:
    ca = trustme.CA()
    for name in ("own", "impostor"):
        issued = ca.issue_cert("packages.example")
        issued.private_key_and_cert_chain_pem.write_to_path(str(place.folder / f"{name}.pem"))
    place.write(
        CURATED + '[server]\nport = 0\npublic_url = "https://packages.example"\n'
        'tls = { cert = "own.pem", key = "own.pem" }\n'
    )
    with serving(place):
        assert place.call("key", "list").exit_code == 0
        facts = server_facts(place)
    assert facts["url"].startswith("https://127.0.0.1:")
    assert "PRIVATE KEY" not in json.dumps(facts)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(place.folder / "impostor.pem")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        heard: list[bytes] = []
        thread = threading.Thread(target=_answer_with_tls, args=(listening, context, heard))
        thread.start()
        ask = over_http.way_to(
            f"https://127.0.0.1:{listening.getsockname()[1]}",
            own=facts["certificate"],
            key="secret",
            is_direct=True,
        )
        with pytest.raises(AskFailed, match="certificate"):
            ask(Asked("/keys"))
        thread.join(30)
    assert heard == []


def _answer_with_tls(listening: socket.socket, context: ssl.SSLContext, heard: list[bytes]) -> None:
    caller, _ = listening.accept()
    try:
        with context.wrap_socket(caller, server_side=True) as secured:
            if data := secured.recv(65536):
                heard.append(data)
    except OSError:
        caller.close()


# -- a server that is named


def test_the_folders_key_goes_to_no_server_that_is_named(place: Place, elsewhere: Elsewhere) -> None:
    place.write(CURATED + "[server]\nport = 0\n")
    with serving(place):
        own = (place.folder / "data/state/admin.key").read_text().strip().encode()
        assert place.call("key", "list", "--server", elsewhere.url).exit_code == 1
        assert place.call("key", "list", environ={"FEEDGATE_SERVER": elsewhere.url}).exit_code == 1
        assert len(elsewhere.heard) == 2
        assert not any(own in data or b"Authorization" in data for data in elsewhere.heard)


def test_a_key_goes_to_the_server_that_it_was_named_with(place: Place, elsewhere: Elsewhere) -> None:
    both = {"FEEDGATE_SERVER": elsewhere.url, "FEEDGATE_KEY": NAMED_KEY}
    assert place.call("key", "list", environ=both).exit_code == 1
    assert (
        place.call("key", "list", "--server", elsewhere.url, environ={"FEEDGATE_KEY": NAMED_KEY}).exit_code
        == 1
    )
    assert place.call("key", "list", "--server", f"{elsewhere.url}/", environ=both).exit_code == 1
    assert len(elsewhere.heard) == 3
    assert all(NAMED_KEY.encode() in data for data in elsewhere.heard)
    other = Elsewhere()
    try:
        done = place.call("key", "list", "--server", other.url, environ=both)
        assert done.exit_code == 2
        assert "FEEDGATE_KEY is the key of FEEDGATE_SERVER" in done.stderr
        assert NAMED_KEY not in done.stderr
        assert other.heard == []
        assert place.call("key", "list", "--server", other.url, "--key", "given", environ=both).exit_code == 1
        assert [NAMED_KEY.encode() in data for data in other.heard] == [False]
    finally:
        other.close()


def test_no_proxy_of_the_environment_is_told_the_key_of_a_server_on_this_machine(
    place: Place, elsewhere: Elsewhere
) -> None:
    place.write(CURATED + "[server]\nport = 0\n")
    proxied = {"HTTP_PROXY": elsewhere.url, "http_proxy": elsewhere.url, "NO_PROXY": "", "no_proxy": ""}
    with serving(place):
        own = (place.folder / "data/state/admin.key").read_text().strip()
        url = server_facts(place)["url"]
        assert place.call("key", "list", environ=proxied).exit_code == 0
        assert place.call("key", "list", "--server", url, "--key", own, environ=proxied).exit_code == 0
    assert elsewhere.heard == []


def test_a_folder_on_the_command_line_counts_more_than_the_environments_server(
    place: Place, elsewhere: Elsewhere
) -> None:
    place.write(CURATED)
    place.begin()
    named = {"FEEDGATE_SERVER": elsewhere.url, "FEEDGATE_KEY": NAMED_KEY}
    assert place.call("--data-dir", "data", "key", "list", environ=named).exit_code == 0
    assert place.call("reload", "--data-dir", "data", environ=named).exit_code == 1
    assert elsewhere.heard == []
    for words in (
        ("--data-dir", "data", "key", "list", "--server", elsewhere.url),
        ("reload", "--data-dir", "data", "--server", elsewhere.url),
    ):
        done = place.call(*words, environ=named)
        assert done.exit_code == 2
        assert "name two servers" in done.stderr
    assert elsewhere.heard == []


LOCAL = [
    ("cache", "stats"),
    ("cache", "verify"),
    ("cache", "prune", "--to", "0"),
    ("cache", "purge", "--all"),
    ("backup", "copy.tar"),
    ("restore", "copy.tar"),
    ("feed", "delete", "pypi", "--broken"),
]


@pytest.mark.parametrize("words", LOCAL, ids=" ".join)
def test_what_works_on_this_machine_alone_is_refused_where_a_server_is_named(
    place: Place, elsewhere: Elsewhere, words: tuple[str, ...]
) -> None:
    place.write(CURATED)
    place.begin()
    blob = place.folder / "data/cache/blobs/ab/abcd"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"blob")
    before = sorted(place.folder.rglob("*"))
    for done in (
        place.call(*words, environ={"FEEDGATE_SERVER": elsewhere.url}),
        place.call(*words, "--server", elsewhere.url),
    ):
        assert done.exit_code == 2
        assert "on a data folder of this machine" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert sorted(place.folder.rglob("*")) == before
    assert elsewhere.heard == []


def test_a_folder_on_the_command_line_says_that_this_machine_is_meant(place: Place) -> None:
    place.write(CURATED)
    place.begin()
    named = {"FEEDGATE_SERVER": "http://packages.invalid"}
    assert place.call("cache", "prune", "--data-dir", "data", environ=named).exit_code == 0
    assert place.call("--data-dir", "data", "cache", "prune", environ=named).exit_code == 0


# -- no server, no state

_OF_SETTINGS = (("feed", "list"), ("snippet",), ("client", "setup"), ("doctor",), ("reload",))
_WORDS: Mapping[str, tuple[str, ...]] = {
    "policy test": ("draft.toml", "--feed", "pypi"),
    "promote": ("approved", "demo"),
    "accept": ("pypi", "demo-1.0.tar.gz", "--sha256", "0" * 64),
    "key create": ("ci", "--read", "pypi"),
}


def _commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*before, name))
        else:
            yield (*before, name), command


def _calls() -> Iterator[tuple[str, ...]]:
    """Yield a call of every command that asks a server, or works on the state itself."""
    for name, command in _commands(typer.main.get_command(program)):
        parameters = {each.name: each for each in command.params}
        if "key" not in parameters or name in _OF_SETTINGS:
            continue  # these tell of the settings, or say themselves that no server runs
        words = _WORDS.get(" ".join(name))
        if words is None:
            needed = [each for each in command.params if each.required]
            words = tuple(
                word for each in needed for word in ([] if each.opts[0][0] != "-" else [each.opts[0]]) + ["x"]
            )
        yield (*name, *words)


@pytest.mark.parametrize(
    "words",
    [
        *_calls(),
        ("policy", "delete", "x", "--broken"),
        ("cache", "verify"),
        ("cache", "prune"),
        ("cache", "purge", "--all"),
        ("backup", "copy.tar"),
    ],
    ids=" ".join,
)
def test_without_a_server_and_without_state_a_command_refuses_and_makes_nothing(
    place: Place, words: tuple[str, ...]
) -> None:
    place.write(CURATED)
    place.write('[policies.draft]\nblock = ["demo"]\n', "draft.toml")
    before = sorted(place.folder.rglob("*"))
    result = place.call(*words)
    assert result.exit_code == 1
    assert str(place.folder / "data") in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert place.json(*words, status=1)["ok"] is False
    (place.folder / "elsewhere").mkdir()
    result = place.call("--data-dir", "elsewhere", *words)
    assert result.exit_code == 1
    assert str(place.folder / "elsewhere") in result.stderr
    assert list((place.folder / "elsewhere").iterdir()) == []
    assert [path for path in sorted(place.folder.rglob("*")) if path.name != "elsewhere"] == before


def test_the_commands_that_refuse_are_those_that_work_on_state() -> None:
    names = {words[0] for words in _calls()} | {" ".join(words[:2]) for words in _calls()}
    assert {
        "audit",
        "approvals",
        "promote",
        "revoke",
        "explain",
        "key create",
        "key list",
        "feed create",
    } <= names


@pytest.mark.parametrize("left", ["state.sqlite.exists", "state.sqlite-journal"])
def test_state_that_was_lost_is_not_taken_for_none(place: Place, left: str) -> None:
    place.write(CURATED)
    place.begin()
    state = place.folder / "data/state"
    (state / "state.sqlite").unlink()
    (state / "state.sqlite-journal").touch()
    for name in {"state.sqlite.exists", "state.sqlite-journal"} - {left}:
        (state / name).unlink()
    result = place.call("key", "list")
    assert result.exit_code == 1
    assert "is missing, and there was one" in result.stderr


def test_serve_says_that_it_makes_a_new_world(place: Place) -> None:
    place.write(CURATED + "[server]\nport = 0\n")
    folder = place.folder / "data"
    with serving(place) as lines:
        assert f"New data folder: there was no state in {folder}" in lines
    with serving(place) as lines:
        assert not any("New data folder" in line for line in lines)


def test_serve_says_that_there_are_no_settings(place: Place) -> None:
    with serving(place, "serve", "--port", "0") as lines:
        assert any(f"there is no config.toml in {place.folder}" in line for line in lines)
    place.write(CURATED)
    with serving(place, "serve", "--port", "0") as lines:
        assert not any("there is no config.toml" in line for line in lines)


def test_init_writes_the_file_that_the_other_commands_read(place: Place) -> None:
    named = {"FEEDGATE_CONFIG": "settings.toml"}
    assert place.call("init", environ=named).exit_code == 0
    assert [path.name for path in place.folder.iterdir()] == ["settings.toml"]
    assert place.call("check-config", environ=named).exit_code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has data folders of other users")
def test_root_leaves_no_files_in_another_users_folder(place: Place) -> None:
    place.write(CURATED)
    place.begin()
    for path in (place.folder / "data", *(place.folder / "data").rglob("*")):
        os.chown(path, 4321, 4321)
    for words in (("key", "list"), ("cache", "verify"), ("feed", "delete", "x", "--broken")):
        result = place.call(*words)
        assert result.exit_code == 1
        assert "belongs to user id 4321" in result.stderr
    assert all(path.stat().st_uid == 4321 for path in (place.folder / "data").rglob("*"))
