"""What only the origin's JSON API tells of a project: its description, vulnerabilities, serial.

Asked for when a client asks for the feed's own JSON API, and reduced to what is served: never the file lists, which
come from the view.
"""

from collections.abc import Iterable, Mapping
from urllib.parse import quote

import msgspec

from proxy.config.settings import Feed
from proxy.feeds.origin_documents import OriginDocuments
from proxy.model.problem import Problem
from proxy.pypi.links import SHORT
from proxy.upstream.way import Way

_MOST_BYTES = 16 * 1024**2
#: Without its file lists; the largest known has half a megabyte, most of it the description.
_MOST_REDUCED_BYTES = 4 * 1024**2


class _Document(msgspec.Struct, frozen=True):
    """Of the origin's document, what does not list files; passed on as it came."""

    info: msgspec.Raw
    vulnerabilities: msgspec.Raw = msgspec.Raw(b"[]")
    last_serial: msgspec.Raw = msgspec.Raw(b"null")


def reduce(document: bytes) -> bytes:
    """Return the document without its file lists. Raises ValueError, RecursionError."""
    reduced = msgspec.json.encode(msgspec.json.decode(document, type=_Document))
    if len(reduced) > _MOST_REDUCED_BYTES:
        raise ValueError("a JSON API document that is too large without its files")
    return reduced


def _without(document: bytes, secrets: Iterable[str]) -> bytes:
    """Return the document without the secrets of its address, which links in it may repeat."""
    for secret in secrets:
        document = document.replace(secret.encode(), b"***")
    return document


class Information:
    """The reduced JSON API documents of one feed."""

    def __init__(self, feed: Feed, remotes: Mapping[str, Way], documents: OriginDocuments) -> None:
        self._bases = {upstream.id: upstream.json_api for upstream in feed.upstreams}
        self._secrets = {
            upstream.id: [secret for url in upstream.urls for secret in url.secrets if len(secret) > SHORT]
            for upstream in feed.upstreams
        }
        self._remotes = remotes
        self._documents = documents

    async def get(self, upstream: str, name: str, version: str | None) -> bytes | None:
        """Return the reduced document, or None where the origin has none or does not answer."""
        asked = self._asked(upstream, name, version)
        if asked is None:
            return None
        document = await self._documents.get(
            *asked, accept="application/json", reduce=reduce, max_bytes=_MOST_BYTES
        )
        return document and _without(document, self._secrets.get(upstream, ()))

    async def certain(self, upstream: str, name: str, version: str | None) -> bytes | None:
        """Return the same; None only where the origin has none. Raises Problem where it does not answer."""
        asked = self._asked(upstream, name, version)
        document = await self.get(upstream, name, version)
        if document is None and asked is not None and not await self._documents.is_absent(*asked):
            raise Problem("origin-unavailable", f"the JSON API does not tell of {name} now", retry_after_s=60)
        return document

    def _asked(self, upstream: str, name: str, version: str | None) -> tuple[Way, str] | None:
        """Return whom to ask for what; None where the upstream has no JSON API."""
        base, remote = self._bases.get(upstream), self._remotes.get(upstream)
        if not base or remote is None:
            return None
        parts = (
            base.rstrip("/"),
            quote(name, safe=""),
            *([quote(version, safe="")] if version else ()),
            "json",
        )
        return remote, "/".join(parts)

    async def close(self, grace_s: float = 0.0) -> None:
        """Stop what is under way, after waiting that long for it."""
        await self._documents.close(grace_s)
