"""The URLs of a conda feed (contract, section 2; CEP 16, 36). What is not in `proxy.conda.urls` does not exist.

`noarch` always answers, if only with an empty index: a 404 there kills a client's command. A trouble of the moment is
never a 404 for shards, because rattler remembers that for ever.
"""

import hashlib
from collections.abc import Callable

from proxy.artifacts.blob import Blob
from proxy.conda import urls
from proxy.feeds.conda.edition import Edition
from proxy.feeds.conda.feed import CondaFeed
from proxy.feeds.conda.trouble import told
from proxy.feeds.keeper import ArtifactRef, How, Keeper
from proxy.model.problem import Problem
from proxy.web.inbound import Inbound
from proxy.web.kinds.arriving import cache_of, file_answer
from proxy.web.outbound import BlobAnswer, Bytes, Document, Outbound, Redirect
from proxy.web.routes import Route
from proxy.web.verdicts import Verdicts

_INDEX = "private, max-age=30"
_JSON = "application/json"
#: Larger plain indexes are not coded on the way: `.json.zst` is there for that.
_CODED_BYTES = 8 * 1024**2

Find = Callable[[str], CondaFeed | None]


class CondaEndpoints:
    """The handlers; `find` gives the feed of a name or alias as the settings are now."""

    def __init__(self, find: Find, keeper: Callable[[], Keeper], verdicts: Verdicts) -> None:
        self._find = find
        self._verdicts = verdicts
        self._keeper = keeper

    def routes(self) -> tuple[Route, ...]:
        """Return the kind's lines of the table; a token may stand before and behind `/conda` (fact sheet 2.3)."""
        get = ("GET",)
        return (
            Route(get, "/conda/t/{token}/{feed}/{path...}", self.any),
            Route(get, "/t/{token}/conda/{feed}/{path...}", self.any),
            Route(get, "/conda/{feed}/{path...}", self.any),
            Route(get, "/conda/{feed}", self.add_slash),
        )

    async def any(self, request: Inbound) -> Outbound:
        """Whatever the feed has under the path."""
        feed = self._feed(request)
        with told(feed.settings.name):
            return await self._answer(request, feed)

    async def _answer(self, request: Inbound, feed: CondaFeed) -> Outbound:
        match urls.target(request.params["path"]):
            case urls.RepodataJson(subdir):
                return await self._plain_index(feed, subdir)
            case urls.RepodataZst(subdir):
                blob, edition = await feed.full(subdir, "zst")
                return self._index(blob, edition, "application/zstd")
            case urls.ShardIndexFile(subdir):
                blob, edition = await feed.shard_index(subdir)
                return self._index(blob, edition, "application/zstd")
            case urls.Shard(subdir, digest):
                return BlobAnswer(blob=await feed.shard(subdir, digest))
            case urls.RunExports(subdir, is_zst):
                exports = await feed.run_exports(subdir, is_zst=is_zst)
                if is_zst:
                    return BlobAnswer(blob=exports, content_type="application/zstd", cache_control=_INDEX)
                return _document(exports)
            case urls.Package(subdir, file):
                located = await feed.locate(subdir, file)
                policy = feed.policy.name if feed.policy is not None else None
                name = feed.settings.name
                self._verdicts.served(request, name, policy, f"{subdir}/{file.file}", located.verdict)
                return await self._bytes(request, feed, located.ref)
            case urls.Sigs(subdir, file, digest):
                return await self._bytes(request, feed, await feed.side_car(subdir, file, digest))
            case urls.ChannelData():
                return _document(await feed.channeldata())
            case urls.Notices():
                return _small(await feed.notices())
            case urls.NotServed():
                raise Problem("unknown", "a conda feed has nothing at this address", feed=feed.settings.name)

    async def add_slash(self, request: Inbound) -> Outbound:
        """The channel's own address, which people type and no client asks for."""
        self._feed(request)
        return Redirect(location=f"{request.params['feed']}/noarch/repodata.json", status=302)

    # -- parts ---------------------------------------------------------------------------------------------

    async def _plain_index(self, feed: CondaFeed, subdir: str) -> Outbound:
        blob, edition = await feed.full(subdir, "json")
        if blob.size > _CODED_BYTES:
            return self._index(blob, edition, _JSON)
        return Document(
            digest=blob.digest, body=blob.data if blob.data is not None else blob.path, size=blob.size,
            content_type=_JSON, cache_control=_INDEX, cache=cache_of(edition.how, self._keeper()),
            age_s=_age(edition),
        )  # fmt: skip

    def _index(self, blob: Blob, edition: Edition, content_type: str) -> BlobAnswer:
        return BlobAnswer(
            blob=blob, content_type=content_type, cache_control=_INDEX, cache=cache_of(edition.how, self._keeper()),
            headers=(("Age", str(age)),) if (age := _age(edition)) is not None else (),
        )  # fmt: skip

    async def _bytes(self, request: Inbound, feed: CondaFeed, ref: ArtifactRef) -> Outbound:
        return await file_answer(request, self._keeper(), feed, ref, feed.refreshed)

    def _feed(self, request: Inbound) -> CondaFeed:
        feed = self._find(request.params["feed"])
        if feed is None:
            raise Problem("unknown", "there is no such conda feed here")
        return feed


def _document(blob: Blob) -> Document:
    body = blob.data if blob.data is not None else blob.path
    return Document(digest=blob.digest, body=body, size=blob.size, content_type=_JSON, cache_control=_INDEX)


def _small(body: bytes) -> Bytes:
    etag = hashlib.sha256(body).hexdigest()
    return Bytes(body=body, content_type=_JSON, cache_control=_INDEX, etag=etag)


def _age(edition: Edition) -> int | None:
    return int(edition.age_s) if edition.how is How.STALE else None
