"""First sight, as a catalog hands it on: when this server first saw each file of a name, and what is held for drift."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sights:
    """What is remembered of the files of one listing."""

    #: file -> UTC milliseconds of its first sight, and whether the first listing of its name had it.
    first: Mapping[str, tuple[int, bool]] = field(default_factory=dict)
    #: file whose digest changed -> why it is held.
    drifted: Mapping[str, str] = field(default_factory=dict)
