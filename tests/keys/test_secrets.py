"""E05, E06: a key is in no log, answer, metric, redirect, request to an origin, audit or file."""

import base64
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from proxy.child import run
from tests.keys.house import ADMIN, BAD, House, Logged, made

GIVEN = "a-given-key-of-people"


@pytest.fixture
def logged() -> Iterator[Logged]:
    handler = Logged()
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.setLevel(level)
    root.removeHandler(handler)


def forms(secret: str) -> list[bytes]:
    """Return what a secret may look like: plain, percent-encoded, as Basic credentials of two users."""
    basics = [base64.b64encode(f"{user}:{secret}".encode()) for user in ("api", "")]
    return [secret.encode(), quote(secret, safe="").encode(), *basics, secret.encode().hex().encode()]


async def exercised(built: House) -> bytes:
    """Send every key by every place to all sorts of addresses; return all that was answered."""
    answered = b""
    for value in (ADMIN, made("R"), GIVEN, made("S"), made("X"), *BAD[:2]):
        basic = "Basic " + base64.b64encode(f"api:{value}".encode()).decode()
        for headers in ({"Authorization": f"Bearer {value}"}, {"X-ApiKey": value}, {"Authorization": basic}):
            for path in (
                "/", "/metrics", "/readyz", "/api/v1/feeds", "/api/v1/keys", "/api/v1/feeds/closed/snippets",
                "/api/v1/audit", "/pypi/closed/simple/demo/", "/pypi/closed/simple/Demo", "/pypi/closed/nothing",
                "/conda/c-closed/linux-64/tool-1.0-0.conda", "/conda/c-closed", "/api/v1/feeds/absent",
            ):  # fmt: skip
                got = await built.send("GET", path, headers)
                answered += got.body + str(got.headers).encode()
        for path in (
            f"/t/{value}/conda/c-closed/linux-64/repodata.json", f"/conda/t/{value}/c-closed/linux-64/tool-1.0-0.conda",
            f"/conda/t/{value}/c-closed/none", f"/conda/t/{value}/c-closed", f"/t/{value}/x", f"/t/{value}/../x",
            f"/conda/t/{value}/c-closed/linux-64/%00", f"/pypi/closed/simple/?key={value}", f"/t/{value}",
        ):  # fmt: skip
            got = await built.gateway.get(path)
            answered += got.body + str(got.headers).encode()
        built.clock.advance(61)
    return answered


async def test_no_key_shows_anywhere(built: House, logged: Logged, tmp_path: Path) -> None:
    created = await built.change("POST", "/api/v1/keys", {"name": "told", "value": "told-once-and-no-more"})
    assert created.status == 201
    assert created.body.count(b"told-once-and-no-more") == 1
    assert created.headers["cache-control"] == "no-store"
    answered = await exercised(built)
    await built.gateway.answered()
    asked = "".join(f"{seen.target} {seen.headers} {seen.body!r}" for seen in built.origin.requests).encode()
    await built.gateway.app.base.keys.write_uses()
    await built.gateway.stop()
    texts = {
        "answers": answered,
        "access log": built.gateway.written(),
        "log": logged.text.encode(),
        "origin": asked,
    }
    for file in tmp_path.rglob("*"):
        if file.is_file() and file.name != "admin.key":
            texts[str(file)] = file.read_bytes()
    await built.gateway.start()
    assert built.gateway.written()
    assert asked
    for secret in (ADMIN, GIVEN, "told-once-and-no-more", made("R"), made("S"), made("X"), *BAD[:2]):
        for form in forms(secret):
            assert [place for place, text in texts.items() if form in text] == [], secret
    # The upstream's own credentials may be there; nothing of a client's is.
    assert b"x-apikey" not in asked.lower()
    assert b"bearer" not in asked.lower()


async def test_a_token_is_in_no_redirect(built: House) -> None:
    for path in ("/conda/c-open", f"/t/{made('R')}/conda/c-open", f"/conda/t/{made('R')}/c-open"):
        got = await built.gateway.get(path)
        assert made("R") not in str(got.headers)
        assert got.headers["referrer-policy"] == "no-referrer"


async def test_the_admin_key_reaches_no_child(built: House) -> None:
    """What a child process is given of the environment."""
    environ = run.environment(
        {"FEEDGATE_ADMIN_KEY": ADMIN, "FEEDGATE_ADMIN_KEY_FILE": "/x", "PATH": os.environ["PATH"]}
    )
    assert ADMIN not in str(environ)
    assert "PATH" in environ
