"""The view of a conda name: what an edition of a subdir shows of it, what it hides, and why.

What a policy hides is worked out when somebody asks for the name: the generation holds only what is shown, and lists
of what is hidden would be as long as the channel.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

from proxy.conda.block import Block
from proxy.conda.names import parse_file
from proxy.conda.record import Facts
from proxy.conda.snapshot import Top
from proxy.feeds.conda.edition import Edition, HeldSubdir
from proxy.feeds.conda.ruling import Place, Ruling, facts_of_block
from proxy.feeds.view import WITHOUT_POLICY, View
from proxy.model.digest import Sha256
from proxy.model.sights import Change
from proxy.model.verdict import ALLOWED, Outcome, Verdict
from proxy.policy.facts import Facts as Judgeable
from proxy.policy.facts import moment
from proxy.policy.judged import Judged

CondaView = View[None, Facts]

#: What a policy lets through and the generation does not have: a doubt, so it is hidden.
_DOUBTFUL = Verdict(Outcome.HOLD, "policy", "the index that would show it is being made", "held")


#: What is said of a file that still downloads, though the origin has taken it out of its index.
REMOVED = Verdict(
    Outcome.ALLOW,
    "removed",
    "the origin has taken it out of its index; a lock file that names it still gets it",
)


class Explained(NamedTuple):
    """A file as a feed's policy judges it: the facts, and what every rule has to say."""

    facts: Judgeable
    findings: tuple[Verdict, ...]


def view_of(feed: str, edition: Edition, name: str) -> CondaView:
    """Return what the edition shows of a name: its records, and why others are hidden. May read disk and state."""
    generation, ruling = edition.generation, edition.ruling
    block = generation.snapshot.block(name)
    records = block.facts() if block is not None else {}
    kept = {f"{edition.subdir}/{file}": facts for file, facts in records.items()}
    below = edition.below[edition.place_of(name)] if block is not None and edition.below else None
    hidden = _left_out(edition.subdir, generation.snapshot.top, name) | _held(
        edition.subdir, generation.snapshot.top.held, name
    )
    hidden |= _hidden_below(feed, below, name)
    if edition.is_behind and below is not None and below.generation is not None:
        hidden |= _held(edition.subdir, below.generation.snapshot.top.held, name)
    verdicts: Mapping[str, Verdict] = {}
    needed: Mapping[str, str] = {}
    if below is not None and ruling is not None:
        needed = _needed(edition, name, records)
        verdicts = _judged(ruling, edition.subdir, below, name, needed).by_artifact
        refused = {path: verdict for path, verdict in verdicts.items() if path not in kept}
        hidden |= {path: each if not each.is_visible else _DOUBTFUL for path, each in refused.items()}
    if edition.is_behind:
        # It stands in for an edition that cannot be made, and may list what is hidden by now.
        hidden |= {path: verdict for path, verdict in verdicts.items() if not verdict.is_visible}
        kept = {path: facts for path, facts in kept.items() if path not in hidden}
    told = None if edition.is_behind else generation.snapshot.top.removed.get(name, {})
    removed = _removed(ruling, edition.subdir, below, name, needed, told)
    hidden = removed.hidden | hidden
    return View(
        feed, name, edition.upstream_of(name) if block is not None else "", Sha256(generation.stem), None, kept,
        hidden, removed=removed.without(hidden.keys() | kept.keys()), noted=_noted(verdicts, kept) | removed.noted,
        policy=_name_of(ruling), until=moment(edition.until_ms),
        changes=_changes_in(edition.subdir, generation.snapshot.top, name),
    )  # fmt: skip


def judged_view(
    feed: str, subdir: str, upstream: str, held: HeldSubdir, ruling: Ruling, name: str
) -> CondaView:
    """Return the view that the next generation will have, while it is being made: of a feed with one upstream.

    What is allowed here the generation shows, because both are judged by the same rules on the same records.
    """
    generation = held.generation
    assert generation is not None
    block = generation.snapshot.block(name)
    judged = _judged(ruling, subdir, held, name, {})
    verdicts = judged.by_artifact
    records = {
        f"{subdir}/{file}": facts for file, facts in (block.facts() if block is not None else {}).items()
    }
    kept = {path: facts for path, facts in records.items() if verdicts[path].is_visible}
    hidden = _left_out(subdir, generation.snapshot.top, name) | _held(
        subdir, generation.snapshot.top.held, name
    )
    hidden |= _hidden_below(feed, held if block is not None else None, name)
    hidden |= {path: verdict for path, verdict in verdicts.items() if path not in kept}
    removed = _removed(ruling, subdir, held, name, {}, None)
    hidden = removed.hidden | hidden
    return View(
        feed, name, upstream if block is not None else "", Sha256(generation.stem), None, kept, hidden,
        removed=removed.without(hidden.keys() | kept.keys()), noted=_noted(verdicts, kept) | removed.noted,
        policy=_name_of(ruling), until=judged.until,
        changes=_changes_in(subdir, generation.snapshot.top, name),
    )  # fmt: skip


def explained_of(edition: Edition, name: str) -> Mapping[str, Explained]:
    """Return the facts of a name's files, and what each rule says of those that the edition's policy judges."""
    entries = edition.generation.snapshot.pack.entries
    if not edition.below or name not in entries:
        return {}
    below = edition.below[edition.place_of(name)]
    if edition.ruling is None:
        plain = facts_of_block(*_with_removed(below, name, edition.subdir), None, {})
        return {facts.artifact: Explained(facts, ()) for facts in plain}
    block = edition.generation.snapshot.block(name)
    needed = _needed(edition, name, block.facts() if block is not None else {})
    found = edition.ruling.findings(*_with_removed(below, name, edition.subdir), needed)
    return {facts.artifact: Explained(facts, findings) for facts, findings in found}


