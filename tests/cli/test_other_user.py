"""A data folder of another user: one line that says so, never a traceback (U7)."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.cli.calling import QUIET_FEED, ROOT, Place
from tests.config.loading import QUIET

#: Root reads everything, so it has to give that right up.
_PLAIN = ("capsh", "--drop=cap_dac_override,cap_dac_read_search", "--", "-c", 'exec "$@"', "sh")

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("capsh") is None,
    reason="needs root, to have folders of others, and capsh",
)


@pytest.mark.parametrize(
    "words",
    [
        ("doctor",), ("check-config",), ("key", "list"), ("key", "create", "ci"), ("serve", "--port", "0"),
        ("cache", "stats"), ("cache", "verify"), ("backup", "copy.tar"), ("restore", "copy.tar"), ("feed", "list"),
        ("reload",), ("audit",), ("snippet", "pypi"), ("feed", "delete", "x", "--broken"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_folder_of_another_user_is_one_line(place: Place, words: tuple[str, ...]) -> None:
    place.write(QUIET_FEED)
    place.begin()
    data = place.folder / "data"
    for path in (data, *data.rglob("*")):
        os.chown(path, 4321, 4321)
    data.chmod(0o700)
    done = subprocess.run(
        [*_PLAIN, sys.executable, "-m", "proxy", *words], cwd=place.folder, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(place.folder), **QUIET},
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode in (1, 2)
    (line,) = done.stderr.splitlines()
    assert "Permission denied" in line and str(data) in line and "user that" in line
    assert "\\n" not in line
