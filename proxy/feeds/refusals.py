"""Refusals: whether a 401 or 403 for a name's index means that the upstream lacks the name (contract, section 3).

Storage hosts (S3, GCS) say so of what is not there. A page that blocks everybody, or a limit of requests, says it of
everything, and must never hand a name to the next upstream: so an upstream that ever listed the name, or whose root is
refused as well, is in trouble. One with credentials, or a private one, that refuses is in trouble anyhow.
"""

from typing import Protocol

from proxy.config.settings import Upstream
from proxy.feeds.shards import Ask
from proxy.upstream.errors import AuthRefused, BadAnswer, Overloaded
from proxy.upstream.target import parse_target
from proxy.upstream.way import Way


class Listed(Protocol):
    """What upstreams have listed (state)."""

    async def has_listed(self, upstream: str, name: str) -> bool: ...


def may_mean_absent(upstream: Upstream, error: AuthRefused) -> bool:
    """Tell whether a refusal can mean that nothing is there at all."""
    return error.status in (401, 403) and not upstream.private and not upstream.has_credentials


class Refusals:
    """The refusals of one upstream. `root` is the document that a working origin answers for in some way."""

    def __init__(self, upstream: Upstream, remote: Way, listed: Listed, root: Ask) -> None:
        self._upstream = upstream
        self._remote = remote
        self._listed = listed
        self._root = root

    async def check(self, name: str, asked: Ask, error: AuthRefused) -> None:
        """Raise UpstreamError unless the refusal means that the upstream has no such name."""
        if not may_mean_absent(self._upstream, error):
            raise error
        if await self._listed.has_listed(self._upstream.id, name):
            raise _trouble(f"refuses {name} ({error.status}), which it has listed", error)
        if asked.url == self._root.url or not await self._is_answering(error):
            why = f"refuses everything ({error.status}): it may block this server, or limit its requests"
            raise _trouble(why, error)

    async def _is_answering(self, error: AuthRefused) -> bool:
        """Tell whether the root is answered, from the host that refused the name.

        It may be a list of a million names: nothing of it is read behind its header.
        """
        try:
            async with await self._remote.open(
                self._root.url,
                accept=self._root.accept,
                stop=1,
                index=True,
                is_file=False,
                has_substitute=True,
            ) as root:
                return parse_target(root.url).host == parse_target(error.origin).host
        except AuthRefused:
            return False
        except BadAnswer as other:
            # It says something else there, such as that it has no list.
            return other.status is not None


def _trouble(why: str, error: AuthRefused) -> Overloaded:
    return Overloaded("origin", f"the origin {why}", origin=error.origin, status=error.status)
