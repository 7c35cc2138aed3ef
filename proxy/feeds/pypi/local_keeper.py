"""The PyPI kind's own part of the keeper of a single process."""

import asyncio
from collections.abc import Mapping

from proxy.feeds.keeper import ArtifactRef
from proxy.feeds.local_keeper import LocalKeeper, gone
from proxy.feeds.pypi.core_metadata import CoreMetadata
from proxy.feeds.pypi.describing import Describing
from proxy.feeds.pypi.information import Information
from proxy.feeds.pypi.project_list import NameList
from proxy.feeds.pypi.subject import Subject
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.pypi.described import Described
from proxy.upstream.errors import BadAnswer, UpstreamError, problem_for

_PROVENANCE_BYTES = 4 * 1024**2


class LocalPypiKeeper:
    """`proxy.feeds.pypi.keeper`, called directly."""

    def __init__(
        self, keeper: LocalKeeper, metadata: CoreMetadata, describing: Describing,
        lists: Mapping[str, NameList], information: Mapping[str, Information],
    ) -> None:  # fmt: skip
        self._keeper = keeper
        self._metadata = metadata
        self._describing = describing
        self._lists = lists
        self._information = information

    async def core_metadata(
        self, ref: ArtifactRef, advertised: Sha256 | None, *, may_fetch: bool = True
    ) -> Sha256:
        return await self._metadata.get(ref, advertised, may_fetch=may_fetch)

    async def described(self, subject: Subject) -> Described:
        information = self._information.get(subject.ref.feed)
        if information is None:
            raise Problem("busy", "the settings of this feed have just changed", retry_after_s=1)
        return await self._describing.get(subject, information)

    async def names(self, feed: str, form: str) -> Sha256:
        return await self._lists[feed].get(form)

    def is_listing(self, feed: str) -> bool:
        """Tell whether the list of a feed's names is being made."""
        return feed in self._lists and self._lists[feed].is_being_made()

    async def information(self, feed: str, upstream: str, name: str, version: str | None) -> bytes | None:
        return await self._information[feed].get(upstream, name, version)

    async def provenance(self, ref: ArtifactRef, url: str) -> bytes:
        try:
            remote = await self._keeper.remote_of(ref)
            answer = await remote.document(
                url, accept="application/vnd.pypi.integrity.v1+json", max_bytes=_PROVENANCE_BYTES
            )
            if answer.status != 200:
                raise gone(ref)
            if "json" not in answer.headers.get("content-type", ""):
                raise BadAnswer("origin", "the attestation document is not JSON")
        except UpstreamError as error:
            raise problem_for(error, self._keeper.behind(ref)) from error
        return answer.body

    async def close(self, grace_s: float = 0.0) -> None:
        """Stop what is under way, after waiting that long for it."""
        await asyncio.gather(
            self._metadata.close(grace_s),
            *(listed.close(grace_s) for listed in self._lists.values()),
            *(told.close(grace_s) for told in self._information.values()),
        )
