"""No text from outside costs a reader more than linear time, little memory, or anything but a refusal (issue 9, 2)."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.child import Trial
from tests.fuzz.targets import TARGETS, Target
from tests.support.length import sized

ROOT = Path(__file__).parent.parent.parent
#: A child is worth its start for a few of them.
_AT_ONCE = 4
_NAMES = tuple(TARGETS)
GROUPS = [_NAMES[at : at + _AT_ONCE] for at in range(0, len(_NAMES), _AT_ONCE)]
CPU_S = sized(60, 900)


@pytest.mark.timeout(4 * CPU_S)
@pytest.mark.parametrize("readers", GROUPS, ids=", ".join)
def test_readers_refuse_or_read_in_linear_time(readers: tuple[str, ...], tmp_path: Path) -> None:
    text = tmp_path / "text"
    numbers = (CPU_S, sized(30, 3000), sized(1, 8))
    command = [sys.executable, "-m", "tests.fuzz.child", str(text), *map(str, numbers), *readers]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=4 * CPU_S, check=False)
    read = text.read_bytes()[:300] if text.exists() else b""
    assert done.returncode == 0, (
        f"status {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}\nwhile it read {read!r}"
    )


@pytest.mark.parametrize("reader", TARGETS)
def test_honest_text_is_read(reader: str) -> None:
    """Else a reader might refuse everything, and nothing would have been tried."""
    TARGETS[reader].read(TARGETS[reader].seeds[0])


def test_reader_that_takes_more_than_linear_time_is_found(tmp_path: Path) -> None:
    def read(given: str) -> object:
        return given.startswith("((") and [given.count("(") for _ in range((len(given) // 50) ** 2)]

    trial = Trial(Target(read, ("a",), size=6_000), tmp_path / "text")
    trial.grow(1)
    assert any(fault.startswith("run '(' in") for fault in trial.faults)
    assert not any("run 'a'" in fault for fault in trial.faults)


def test_reader_that_does_more_than_refuse_is_found(tmp_path: Path) -> None:
    def read(given: str) -> None:
        if "[[" in given:
            raise RecursionError(given[:10])
        raise ValueError("refused")

    trial = Trial(Target(read, ("a",), refusals=(ValueError,), size=10), tmp_path / "text")
    trial.grow(1)
    assert trial.faults
    assert all("RecursionError" in fault for fault in trial.faults)