# -- what the origin has taken out -----------------------------------------------------------------------------


class _Removed(NamedTuple):
    """The files of a name that the origin has taken out of its index, by path."""

    shown: dict[str, Facts]
    hidden: dict[str, Verdict]
    noted: dict[str, Verdict]

    def without(self, others: Collection[str]) -> dict[str, Facts]:
        return {path: facts for path, facts in self.shown.items() if path not in others}


def _removed(
    ruling: Ruling | None, subdir: str, below: HeldSubdir | None, name: str, needed: Mapping[str, str],
    told: Collection[str] | None,
) -> _Removed:  # fmt: skip
    """Return the files of a name that were listed once, and that the origin's `removed` names now.

    Their last records are judged beside those that are listed, so that `keep_versions` counts all. `told` are the files
    of which the feed's own index tells; None: it is not made yet.
    """
    generation = below.generation if below is not None else None
    if below is None or generation is None or not (raws := generation.snapshot.top.removed.get(name)):
        return _Removed({}, {}, {})
    facts = {f"{subdir}/{file}": each for file, each in Block(name).with_records(raws).facts().items()}
    if ruling is None:
        return _Removed({path: each for path, each in facts.items() if _is_told(path, told)}, {}, {})
    verdicts = ruling.judged(*_with_removed(below, name, subdir), needed).by_artifact
    shown = {path: each for path, each in facts.items() if verdicts[path].is_visible and _is_told(path, told)}
    hidden = {
        path: _DOUBTFUL if verdicts[path].is_visible else verdicts[path]
        for path in facts.keys() - shown.keys()
    }
    return _Removed(shown, hidden, _noted(verdicts, shown))


def _with_removed(below: HeldSubdir, name: str, subdir: str) -> tuple[Block, Place]:
    """Return all records of a name that are known, and where they lie."""
    block, place = _below(below, name, subdir)
    removed = below.generation.snapshot.top.removed.get(name, {}) if below.generation is not None else {}
    return (block.with_records(removed) if removed else block), place


def _is_told(path: str, told: Collection[str] | None) -> bool:
    return told is None or path.partition("/")[2] in told


# -- parts -----------------------------------------------------------------------------------------------------


def _changes_in(subdir: str, top: Top, name: str) -> dict[str, Change]:
    """Return what changed about files of a name at their origin."""
    if not top.changes:
        return {}
    parsed = ((file, change, parse_file(file)) for file, change in top.changes.items())
    return {
        f"{subdir}/{file}": change for file, change, each in parsed if each is not None and each.name == name
    }


def _hidden_below(feed: str, below: HeldSubdir | None, name: str) -> dict[str, Verdict]:
    """Return what a feed of this server that is the name's upstream hides; its verdicts name its policy."""
    if below is None or below.edition is None:
        return {}
    found = view_of(feed, below.edition, name)
    return {path: _signed(verdict, found.policy) for path, verdict in found.hidden.items()}


def _signed(verdict: Verdict, policy: str | None) -> Verdict:
    is_signed = verdict.policy is not None or verdict.rule in WITHOUT_POLICY
    return verdict if is_signed else replace(verdict, policy=policy)


def _needed(edition: Edition, name: str, shown: Mapping[str, Facts]) -> Mapping[str, str]:
    """Return the files that a package list needs -> by what: what is shown is named by it or needed."""
    return edition.noted(name).needed | dict.fromkeys(shown, "the package list")


def _judged(ruling: Ruling, subdir: str, below: HeldSubdir, name: str, needed: Mapping[str, str]) -> Judged:
    return ruling.judged(*_below(below, name, subdir), needed)


def _below(below: HeldSubdir, name: str, subdir: str) -> tuple[Block, Place]:
    generation = below.generation
    block = generation.snapshot.block(name) if generation is not None else None
    if generation is None or block is None:
        return Block(name), Place(subdir, below.lineage)
    source = generation.snapshot.pack.entries[name].source
    return block, Place(subdir, below.lineage.origin_of(source))


def _noted(verdicts: Mapping[str, Verdict], kept: Mapping[str, Facts]) -> dict[str, Verdict]:
    return {path: verdict for path, verdict in verdicts.items() if path in kept and verdict is not ALLOWED}


def _name_of(ruling: Ruling | None) -> str | None:
    return ruling.policy.name if ruling is not None else None


def _left_out(subdir: str, top: Top, name: str) -> dict[str, Verdict]:
    """Return the files of a name whose records nobody can read: they are listed nowhere, and known as such."""
    return {
        f"{subdir}/{file}": Verdict(Outcome.BLOCK, "record", f"its record was left out: {why}", "unknown")
        for file, why in top.dropped.get(name, {}).items()
        if (parsed := parse_file(file)) is not None and parsed.name == name
    }


def _held(subdir: str, held: Mapping[str, str], name: str) -> dict[str, Verdict]:
    return {
        f"{subdir}/{file}": _verdict(why)
        for file, why in held.items()
        if (parsed := parse_file(file)) is not None and parsed.name == name
    }


def _verdict(why: str) -> Verdict:
    """Return the verdict of a held file; its reason begins with the rule."""
    rule, _, reason = why.partition(": ")
    return Verdict(Outcome.HOLD, rule, reason, "held")
