"""Approvals made of nothing."""

import hashlib
from typing import Any

from proxy.model.approval import Approval, Promotion
from proxy.model.audit_entry import AuditEntry
from proxy.model.digest import Sha256


class Nobody:
    """Who acts in these tests."""

    id = "k1"
    name = "reviewer"
    address = "127.0.0.1"


def digest(text: str) -> Sha256:
    return Sha256(hashlib.sha256(text.encode()).hexdigest())


def approval(
    artifact: str = "demo-1.0-py3-none-any.whl", *, feed: str = "approved", **facts: Any
) -> Approval:
    """Return the approval of an artifact; its name is what stands before the first dash."""
    name, version = artifact.split("-")[:2]
    given: dict[str, Any] = {
        "id": f"a-{digest(feed + artifact)[:16]}", "feed": feed, "kind": "pypi", "name": name, "version": version,
        "artifact": artifact, "sha256": digest(artifact), "size": 3, "record": b"record", "source_feed": "open",
        "upstream": "origin", "origin_url": f"http://origin.test/{artifact}", "promotion_id": "p-1", "at_ms": 1000,
        "actor": "reviewer",
    }  # fmt: skip
    return Approval(**(given | facts))


def promotion(id_: str = "p-1", **facts: Any) -> Promotion:
    given: dict[str, Any] = {
        "id": id_, "feed": "approved", "source_feed": "open", "at_ms": 1000, "actor": "reviewer", "comment": "",
        "answer": b"{}",
    }  # fmt: skip
    return Promotion(**(given | facts))


def entry(action: str = "promotion.create", subject: str = "p-1") -> AuditEntry:
    return AuditEntry(Nobody(), action, subject)
