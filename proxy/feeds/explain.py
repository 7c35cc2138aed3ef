"""Why can I not get X? Every artifact that a person means, with what is decided, by which rule, and until when.

Reads what index forms and the gate read (`Listing.explained`), so it cannot tell another story than they do. What is
hidden is told without digest and size. What the feed does not have at all is told too, with the reason that is known:
a reserved name, an owner that is held, a subdir that is not served, a name that no upstream has.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from packaging.requirements import InvalidRequirement
from packaging.version import InvalidVersion, Version

from proxy.conda.names import parse_file
from proxy.config.settings import Feed
from proxy.feeds.explained import ArtifactExplained, NameExplained
from proxy.feeds.listing import Ask, ChangeItem, Judged, Listing, change_item, judged
from proxy.feeds.ownership import candidates, matches, readings
from proxy.feeds.view import policy_of
from proxy.model.problem import Problem
from proxy.model.verdict import Outcome
from proxy.policy.facts import Facts, told
from proxy.policy.settings import Kind
from proxy.policy.spec import BadSpec, Spec, read_spec
from proxy.pypi.names import normalize, projects_of, version_of
from proxy.pypi.requirements import parse_requirement

#: A glob over names is answered for so many of them, out of so many pages of a thousand names that resemble it.
_MOST_NAMES = 100
_MOST_PAGES = 20
_FILES = (".conda", ".tar.bz2")
#: Words of problems that say that there is nothing.
_NOTHING = ("unknown", "not-approved")
#: Rules of what is not held, whether it is anywhere or not.
_UNHELD = ("unlisted", "unknown")
_UNASKED = "nothing of this name is known here: either no upstream of this feed has it, or nobody has asked for it yet"


class ExplainItem(msgspec.Struct, frozen=True, kw_only=True):
    """One artifact, or a name of which there is none. `outcome` is allow, warn, hold, block, or absent."""

    artifact: str
    outcome: str
    #: The policy that decided; null where it was none.
    policy: str | None
    rule: str
    reason: str
    facts: dict[str, Any]
    until: str | None
    #: Who approved it, in a curated feed.
    approvers: list[str] = []
    #: What every rule of the policy says, in the order in which they are asked; the first that blocks decides.
    findings: list[Judged] = []
    #: A curated feed: what the file needs and nothing that is shown meets, as the package says it.
    missing: list[str] = []

    #: Only where the origin has changed it, and the change is held.
    change: ChangeItem | UnsetType = UNSET

    @property
    def is_shown(self) -> bool:
        return self.outcome in ("allow", "warn")


class Explainer:
    """One feed."""

    def __init__(self, feed: Feed, listing: Listing) -> None:
        self._feed = feed
        self._listing = listing
        self._kind: Kind = "conda" if feed.kind == "conda" else "pypi"

    async def name(self, text: str) -> list[ExplainItem]:
        """Explain a name by what is held, newest version first; nobody outside is asked. Raises Problem."""
        if not self._listing.is_name(text):
            raise Problem("unknown", "this is no name of a package", feed=self._feed.name)
        name = normalize(text) if self._kind == "pypi" else text.lower()
        found = await self._name(name, offline=True)
        if isinstance(found, ExplainItem):
            is_unasked = found.rule in _UNHELD
            return [msgspec.structs.replace(found, reason=_UNASKED) if is_unasked else found]
        return await asyncio.to_thread(self._all, found) or [
            _absent(name, "unlisted", "the upstream of this name lists no file of it")
        ]

    async def artifact(self, text: str, *, offline: bool = False) -> list[ExplainItem]:
        """Explain one file: conda `subdir/file` or a file of any subdir, PyPI a file name. Raises Problem.

        `offline`: nobody outside is asked.
        """
        wanted = text.strip().removesuffix(".metadata")
        if self._kind == "pypi":
            wanted = wanted.rpartition("/")[2]
        names = readings(self._feed, self._names_of(wanted))
        if not names:
            raise Problem("unprocessable", "this is no file name of a package", feed=self._feed.name)
        absent: list[ExplainItem] = []
        for name, may_ask in names:
            found = await self._name(name, offline=offline or not may_ask)
            if isinstance(found, ExplainItem):
                absent.append(msgspec.structs.replace(found, artifact=wanted))
                continue
            items = [self._item(found, each) for each in found.artifacts if _is(each.artifact, wanted)]
            if items:
                return items
            absent.append(self._unlisted(found, wanted))
        return absent[:1]

    async def spec(
        self, text: str, is_enough: Callable[[Sequence[ExplainItem]], bool] | None = None
    ) -> list[ExplainItem]:
        """Explain what a MatchSpec or requirement means, newest version first. Raises Problem.

        Of names that a glob means nobody outside is asked, and those are left out that come when it `is_enough`.
        """
        # Off the loop: the first spec brings py-rattler along, and a page may have thousands of files.
        spec = await asyncio.to_thread(self._parse, text)
        items: list[ExplainItem] = []
        for name in await self._names(spec):
            if is_enough is not None and is_enough(items):
                break
            found = await self._name(name, offline=not spec.name.is_exact)
            if isinstance(found, ExplainItem):
                items.append(found)
                continue
            items += await asyncio.to_thread(self._meant, found, spec) or [self._none_of(found, text)]
        return items or [_absent(text, "unknown", "this feed has no name like that")]

    # -- parts ---------------------------------------------------------------------------------------------

    def _meant(self, found: NameExplained, spec: Spec) -> list[ExplainItem]:
        return self._newest_first(
            found, [each for each in map(self._with_facts, found.artifacts) if _means(spec, each.facts)]
        )

    def _all(self, found: NameExplained) -> list[ExplainItem]:
        return self._newest_first(found, [self._with_facts(each) for each in found.artifacts])

    def _newest_first(self, found: NameExplained, meant: list[ArtifactExplained]) -> list[ExplainItem]:
        meant.sort(key=lambda each: _age_of(self._kind, each), reverse=True)
        return [self._item(found, each) for each in meant]

    def _parse(self, text: str) -> Spec:
        try:
            return read_spec(self._kind, _requirement(text) if self._kind == "pypi" else text)
        except BadSpec as err:
            raise Problem("unprocessable", f"spec: {err}", feed=self._feed.name) from err

    async def _names(self, spec: Spec) -> Sequence[str]:
        if spec.name.is_exact:
            return (spec.name.text,)
        longest = max(spec.name.text.replace("?", "*").split("*"), key=len)
        names: list[str] = []
        after: str | None = None
        for _ in range(_MOST_PAGES):
            page = await self._listing.names(Ask(limit=1000, q=longest, after=after))
            names += (item.name for item in page.items if spec.name.matches(item.name))
            after = page.next
            if after is None or len(names) >= _MOST_NAMES:
                break
        return names[:_MOST_NAMES]

    def _names_of(self, artifact: str) -> Sequence[str]:
        if self._kind == "pypi":
            return projects_of(artifact)
        parsed = parse_file(artifact.rpartition("/")[2])
        return () if parsed is None else (parsed.name,)

    async def _name(self, name: str, *, offline: bool = False) -> NameExplained | ExplainItem:
        """Return the name's artifacts, or why there are none. `offline`: nobody outside is asked."""
        if self._feed.upstreams and not candidates(self._feed, name):
            if matches(name, self._feed.reserved):
                reason = "the name is reserved for private upstreams, and no private upstream may have it"
                return _absent(name, "reserved", reason)
            return _absent(name, "upstreams", "no upstream of this feed may have this name (only, except)")
        try:
            found = await self._listing.explained(name, offline=offline)
        except Problem as problem:
            if offline and problem.word == "unknown":
                return _absent(
                    name, "unlisted", "nobody has asked for it here yet; ask for it by its name alone"
                )
            return self._refused(name, problem)
        if found.artifacts or found.verdict is None:
            return found
        return self._item(found, ArtifactExplained(name, found.verdict))

    def _refused(self, name: str, problem: Problem) -> ExplainItem:
        if problem.feed not in (None, self._feed.name):
            # It is behind this feed, and its own explain says more to those who may read it.
            problem = problem.without_names(self._feed.name)
        if problem.rule is not None:
            outcome = Outcome.HOLD if problem.word == "held" else Outcome.BLOCK
            return ExplainItem(
                artifact=name, outcome=outcome.value, policy=problem.policy, rule=problem.rule,
                reason=problem.plain or problem.detail,
                facts={"name": name}, until=problem.until,
            )  # fmt: skip
        if problem.word not in _NOTHING:
            raise problem
        is_reserved = matches(name, self._feed.reserved)
        rule = "reserved" if is_reserved and problem.word == "unknown" else problem.word
        detail = f"{problem.detail}; the name is reserved: only private upstreams are asked for it"
        return _absent(name, rule, detail if rule == "reserved" else problem.detail)

    def _unlisted(self, found: NameExplained, artifact: str) -> ExplainItem:
        subdir, slash, _ = artifact.rpartition("/")
        served = self._feed.subdirs
        if slash and served and subdir not in served and subdir != "noarch":
            reason = f"this feed serves {', '.join(served)} and not {subdir} (subdirs)"
            return _absent(artifact, "subdirs", reason)
        if self._feed.curated_from:
            return _absent(artifact, "not-approved", f"nobody has approved it for {self._feed.name}")
        count = len(found.artifacts)
        reason = f"no upstream of this feed lists this file; of {found.name} {count} files are known"
        return _absent(artifact, "unlisted", reason)

    def _none_of(self, found: NameExplained, spec: str) -> ExplainItem:
        reason = f"none of the {len(found.artifacts)} files of {found.name} is meant by {spec}"
        rule = "not-approved" if self._feed.curated_from else "unlisted"
        return _absent(found.name, rule, reason)

    def _item(self, found: NameExplained, each: ArtifactExplained) -> ExplainItem:
        verdict = judged(each.verdict)
        facts = self._with_facts(each).facts
        return ExplainItem(
            artifact=each.artifact, outcome=verdict.outcome, policy=policy_of(each.verdict, found.policy),
            rule=verdict.rule, reason=verdict.reason, facts=told(facts) if facts is not None else {"name": found.name},
            until=verdict.until, approvers=list(each.approvers),
            findings=[judged(finding) for finding in each.findings],
            change=change_item(each.change, is_served=each.is_served) if each.change is not None else UNSET,
        )  # fmt: skip

    def _with_facts(self, each: ArtifactExplained) -> ArtifactExplained:
        """Return the artifact with what its name says where nothing else is known."""
        if each.facts is not None:
            return each
        if self._kind == "conda":
            subdir, _, file = each.artifact.rpartition("/")
            parsed = parse_file(file)
            if parsed is None:
                return each
            facts = Facts(
                file=file, name=parsed.name, version=parsed.version, build=parsed.build, subdir=subdir
            )
            return each._replace(facts=facts)
        names = projects_of(each.artifact)
        if not names:
            return each
        name = names[0]
        facts = Facts(file=each.artifact, name=name, version=version_of(each.artifact, name))
        return each._replace(facts=facts)


