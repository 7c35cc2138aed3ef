"""PyPI's index as the shared rooms know it: one page a project, and the JSON API as its companion.

The page is asked for in the JSON form with explicit weights, because an origin that offers the HTML form first
would win a tie. An HTML page lacks sizes, upload times and yank reasons; the JSON API has them.
"""

import contextlib
from collections.abc import Collection, Mapping
from urllib.parse import quote

import msgspec

from proxy.config.settings import Upstream
from proxy.feeds.pypi import shard as stored
from proxy.feeds.shards import Ask, BadIndex, Ingested, Received
from proxy.model.sights import Sights
from proxy.pypi.distribution import Distribution
from proxy.pypi.enrich import carry_over, enrich
from proxy.pypi.links import has_secret
from proxy.pypi.names import FileKind
from proxy.pypi.negotiate import UPSTREAM_ACCEPT
from proxy.pypi.page import BadPage, parse
from proxy.pypi.project import Project
from proxy.pypi.secret_texts import without_secrets

#: A real page has a bracket in 25 bytes at the most.
_BYTES_PER_MARK = 8
#: So many cost some ten MB whatever is between them: one entry that is nested absurdly is left to the parser.
_HARMLESS_MARKS = 50_000
_WEAKER = ("sha512", "sha384", "blake2b_256", "md5")
_FLAT = (".html", ".htm")


def is_flat(upstream: Upstream) -> bool:
    """Tell whether the upstream is one page with links to files of every project."""
    return bool(upstream.urls) and upstream.urls[0].reveal().endswith(_FLAT)


class PypiIndex:
    """One upstream's index (shards.NameIndex)."""

    job = "proxy.feeds.pypi.page_job"

    def __init__(self, upstream: Upstream, secrets: Collection[str] = ()) -> None:
        self._url = upstream.urls[0].reveal()
        self._secrets = frozenset(secrets).union(*(url.secrets for url in upstream.urls))
        self._is_flat = is_flat(upstream)
        self._json_api = upstream.json_api
        self._files_base = upstream.files_base

    def settings(self) -> dict[str, str | None]:
        return {
            "url": self._url, "json_api": self._json_api, "files_base": self._files_base,
            "secrets": "\n".join(sorted(self._secrets)),
        }  # fmt: skip

    def page(self, name: str) -> Ask:
        """A flat page of links is one document for every name; an index has a page for each."""
        if self._is_flat:
            return Ask(self._url, "text/html")
        return Ask(f"{self._url.rstrip('/')}/{quote(name)}/", UPSTREAM_ACCEPT)

    def root(self) -> Ask:
        return Ask(self._url, "text/html" if self._is_flat else UPSTREAM_ACCEPT)

    def companion(self, name: str) -> Ask | None:
        if not self._json_api:
            return None
        return Ask(f"{self._json_api.rstrip('/')}/{quote(name)}/json", "application/json")

    def needs_companion(self, page: Received) -> bool:
        return bool(self._json_api) and "json" not in page.content_type.lower()

    def ingest(self, name: str, page: Received, companion: bytes | None, previous: bytes | None) -> Ingested:
        _refuse_dense(page.body)
        try:
            parsed = parse(
                page.body,
                page.content_type,
                page.url,
                name,
                index_url=self._url,
                files_base=self._files_base,
                is_framed=page.is_framed,
                secrets=self._secrets,
            )
        except BadPage as bad:
            raise BadIndex(str(bad)) from bad
        if self._is_flat and not parsed.project.files:
            return Ingested(parsed.project, {}, is_absent=True)
        project, is_complete = _completed(parsed.project, companion, previous)
        project = _with_metadata_offered(project, _without_metadata(previous))
        project = without_secrets(project, self._secrets)
        files = {file.filename: strongest(file.hashes) for file in project.files}
        serial = page.serial if page.serial is not None else project.serial
        # What a flat page lists besides is no fault of anybody's.
        dropped = () if self._is_flat else parsed.dropped
        # A quarantined project may list nothing, and is one.
        is_empty = not files and not parsed.dropped and project.status in (None, "active")
        return Ingested(project, files, serial, dropped, is_complete, is_empty=is_empty)

    def pack(self, ingested: Ingested, sights: Sights, previous: bytes | None) -> bytes:
        assert isinstance(ingested.payload, Project)
        is_asked = sights.drifted or ingested.dropped or ingested.payload.status == "quarantined"
        old = stored.unpack(previous) if previous is not None and is_asked else None
        shard = stored.shard_of(
            ingested.payload, sights, old, is_complete=ingested.is_complete, dropped=ingested.dropped
        )
        return stored.pack(shard)

    def is_readable(self, packed: bytes) -> bool:
        shard = stored.unpack(packed)
        if shard is None or not self._secrets:
            return shard is not None
        # A former program published such paths and texts: the page is asked for anew, and its files get others.
        project = shard.project
        is_clean = not any(has_secret(file.path, self._secrets) for file in project.files)
        return is_clean and without_secrets(project, self._secrets) == project


def _refuse_dense(body: bytes) -> None:
    """Refuse a body that is nothing but structure: it would become hundreds of bytes of memory for each of its own."""
    marks = body.count(b"{") + body.count(b"[") + body.count(b"<")
    if marks > _HARMLESS_MARKS and marks * _BYTES_PER_MARK > len(body):
        raise BadIndex("more brackets than text")


def _completed(project: Project, companion: bytes | None, previous: bytes | None) -> tuple[Project, bool]:
    """Add what the companion knows, or what the shard before knew where the companion did not come."""
    if companion:
        with contextlib.suppress(BadPage):
            return enrich(project, companion), True
    elif companion is not None:
        return project, True
    old = stored.unpack(previous) if previous is not None else None
    return (project if old is None else carry_over(project, old.project)), False


def _with_metadata_offered(project: Project, without: Collection[str]) -> Project:
    """Offer `.metadata` for every wheel: what the origin does not have is made from the wheel (PEP 658).

    `without` are the digests of wheels that were found to hold none, whatever the origin says of them.
    """

    def offered(file: Distribution) -> Distribution:
        if file.kind is not FileKind.WHEEL:
            return file
        told = file.sha256 not in without and (file.core_metadata or True)
        return file if told == file.core_metadata else msgspec.structs.replace(file, core_metadata=told)

    return msgspec.structs.replace(project, files=tuple(map(offered, project.files)))


def _without_metadata(previous: bytes | None) -> frozenset[str]:
    """Return the wheels of the shard before that do not offer `.metadata` any more, because they hold none."""
    old = stored.unpack(previous) if previous is not None else None
    files = old.project.files if old is not None else ()
    silent = (file for file in files if file.kind is FileKind.WHEEL and file.core_metadata is False)
    return frozenset(file.sha256 for file in silent if file.sha256 is not None)


def strongest(hashes: Mapping[str, str]) -> str | None:
    """Return the best digest, a SHA-256 as plain hexadecimal, others as "algorithm:hex"; None if there is none."""
    if "sha256" in hashes:
        return hashes["sha256"]
    return next((f"{name}:{hashes[name]}" for name in _WEAKER if name in hashes), None)
