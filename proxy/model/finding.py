"""A finding: one thing that `feedgate doctor` looked at, in one line. Plain values."""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and in words what was found and what to do."""

    name: str
    outcome: Outcome
    detail: str
