"""The README is what a newcomer follows: its commands are the ones that CI and the program really have."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.policy.parse import KEYS
from proxy.policy.spec import parse_spec
from proxy.web import attempts
from tests.config.loading import loads

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def commands() -> list[str]:
    return [line.removeprefix("$ ") for line in README.splitlines() if line.startswith("$ ")]


def test_the_two_commands_come_first() -> None:
    run, test = commands()[:2]
    assert run.endswith(".venv/bin/feedgate serve")
    assert test.endswith(".venv/bin/python -m tests")


def test_ci_calls_the_readmes_own_test_command() -> None:
    assert commands()[1] in (ROOT / ".ci/run").read_text("utf-8").splitlines()


def test_every_link_into_the_repository_leads_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`feedgate ([a-z-]+)", README))))
def test_every_command_that_it_names_exists(command: str) -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "proxy", command, "--help"], capture_output=True, check=False
    )
    assert asked.returncode == 0, asked.stderr


def test_no_placeholder_is_left() -> None:
    assert "@@" not in README


def examples(chapter: str) -> list[str]:
    """Return the TOML examples of a chapter."""
    text = README.partition(f"\n## {chapter}\n")[2].partition("\n## ")[0]
    return re.findall(r"```toml\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("example", examples("Policies"), ids=lambda text: text.split("]", 1)[0].strip("["))
def test_every_example_of_a_policy_is_one(example: str, tmp_path: Path) -> None:
    assert loads(tmp_path, example).settings.policies


def test_every_spec_that_the_policies_show_is_one() -> None:
    chapter = README.partition("\n### Specs\n")[2].partition("\n### ")[0]
    rows = {"conda": "| conda feeds |", "pypi": "| PyPI feeds |"}
    for kind, begin in rows.items():
        row = next(line for line in chapter.splitlines() if line.startswith(begin))
        specs = [spec for spec in re.findall(r"`([^`]+)`", row) if not spec.startswith("=")]
        assert len(specs) >= 4
        for spec in specs:
            assert parse_spec("conda" if kind == "conda" else "pypi", spec).text == spec


def test_readme_tells_every_key_of_a_policy() -> None:
    chapter = README.partition("\n## Policies\n")[2].partition("\n## ")[0]
    keys = re.findall(r"^\| `(?:\[+policies\.NAME\.)?([a-z_]+)\]*`", chapter, re.MULTILINE)
    assert sorted(keys) == sorted(KEYS)


@pytest.mark.parametrize("example", examples("Closed feeds and keys"))
def test_the_example_of_a_closed_feed_is_one(example: str, tmp_path: Path) -> None:
    feed = loads(tmp_path, example).settings.feeds["corp"]
    assert not feed.anonymous
    assert dict(feed.grants) == {"authenticated": ("read",), "group:reviewers": ("promote",)}


def test_the_limits_of_wrong_keys_are_those_of_the_program() -> None:
    assert (attempts.MAX_ALIKE, attempts.MAX_OF_ADDRESS, attempts.WINDOW_S) == (10, 60, 60.0)
    assert "more than ten wrong keys a minute from one address that begin alike, or sixty in all" in README
