"""What rules had to say of the files that were asked for: counted for /metrics, and logged where a policy audits.

A file that a policy in audit mode would hide is served, and every download of it leaves a line in the log, which is
what an administrator reads before the policy is enforced.
"""

import logging

from proxy.model.problem import Problem
from proxy.model.verdict import Verdict
from proxy.web.inbound import Inbound
from proxy.web.metrics import Metrics

_LOG = logging.getLogger("feedgate.policy")
#: The words of refusals that are verdicts.
_OUTCOMES = {"blocked": "block", "held": "hold", "quarantined": "block", "revoked": "block"}


class Verdicts:
    """Rules are named by the code and outcomes are few, so the labels are bounded."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def refused(self, problem: Problem) -> None:
        """Count a file that was asked for and is hidden."""
        outcome = _OUTCOMES.get(problem.word)
        if outcome is not None and problem.rule is not None:
            self._metrics.note_verdict(problem.rule, outcome)

    def served(
        self, request: Inbound, feed: str, policy: str | None, artifact: str, verdict: Verdict | None
    ) -> None:
        """Count a file that is served although a rule had something to say of it; parts of it do not count again."""
        if verdict is None or not _is_download(request):
            return
        if verdict.is_enforced:
            self._metrics.note_verdict(verdict.rule, verdict.outcome.value)
            return
        self._metrics.note_verdict(verdict.rule, f"audit-{verdict.outcome.value}")
        _LOG.warning(
            "audit: policy %s of feed %s would %s %s by %s: %s",
            verdict.policy or policy, feed, verdict.outcome.value, artifact, verdict.rule, verdict.reason,
        )  # fmt: skip


def _is_download(request: Inbound) -> bool:
    asked = request.header("Range")
    return request.method == "GET" and (asked is None or asked.startswith("bytes=0-"))
