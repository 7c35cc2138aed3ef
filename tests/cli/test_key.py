"""`key …`: of the server that runs, and of the data folder while none runs."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from proxy.state.running import write_running
from tests.cli.calling import QUIET_FEED, ROOT, Place
from tests.config.loading import QUIET
from tests.support.gateway import Gateway, feed, upstream

pytestmark = pytest.mark.usefixtures("begun")

CLOSED = QUIET_FEED + "anonymous = false\n"
GIVEN = "a-given-key-of-people"


def items(place: Place, *words: str) -> list[dict[str, Any]]:
    listed: Any = place.json(*words)["items"]
    return list(listed)


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_a_key_is_made_listed_and_deleted_without_a_server(place: Place) -> None:
    place.write(CLOSED)
    made = place.call("key", "create", "ci", "--read", "pypi", "--group", "builders", "--expires", "90d")
    assert made.exit_code == 0, made.output
    (value,) = lines(made.stdout)
    assert value.startswith("fg-")
    assert "shown this once" in made.stderr
    (item,) = items(place, "key", "list")
    assert (item["name"], item["groups"], item["created_by"]) == ("ci", ["builders"], "local command")
    assert item["grants"] == [{"feed": "pypi", "rights": ["read"]}]
    assert value not in json.dumps(item)
    assert item["expires"]
    assert "ci" in place.call("key", "list").stdout
    assert place.call("key", "delete", "ci").exit_code == 0
    assert items(place, "key", "list") == []
    assert place.call("key", "delete", "ci").exit_code == 1
    actions = [entry["action"] for entry in items(place, "audit")]
    assert actions == ["key.create", "key.delete"]


def test_a_given_value_comes_from_a_file_and_is_not_repeated(place: Place) -> None:
    place.write(CLOSED)
    (place.folder / "value").write_text(f"{GIVEN}\n")
    made = place.json("key", "create", "old", "--admin", "--value-file", str(place.folder / "value"))
    assert (made["value"], made["admin"]) == (GIVEN, True)
    again = place.call("key", "create", "older", "--value-file", str(place.folder / "value"))
    assert again.exit_code == 1
    assert "another key has this value" in again.stderr
    stored = [path.read_bytes() for path in (place.folder / "data" / "state").iterdir() if path.is_file()]
    assert stored
    assert not any(GIVEN.encode() in content for content in stored)


@pytest.mark.parametrize(
    ("words", "status", "part"),
    [
        (["--read", "pyp"], 1, 'grants[0].feed: there is no feed "pyp", did you mean "pypi"?'),
        (["--expires", "yesterday"], 1, "expires: is a date or time"),
        (["--expires", "2020-01-01"], 1, "expires: is in the past"),
        (["--expires", "90x"], 2, "--expires"),
        (["--group", "a b"], 1, "groups[0]"),
        (["--value-file", "nowhere"], 2, "nowhere cannot be read"),
        (["--value-file", "weak"], 1, "value: looks like a default"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_key_is_said_in_one_line(
    place: Place, words: list[str], status: int, part: str
) -> None:
    place.write(CLOSED)
    (place.folder / "weak").write_text("changeme-123")
    result = place.call("key", "create", "x", *words)
    assert result.exit_code == status
    assert part in result.stderr
    assert len(lines(result.stderr)) == 1
    assert "changeme" not in result.stderr


def test_the_first_key_is_made_once_with_a_mode_of_its_own(place: Place) -> None:
    place.write(CLOSED)
    place.call("key", "list")
    path = place.folder / "data" / "state" / "admin.key"
    first = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert place.call("key", "list").exit_code == 0
    assert path.read_text() == first


@pytest.mark.parametrize("content", ["", "\n", "admin\n", "changeme\n", "short\n", "password\n"])
def test_an_admin_key_that_is_none_stops_the_start(place: Place, content: str) -> None:
    place.write(CLOSED)
    state = place.folder / "data" / "state"
    (state / "admin.key").write_text(content)
    result = place.call("key", "list")
    assert result.exit_code == 1
    assert "admin.key cannot be used" in result.stderr
    assert "delete the file" in result.stderr


async def test_commands_of_the_same_user_need_no_key_and_others_do(place: Place) -> None:
    place.write(CLOSED)
    quiet = feed(upstream("https://index.example/simple/"), anonymous=False)
    async with Gateway(place.folder, quiet) as gateway:
        state = gateway.settings.server.state_dir
        await asyncio.to_thread(write_running, state, gateway.url, None, gateway.app.base.clock.now())

        async def call(*words: str) -> Any:
            return await asyncio.to_thread(place.call, "key", *words)

        made = await call("create", "ci", "--read", "pypi")
        assert made.exit_code == 0, made.output
        value = made.stdout.strip()
        assert (await gateway.get("/api/v1/feeds/pypi", X_ApiKey=value)).status == 200
        # To a server that is named, no key goes that was not named.
        asked = await call("list", "--server", gateway.url)
        assert (asked.exit_code, asked.stderr) == (
            1,
            "feedgate: Authentication required: this needs an admin's key; name one with --key or FEEDGATE_KEY\n",
        )
        asked = await call("list", "--server", gateway.url, "--key", value)
        assert "Forbidden" in asked.stderr
        own = await asyncio.to_thread((state / "admin.key").read_text)
        assert (await call("list", "--server", gateway.url, "--key", own.strip())).exit_code == 0
        assert (await call("delete", "ci")).exit_code == 0
        assert (await gateway.get("/api/v1/feeds/pypi", X_ApiKey=value)).status == 401


def served(place: Place) -> str:
    """Start the server as a process, stop it, and return all that it printed."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(place.folder)} | QUIET
    command = [sys.executable, "-m", "proxy", "serve"]
    with subprocess.Popen(
        command, cwd=place.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if line.startswith("Lines for other clients"):
                process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    return printed


def test_the_start_prints_only_where_the_admin_key_is(place: Place) -> None:
    place.write(CLOSED + "[server]\nport = 0\n")
    path = place.folder / "data" / "state" / "admin.key"
    printed = served(place)
    assert f"The admin key was made just now: {path}" in printed
    assert path.read_text().strip() not in printed
    assert path.read_text().strip() not in (again := served(place))
    assert "admin key" not in again
