"""`block_licenses` and `unknown_license`: two rules that ask one question, answered once per licence's text.

A licence that nobody has looked up yet holds the file where the answer could change what is shown. That is told
under `unknown_license`, whoever asked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from proxy.model.verdict import Outcome, Verdict
from proxy.policy.facts import Facts, License
from proxy.policy.license import is_overlong, read
from proxy.policy.license_words import Answer, Words
from proxy.policy.rule import blocked, by_leniency
from proxy.policy.settings import Kind, Leniency
from proxy.policy.wording import quoted

_LICENSE_OF: Callable[[Facts], License | None] = attrgetter("license")
NOT_KNOWN_YET = Verdict(Outcome.HOLD, "unknown_license", "its licence has not been looked up yet", "held")
#: Stands for a licence that was not asked for yet.
_ASK = NOT_KNOWN_YET


@dataclass(frozen=True, slots=True)
class BlockLicenses:
    """Blocks a licence of which no choice is left."""

    kind: Kind
    words: Words
    name: str = "block_licenses"
    _known: dict[License, Verdict | None] = field(default_factory=dict)

    def judge(self, facts: Facts, tick_ms: int) -> Verdict | None:
        licence = facts.license
        if licence is None:
            return NOT_KNOWN_YET
        try:
            return self._known[licence]
        except KeyError:
            verdict = self._known[licence] = self._judged(licence)
            return verdict

    def is_silent(self, files: Sequence[Facts], tick_ms: int) -> bool:
        """Tell, cheaper than file by file, that it has nothing to say; False where that is not sure."""
        return _knows_all_silent(self._known, files)

    def _judged(self, licence: License) -> Verdict | None:
        if is_overlong(self.kind, licence):
            what = "what it says of its licence is too long to be read"
            return blocked(self.name, f"{what}, so it may be one of the list ({self.name})")
        found = self.words.judge(read(self.kind, licence))
        if found.answer is not Answer.BLOCKED:
            return None
        what = f"its licence is {quoted(found.licence)}" if found.licence else "it tells no licence"
        return blocked(self.name, f"{what}; {quoted(found.word)} is on the list ({self.name})")


@dataclass(frozen=True, slots=True)
class UnknownLicense:
    """Says what an unknown licence means. Without words every licence that somebody knows passes."""

    kind: Kind
    words: Words
    leniency: Leniency
    name: str = "unknown_license"
    _known: dict[License, Verdict | None] = field(default_factory=dict)

    def judge(self, facts: Facts, tick_ms: int) -> Verdict | None:
        licence = facts.license
        if licence is None:
            return NOT_KNOWN_YET if self.leniency in ("hold", "block") else None
        try:
            return self._known[licence]
        except KeyError:
            verdict = self._known[licence] = self._judged(licence)
            return verdict

    def is_silent(self, files: Sequence[Facts], tick_ms: int) -> bool:
        """Tell, cheaper than file by file, that it has nothing to say; False where that is not sure."""
        return _knows_all_silent(self._known, files)

    def _judged(self, licence: License) -> Verdict | None:
        found = self.words.judge(read(self.kind, licence))
        if found.answer is not Answer.UNKNOWN:
            return None
        given = f": {quoted(found.licence)}" if found.licence else ""
        return by_leniency(self.leniency, self.name, f"its licence is not known{given}")


def _knows_all_silent(known: Mapping[License, Verdict | None], files: Sequence[Facts]) -> bool:
    """Tell whether all licences have been asked for before, and nothing was said of any."""
    # One licence is one value for thousands of files, so identity tells most of them apart.
    licenses = {id(licence): licence for licence in map(_LICENSE_OF, files)}.values()
    return all(licence is not None and known.get(licence, _ASK) is None for licence in licenses)
