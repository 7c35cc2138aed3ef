"""From an order to the artifacts that it means: selection, closure, digests, the target's own policy.

It changes nothing. The kind answers what a spec means and what it needs (`selecting.Selecting`); what is common to
kinds is here. All refusals are gathered, so that a reviewer sees them at once; with any of them nothing is promoted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from proxy.feeds.promotion.order import Order, Picked, refusal
from proxy.feeds.promotion.selecting import (
    REQUESTED,
    Choice,
    Chosen,
    Found,
    LeftOut,
    Place,
    Refused,
    Selecting,
    Sought,
    Wanted,
    Why,
    refused,
)
from proxy.model.approval import Approval
from proxy.model.problem import Problem

#: One promotion of more than this is a mirror.
MOST_ARTIFACTS = 20_000


async def chosen_by(kind: Selecting, target: str, order: Order) -> tuple[list[Chosen], list[LeftOut]]:
    """Return what an order means, each artifact once, and what it leaves out. Raises Problem with every refusal."""
    asked = [await kind.find(order.source, artifact) for artifact in dict.fromkeys(order.artifacts)]
    sought = Sought(order.every, order.platforms, order.pythons)
    if order.include_dependencies and not order.every:
        asked += await _solved(kind, target, order, order.specs, _found(asked))
    else:
        selected = [
            await kind.select(order.source, spec, sought, target) for spec in dict.fromkeys(order.specs)
        ]
        asked += selected
        if order.include_dependencies:
            for wanted in _by_version([*_found(asked)]):
                asked += await _solved(kind, target, order, (), wanted)
    _refuse(target, (each for choice in asked for each in choice.refused))
    chosen = _merged(each for choice in asked for each in choice.chosen)
    if len(chosen) > MOST_ARTIFACTS:
        raise Problem(
            "unprocessable", f"this means {len(chosen)} artifacts; promote at most {MOST_ARTIFACTS}"
        )
    taken = {each.found.artifact for each in chosen}
    left_out = {each.artifact: each for choice in asked for each in choice.left_out}
    return chosen, [each for artifact, each in left_out.items() if artifact not in taken]


async def picked(
    kind: Selecting, target: str, order: Order, chosen: Sequence[Chosen], approved: Mapping[str, Approval]
) -> list[Picked]:
    """Return the artifacts with their digests, checked against what was seen and what is approved. Raises Problem.

    `approved` are the target's active approvals by artifact.
    """
    known = [await _hashed(kind, order, each, approved) for each in chosen]
    _refuse(target, _mismatches(order, known))
    _refuse(target, _conflicts(known, approved))
    new = [each.found for each in known if each.found.artifact not in approved]
    hidden = await kind.hidden(order.source, target, new)
    _refuse(target, (refused(artifact, verdict) for artifact, verdict in hidden.items()))
    return [
        Picked(each.found, each.why, each.found.artifact not in approved, each.found.sha256)
        for each in known
        if each.found.sha256 is not None
    ]


async def _solved(
    kind: Selecting, target: str, order: Order, specs: Sequence[str], found: Sequence[Found]
) -> list[Choice]:
    wanted = Wanted(tuple(specs), tuple(found))
    places = [
        Place(platform, python, order.virtual_packages)
        for platform in order.platforms
        for python in order.pythons or ("",)
    ]
    return [
        await kind.solve(order.source, target, wanted, place)
        for place in places
        if place.platform != "noarch"
    ]


async def _hashed(kind: Selecting, order: Order, chosen: Chosen, approved: Mapping[str, Approval]) -> Chosen:
    if chosen.found.sha256 is not None:
        return chosen
    present = approved.get(chosen.found.artifact)
    if present is not None and present.origin_url == chosen.found.origin_url:
        return replace(chosen, found=replace(chosen.found, sha256=present.sha256, size=present.size))
    return replace(chosen, found=await kind.hashed(order.source, chosen.found))


def _found(choices: Iterable[Choice]) -> list[Found]:
    return [each.found for choice in choices for each in choice.chosen]


def _by_version(found: Iterable[Found]) -> list[list[Found]]:
    """Return the artifacts in groups that may be installed together: one version of a name."""
    groups: dict[tuple[str, str], list[Found]] = {}
    for each in found:
        groups.setdefault((each.name, each.version), []).append(each)
    return list(groups.values())


def _merged(chosen: Iterable[Chosen]) -> list[Chosen]:
    """Return each artifact once; what was asked for by name is "requested", whatever else needs it."""
    merged: dict[str, Chosen] = {}
    for each in chosen:
        known = merged.get(each.found.artifact)
        if known is None or (known.why != REQUESTED and each.why == REQUESTED):
            merged[each.found.artifact] = each
    return list(merged.values())


def _mismatches(order: Order, chosen: Sequence[Chosen]) -> Iterable[Refused]:
    found = {each.found.artifact: each.found.sha256 for each in chosen}
    for artifact, seen in order.digests.items():
        if artifact not in found:
            reason = "a digest was given for it, but it is not among what is promoted"
            yield Refused(artifact, "mismatch", "digests", reason)
        elif found[artifact] != seen.lower():
            reason = f"its sha256 is {found[artifact]}, not the one that was seen"
            yield Refused(artifact, "mismatch", "digests", reason)


def _conflicts(chosen: Sequence[Chosen], approved: Mapping[str, Approval]) -> Iterable[Refused]:
    for each in chosen:
        present = approved.get(each.found.artifact)
        if present is not None and present.sha256 != each.found.sha256:
            drifted = present.drift is not None and present.drift.sha256 == each.found.sha256
            reason = (
                f"the file is approved with the sha256 {present.sha256}, and here it has {each.found.sha256}"
            )
            advice = "; accept the change of the approval, or revoke it first"
            outcome: Why = "drifted" if drifted else "conflict"
            yield Refused(each.found.artifact, outcome, "digest", f"{reason}{advice}")


def _refuse(target: str, refused: Iterable[Refused]) -> None:
    each = list(refused)
    if each:
        raise refusal(target, each)
