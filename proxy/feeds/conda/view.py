"""The view of a conda name: what an edition of a subdir shows of it, and what it hides."""

from proxy.conda.names import parse_file
from proxy.conda.record import Facts
from proxy.feeds.conda.channel import Edition
from proxy.feeds.view import View
from proxy.model.digest import Sha256
from proxy.model.verdict import Outcome, Verdict

CondaView = View[None, Facts]


def view_of(feed: str, edition: Edition, name: str) -> CondaView:
    """Return what the edition shows of a name: its records, and those of its files that are held. May read the disk."""
    generation = edition.generation
    block = generation.snapshot.block(name)
    records = block.facts() if block is not None else {}
    kept = {f"{edition.subdir}/{file}": facts for file, facts in records.items()}
    hidden = {
        f"{edition.subdir}/{file}": _held(why)
        for file, why in generation.snapshot.top.held.items()
        if (parsed := parse_file(file)) is not None and parsed.name == name
    }
    upstream = edition.upstream_of(name) if block is not None else ""
    return View(feed, name, upstream, Sha256(generation.stem), None, kept, hidden)


def _held(why: str) -> Verdict:
    """Return the verdict of a held file; its reason begins with the rule."""
    rule, _, reason = why.partition(": ")
    return Verdict(Outcome.HOLD, rule, reason, "held")
