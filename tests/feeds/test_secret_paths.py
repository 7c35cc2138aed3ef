"""A secret in the path of an index's URL: it stands in no link, no document, no log and no API (P10)."""

import hashlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.feeds.pypi import shard
from proxy.feeds.pypi.index import PypiIndex
from proxy.feeds.shards import Received as Page
from proxy.model.redact import SecretUrl
from proxy.pypi.project import Project
from tests.pypi.build import distribution, project
from tests.support.answers import Received, Resource
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import HTML, JSON
from tests.support.origin import Origin
from tests.support.wheels import sdist, wheel

TOKEN = "dl-9f8e7d6c5b4a"
WHEEL = wheel("demo", "1.0")
SDIST = sdist("demo", "1.0")


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


def serve(origin: Origin) -> None:
    """Serve an index below the token, as hosts of private packages do: its files lie there, too."""
    links = "".join(
        f'<a href="../../files/{each.filename}#sha256={hashlib.sha256(each.data).hexdigest()}"'
        f' data-provenance="/{TOKEN}/attestations/{each.filename}"'
        f' data-yanked="use {origin.url}/{TOKEN}/org/ instead">{each.filename}</a>'
        for each in (WHEEL, SDIST)
    )
    found = {
        f"/{TOKEN}/org/simple/demo/": Resource(f"<title>Links for demo</title>{links}".encode(), "text/html"),
        f"/{TOKEN}/org/simple/": Resource(b'<a href="demo/">demo</a>', "text/html"),
        f"/{TOKEN}/org/pypi/demo/json": Resource(
            b'{"info": {"name": "demo", "version": "1.0", "home_page": "https://h.example/%b/demo"}}'
            % TOKEN.encode(),
            "application/json",
        ),
        f"/{TOKEN}/org/files/{WHEEL.filename}": Resource(WHEEL.data),
        f"/{TOKEN}/org/files/{SDIST.filename}": Resource(SDIST.data),
    }

    def handler(request: Received) -> Resource | None:
        return found.get(request.target)

    origin.serve("/", handler)


async def test_a_secret_in_an_indexs_path_is_published_nowhere(origin: Origin, tmp_path: Path) -> None:
    serve(origin)
    url = SecretUrl(f"{origin.url}/{TOKEN}/org/simple/", hides_path=True)
    hidden = feed(replace(upstream(url.reveal(), auth=None), urls=(url,)))
    async with Gateway(tmp_path, hidden, admin_key="the-admin-key") as gateway:
        seen = []
        for accept in (HTML, JSON):
            page = await gateway.get("/pypi/pypi/simple/demo/", Accept=accept)
            assert page.status == 200
            seen.append(page)
        digest = hashlib.sha256(WHEEL.data).hexdigest()
        assert f"../../files/{digest}/{WHEEL.filename}" in seen[0].body.decode()
        got = await gateway.get(f"/pypi/pypi/files/{digest}/{WHEEL.filename}")
        assert (got.status, got.body) == (200, WHEEL.data)
        assert (await gateway.get(f"/pypi/pypi/packages/{TOKEN}/org/files/{WHEEL.filename}")).status == 404
        seen.append(await gateway.get(f"/pypi/pypi/files/{digest}/{WHEEL.filename}.metadata"))
        seen.append(await gateway.get("/pypi/pypi/pypi/demo/json"))
        assert [each.status for each in seen] == [200] * 4
        for path in (
            "feeds/pypi",
            f"feeds/pypi/explain?artifact={WHEEL.filename}",
            "feeds/pypi/packages/demo",
            "feeds",
        ):
            seen.append(await gateway.get(f"/api/v1/{path}", Authorization="Bearer the-admin-key"))
            assert seen[-1].status == 200, seen[-1].body
        for path in ("/", "/metrics", "/pypi/pypi/simple/absent/", "/why/pypi/demo", "/readyz"):
            seen.append(await gateway.get(path))
        for each in seen:
            assert TOKEN.encode() not in each.body + repr(each.headers).encode() + each.reason.encode()
        assert TOKEN.encode() not in re.sub(rb"(?m)^.*/packages/.*$", b"", gateway.written())


@pytest.mark.parametrize("spelled", [TOKEN, TOKEN.replace("-", "%2D"), f"see /{TOKEN}/org/files/"])
def test_a_text_that_repeats_the_secret_is_left_out(spelled: str) -> None:
    url = SecretUrl(f"https://h.example/{TOKEN}/simple/", hides_path=True)
    entry = {"filename": "demo-1.0.tar.gz", "url": "demo-1.0.tar.gz", "yanked": spelled}
    more = {"origin": {"paths": [spelled]}, spelled: 1, "colour": "red"}
    status = {"status": "archived", "reason": spelled}
    body = {"meta": {"api-version": "1.4"}, "files": [entry | more], "project-status": status}
    page = Page(f"{url.reveal()}demo/", JSON, json.dumps(body).encode())
    made = PypiIndex(upstream(url.reveal()), url.secrets).ingest("demo", page, None, None).payload
    assert isinstance(made, Project)
    assert (made.status, made.status_reason) == ("archived", None)
    assert [(file.yanked, file.extra) for file in made.files] == [(True, {"colour": "red"})]


@pytest.mark.parametrize(
    "told", [{"path": f"packages/{TOKEN}/files/foo-1.0.tar.gz"}, {"yanked": f"moved to /{TOKEN}/"}]
)
def test_a_stored_page_of_a_former_program_that_published_the_secret_is_asked_for_anew(
    told: dict[str, str],
) -> None:
    url = SecretUrl(f"https://h.example/{TOKEN}/simple/", hides_path=True)
    file = distribution("foo-1.0.tar.gz", **told)
    packed = shard.pack(shard.Shard(shard.FORMAT, project(file)))
    assert PypiIndex(upstream(url.reveal())).is_readable(packed)
    assert not PypiIndex(upstream(url.reveal()), url.secrets).is_readable(packed)
