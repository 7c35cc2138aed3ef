"""A project: what one page of an index says (PEP 503, 691, 700, 792). The shard of the PyPI ecosystem.

`files` are in the order of `order.py`; `versions` are spelled as upstream, empty when the page did not list
them. `pack` and `unpack` are the stored form: msgpack with the form's number in front, so that a later
program refuses an older form instead of misreading it (the catalog is derived data: a refetch makes it new).
"""

import msgspec

from proxy.pypi.distribution import Distribution

#: Raise it when the meaning or place of a stored field changes.
_FORM = 1


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

    @property
    def is_quarantined(self) -> bool:
        return self.status == "quarantined"


class DamagedProject(ValueError):
    """Stored bytes that are not a project of this program's form."""


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(tuple[int, Project])


def pack(project: Project) -> bytes:
    """Return the stored form."""
    return _ENCODER.encode((_FORM, project))


def unpack(data: bytes) -> Project:
    """Return the project that `pack` stored; raise DamagedProject for anything else."""
    try:
        form, project = _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as err:
        raise DamagedProject(f"not a stored project: {err}") from err
    if form != _FORM:
        raise DamagedProject(f"a stored project of form {form}, not {_FORM}")
    return project
