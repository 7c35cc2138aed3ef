"""A project: what one page of an index says (PEP 503, 691, 700, 792). The shard of the PyPI ecosystem.

`files` are in the order of `order.py`; `versions` are spelled as upstream, empty when the page did not list
them. How it is stored is said where it is stored.
"""

import msgspec

from proxy.pypi.distribution import Distribution


class Project(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One project with its files; the name is normalised."""

    name: str
    files: tuple[Distribution, ...] = ()
    versions: tuple[str, ...] = ()
    #: "active", "archived", "deprecated", "quarantined" or a later word, lower-case; None when not said (PEP
    #: 792).
    status: str | None = None
    status_reason: str | None = None
    #: The origin's journal serial, where the page carries it.
    serial: int | None = None
    api_version: str = "1.0"
