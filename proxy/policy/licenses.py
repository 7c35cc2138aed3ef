"""`block_licenses` and `unknown_license`: two rules that ask one question, answered once per licence's text.

A licence that nobody has looked up yet holds the file where the answer could change what is shown. That is told
under `unknown_license`, whoever asked.
"""

from dataclasses import dataclass, field

from proxy.model.verdict import Outcome, Verdict
from proxy.policy.facts import Facts, License
from proxy.policy.license import read
from proxy.policy.license_words import Answer, Words
from proxy.policy.rule import blocked, by_leniency
from proxy.policy.settings import Kind, Leniency
from proxy.policy.wording import quoted

NOT_KNOWN_YET = Verdict(Outcome.HOLD, "unknown_license", "its licence has not been looked up yet", "held")


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

    def _judged(self, licence: License) -> Verdict | None:
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

    def _judged(self, licence: License) -> Verdict | None:
        found = self.words.judge(read(self.kind, licence))
        if found.answer is not Answer.UNKNOWN:
            return None
        given = f": {quoted(found.licence)}" if found.licence else ""
        return by_leniency(self.leniency, self.name, f"its licence is not known{given}")
