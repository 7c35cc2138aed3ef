"""What people see on a terminal, and programs in a pipe: folded columns, sizes, colours, words for nothing."""

import io
import re
import sys

import pytest

from proxy.cli.output import print_state, print_table, rounded

LONG = "linux-64/a-package-with-a-very-long-name-1.0.0.post1-py312h0123456789abcdef.conda"


class Terminal(io.StringIO):
    """Where a person reads."""

    def isatty(self) -> bool:
        return True


def terminal_in(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Let this test print to a terminal of sixty columns."""
    made = Terminal()
    monkeypatch.setattr(sys, "stdout", made)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return made


def test_every_cell_can_be_read_whole_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_in(monkeypatch)
    print_table(["FILE", "SIZE", "STATE"], [[LONG, rounded(3_500_000), "revoked: CVE-1 is in it, and more"]])
    text = terminal.getvalue()
    lines = re.sub(r"\x1b\[\d+m", "", text).splitlines()
    assert all(len(line) <= 60 for line in lines) and "…" not in text
    width = lines[0].index("SIZE")
    assert "".join(line[:width].strip() for line in lines[1:]) == LONG
    assert "3.3 MiB" in text


def test_where_columns_would_be_shreds_each_row_is_a_paragraph(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_in(monkeypatch)
    monkeypatch.setenv("COLUMNS", "40")
    header = ["FILE", "VERSION", "SIZE", "APPROVED", "BY", "STATE"]
    print_table(header, [[LONG, "1.0.0.post1", "3.3 MiB", "2026-12-01", "", "revoked: CVE-1"]])
    file, *others = terminal.getvalue().splitlines()
    assert file == f"\x1b[1m{LONG}\x1b[0m"
    assert others == [
        "  version 1.0.0.post1", "  size 3.3 MiB", "  approved 2026-12-01", "  state \x1b[31mrevoked: CVE-1\x1b[0m",
    ]  # fmt: skip


def test_a_state_has_its_colour_on_a_terminal_unless_nobody_wants_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = terminal_in(monkeypatch)
    rows = [[word, word] for word in ("active", "bytes pending", "revoked: x", "other")]
    print_table(["NAME", "STATE"], rows)
    green, yellow, red, plain = terminal.getvalue().splitlines()[1:]
    assert ("\x1b[32m" in green, "\x1b[33m" in yellow, "\x1b[31m" in red) == (True, True, True)
    assert "\x1b[3" not in plain and "\x1b" not in green.partition(" ")[0]
    print_state("a: ", "blocked by rule", "\x1b[2J")
    assert terminal.getvalue().splitlines()[-1] == "a: \x1b[31mblocked by rule\x1b[0m\\x1b[2J"
    monkeypatch.setenv("NO_COLOR", "1")
    before = len(terminal.getvalue())
    print_table(["NAME", "STATE"], rows)
    assert "\x1b[3" not in terminal.getvalue()[before:]


@pytest.mark.parametrize(
    ("size", "shown", "in_a_pipe"),
    [
        (0, "0 B", "0 B"), (1023, "1023 B", "1023 B"), (1536, "1.5 KiB", "1536 B"),
        (5 * 1024**2, "5.0 MiB", "5.0 MiB"), (3 * 1024**3, "3.0 GiB", "3072.0 MiB"),
    ],
)  # fmt: skip
def test_sizes_are_for_people_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, size: int, shown: str, in_a_pipe: str
) -> None:
    assert rounded(size) == in_a_pipe
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert rounded(size) == shown


def test_in_a_pipe_a_row_is_one_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["FILE", "STATE"], [[LONG, "revoked: a\x07b"]])
    _, line = capsys.readouterr().out.splitlines()
    assert line.split() == [LONG, "revoked:", "a\\x07b"]
    print_table(["FILE"], [], "nothing yet")
    assert capsys.readouterr().out == "nothing yet\n"