def with_missing(item: ExplainItem, missing: Sequence[str]) -> ExplainItem:
    """Return what is said of a file that is shown and cannot be installed, because this feed lacks what it needs."""
    if not missing:
        return item
    lacks = f"it needs {', '.join(missing)}, and nothing that this feed shows meets that"
    reason = f"{item.reason}; {lacks}" if item.reason else lacks
    return msgspec.structs.replace(item, missing=list(missing), reason=reason)


def _absent(artifact: str, rule: str, reason: str) -> ExplainItem:
    return ExplainItem(
        artifact=artifact, outcome="absent", policy=None, rule=rule, reason=reason, facts={}, until=None
    )


def _is(artifact: str, wanted: str) -> bool:
    return wanted in (artifact, artifact.rpartition("/")[2])


def _means(spec: Spec, facts: Facts | None) -> bool:
    try:
        return facts is not None and spec.matches(facts)
    except ValueError:
        return False


def _age_of(kind: Kind, each: ArtifactExplained) -> tuple[Any, str]:
    """Return what artifacts are sorted by: the version, then the name; one that nobody can read is the oldest."""
    text = (each.facts.version if each.facts is not None else None) or ""
    try:
        if kind == "pypi":
            return (1, Version(text)), each.artifact
        from proxy.policy.conda_version import version_key

        return (1, version_key(text)), each.artifact
    except (InvalidVersion, ValueError):
        return (0,), each.artifact


def _requirement(text: str) -> str:
    """Return a requirement as a spec of a policy: extras and markers choose among what there is, and hide nothing."""
    try:
        parsed = parse_requirement(text)
    except InvalidRequirement:
        return text
    if parsed.url is not None:
        return text
    return f"{normalize(parsed.name)} {parsed.specifier}".strip()


def is_artifact(kind: str, text: str) -> bool:
    """Tell whether a person who writes this means a file and not a spec."""
    text = text.strip()
    if kind == "conda":
        return text.endswith(_FILES)
    return bool(projects_of(text.rpartition("/")[2].removesuffix(".metadata")))
