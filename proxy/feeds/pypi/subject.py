"""A file whose own words are wanted: what the keeper is asked when an index does not tell a fact."""

from dataclasses import dataclass

from proxy.feeds.keeper import ArtifactRef
from proxy.model.digest import Sha256


@dataclass(frozen=True, slots=True)
class Subject:
    """A file whose own words are wanted. `advertised` is the digest that the index tells of its METADATA."""

    ref: ArtifactRef
    version: str | None
    advertised: Sha256 | None = None
    #: A client waits for this very file: it may be fetched whole, whatever its size.
    is_asked_for: bool = False
