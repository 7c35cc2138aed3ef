"""After a request that failed `/readyz` and `/` say so in words, and nothing that people read names an internal id."""

import logging
from pathlib import Path

import pytest

from proxy.app import App
from proxy.config.settings import Upstream
from proxy.model.redact import SecretUrl
from tests.config.loading import loads
from tests.support.raw_http import ask

CONFIG = """
[server]
port = 0
[feeds.one]
kind = "pypi"
upstreams = [{ url = "http://127.0.0.1:1/simple/", allow_private = true, retries = 0 }]
"""


async def test_a_failed_request_is_told_in_words(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    loaded = loads(tmp_path, CONFIG)
    app = App(loaded.settings, {}, loaded=loaded)
    caplog.set_level(logging.DEBUG)
    await app.start()
    try:
        port = app._web.port
        assert b"Degraded" not in (await ask(port, "GET", "/")).body
        failed = await ask(port, "GET", "/pypi/one/simple/x/")
        assert failed.status == 503
        told = "feed one: the last request to its upstream failed, at 20"
        texts = [(await ask(port, "GET", path)).body.decode() for path in ("/readyz", "/")]
        for text in texts:
            assert told in text and "Connection refused" in text, text
        ((upstream, _),) = app.site.catalogs
        for text in (*texts, failed.body.decode(), caplog.text):
            assert upstream.id not in text
    finally:
        await app.stop()


@pytest.mark.parametrize(
    ("upstream", "title"),
    [
        (Upstream("x-0123456789ab", (SecretUrl("https://u:hunter2@h:8/hunter2/"),)), "https://h:8"),
        (Upstream("x-0123456789ab", feed="other"), "feed other"),
    ],
)
def test_an_upstream_is_called_by_what_people_know(upstream: Upstream, title: str) -> None:
    assert upstream.title == title
