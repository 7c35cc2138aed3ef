"""What rules had to say of what was asked for: counted with bounded labels, logged where a policy audits."""

import logging

import pytest
from multidict import CIMultiDict

from proxy.model.problem import Problem
from proxy.model.verdict import Outcome, Verdict
from proxy.web.exposition import render
from proxy.web.inbound import Inbound
from proxy.web.metrics import Metrics
from proxy.web.verdicts import Verdicts

AUDITED = Verdict(Outcome.HOLD, "min_age", "it came just now", "held", is_enforced=False)
WARNED = Verdict(Outcome.WARN, "unknown_license", "its licence is not known")


def asked(method: str = "GET", **fields: str) -> Inbound:
    async def no_body(_: int) -> bytes:
        return b""

    return Inbound(
        method, ("pypi", "f", "files", "x"), {}, "", CIMultiDict(fields), "127.0.0.1", "id", "http://h", no_body
    )  # fmt: skip


def served(verdicts: Verdicts, verdict: Verdict | None, request: Inbound | None = None) -> None:
    verdicts.served(request or asked(), "team", "corp", "a-1.0.tar.gz", verdict)


def test_audited_download_is_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    with caplog.at_level(logging.WARNING, "feedgate.policy"):
        served(Verdicts(metrics), AUDITED)
    assert metrics.verdicts == {("min_age", "audit-hold"): 1}
    assert "policy corp of feed team would hold a-1.0.tar.gz by min_age: it came just now" in caplog.text


def test_warning_is_counted_and_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    served(Verdicts(metrics), WARNED)
    served(Verdicts(metrics), None)
    assert metrics.verdicts == {("unknown_license", "warn"): 1}
    assert caplog.text == ""


def test_only_whole_downloads_count() -> None:
    metrics = Metrics()
    verdicts = Verdicts(metrics)
    for request in (asked("HEAD"), asked(Range="bytes=10-20"), asked(Range="bytes=-5")):
        served(verdicts, WARNED, request)
    assert metrics.verdicts == {}
    served(verdicts, WARNED, asked(Range="bytes=0-"))
    assert metrics.verdicts == {("unknown_license", "warn"): 1}


@pytest.mark.parametrize(
    ("word", "outcome"),
    [("blocked", "block"), ("held", "hold"), ("quarantined", "block"), ("revoked", "block")],
)
def test_refusal_is_counted_by_its_rule(word: str, outcome: str) -> None:
    metrics = Metrics()
    Verdicts(metrics).refused(Problem(word, "x", rule="block"))
    assert metrics.verdicts == {("block", outcome): 1}


def test_what_is_no_verdict_is_not_counted() -> None:
    metrics = Metrics()
    for problem in (Problem("unknown", "x"), Problem("held", "x"), Problem("conflict", "x", rule="block")):
        Verdicts(metrics).refused(problem)
    assert metrics.verdicts == {}


def test_files_of_a_feed_are_counted_for_those_who_may_know_of_it() -> None:
    metrics = Metrics()
    metrics.judged = lambda: {("open", "block", "block"): 2, ("closed", "block", "block"): 3}
    everything = render(metrics).decode()
    assert 'feedgate_judged_files{feed="closed",outcome="block",rule="block"} 3.0' in everything
    some = render(metrics, lambda feed: feed != "closed").decode()
    assert 'feedgate_judged_files{feed="open",outcome="block",rule="block"} 2.0' in some
    assert "closed" not in some


def test_metrics_tell_the_counts_by_rule_and_outcome() -> None:
    metrics = Metrics()
    served(Verdicts(metrics), AUDITED)
    text = render(metrics).decode()
    assert 'feedgate_verdicts_total{outcome="audit-hold",rule="min_age"} 1.0' in text
