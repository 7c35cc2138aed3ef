"""A file that passed the gate: the record that lists it, and what the keeper is asked for."""

from dataclasses import dataclass

from proxy.feeds.keeper import ArtifactRef
from proxy.feeds.pypi.shard import unpack
from proxy.feeds.pypi.view import PypiView
from proxy.model.digest import Sha256
from proxy.model.verdict import Verdict
from proxy.pypi.distribution import Distribution


@dataclass(frozen=True, slots=True)
class Located:
    """A file of a view."""

    view: PypiView
    record: Distribution
    ref: ArtifactRef

    @property
    def verdict(self) -> Verdict | None:
        """What is to be said of it although it is shown."""
        return self.view.noted.get(self.record.path)

    def is_same_file(self, other: "Located") -> bool:
        """Tell whether both mean the same bytes: one digest, or one place that nobody tells a digest of."""
        one, two = self.ref, other.ref
        if one.sha256 is not None or two.sha256 is not None:
            return one.sha256 == two.sha256
        return (one.upstream, one.url) == (two.upstream, two.url)


def link_in(data: bytes, ref: ArtifactRef) -> str | None:
    """Return where a stored shard says that an artifact's bytes are, None where it lists no such bytes."""
    shard = unpack(data)
    same = (ref.filename, ref.sha256, dict(ref.other_hashes))
    for file in shard.project.files if shard is not None else ():
        others = {name: value for name, value in file.hashes.items() if name != "sha256"}
        if (file.filename, file.sha256, others) == same and ref.size in (None, file.size):
            return file.url
    return None


def located_in(view: PypiView, record: Distribution) -> Located:
    """Return the file behind a record that the view shows."""
    sha256 = record.sha256
    others = tuple((name, value) for name, value in record.hashes.items() if name != "sha256")
    ref = ArtifactRef(
        view.feed, view.name, view.upstream, record.url, record.filename,
        Sha256(sha256) if sha256 else None, record.size, others,
    )  # fmt: skip
    return Located(view, record, ref)
