"""What a benchmark says: rows of a ratio, its floor and its aim, as a markdown table and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured thing. `value` is what floor and aim are about: a ratio, or a quantity with its unit."""

    name: str
    #: What ours and the peer reached, as text with units.
    ours: str
    peer: str = "–"
    value: float
    unit: str = "×"
    floor: float | None = None
    aim: float | None = None
    better: Literal["higher", "lower"] = "higher"
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.floor is None:
            return "measured"
        if self.aim is not None and self._reaches(self.aim):
            return "aim"
        return "floor" if self._reaches(self.floor) else "BELOW"

    def _reaches(self, bound: float) -> bool:
        return self.value >= bound if self.better == "higher" else self.value <= bound


def markdown(rows: Sequence[Row]) -> str:
    """Return the table."""
    lines = [
        "| what | feedgate | peer | value | floor | aim | reached | note |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = (
            row.name, row.ours, row.peer, f"{_number(row.value)} {row.unit}",
            _bound(row, row.floor), _bound(row, row.aim), row.verdict, row.note,
        )  # fmt: skip
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines)


def as_json(rows: Sequence[Row], facts: dict[str, object]) -> str:
    """Return the rows with what was true of the run."""
    told = [{**asdict(row), "verdict": row.verdict} for row in rows]
    return json.dumps({"run": facts, "rows": told}, indent=1)


def _bound(row: Row, bound: float | None) -> str:
    if bound is None:
        return "–"
    return f"{'≥' if row.better == 'higher' else '≤'} {_number(bound)}"


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if value < 10 else f"{value:.1f}"


def mib(count: float) -> str:
    return f"{count / 1024**2:.0f} MiB"
