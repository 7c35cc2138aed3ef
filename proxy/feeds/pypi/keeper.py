"""What a PyPI feed asks of the keeper beyond what every kind asks: METADATA, the list of names, the JSON API.

Plain values in and out, like `proxy.feeds.keeper`.
"""

from typing import Protocol

from proxy.feeds.keeper import ArtifactRef
from proxy.feeds.pypi.subject import Subject
from proxy.model.digest import Sha256
from proxy.pypi.described import Described


class PypiKeeper(Protocol):
    """The kind's own calls."""

    async def core_metadata(
        self, ref: ArtifactRef, advertised: Sha256 | None, *, may_fetch: bool = True
    ) -> Sha256:
        """Return the blob of a wheel's METADATA: the origin's, or made from the wheel. Raises Problem.

        `may_fetch`: where nothing less tells it, the whole wheel is fetched.
        """
        ...

    async def described(self, subject: Subject) -> Described:
        """Return what a file says of itself. Raises Problem where it could not be found out now."""
        ...

    async def names(self, feed: str, form: str) -> Sha256:
        """Return the blob of the list of names ("html", "json"); Problem('preparing') until it is there."""
        ...

    async def information(self, feed: str, upstream: str, name: str, version: str | None) -> bytes | None:
        """Return the origin's legacy JSON document of a project or release, reduced; None if it has none."""
        ...

    async def provenance(self, ref: ArtifactRef, url: str) -> bytes:
        """Return the origin's attestation document of a file. Raises Problem."""
        ...
