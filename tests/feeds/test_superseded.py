"""Superseded shards are looked up by many threads at once, while packs come and go."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.conda.pack_writer import PackWriter
from proxy.feeds.conda.superseded import SupersededShards
from proxy.model.digest import Sha256

MISSING = Sha256("0" * 64)


@pytest.fixture
def hurried_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def write(path: Path) -> None:
    hidden = path.with_name(f".{path.name}")
    with hidden.open("wb") as out:
        PackWriter(out, b"").finish()
    hidden.rename(path)


@pytest.mark.usefixtures("hurried_threads")
def test_threads_that_look_up_while_packs_come_and_go_do_not_stumble(tmp_path: Path) -> None:
    shards, over, errors = SupersededShards(tmp_path), threading.Event(), list[Exception]()

    def look_up() -> None:
        while not over.is_set():
            try:
                assert shards.find(MISSING) is None
            except (AssertionError, RuntimeError, KeyError) as error:
                errors.append(error)
                return

    threads = [threading.Thread(target=look_up) for _ in range(6)]
    for thread in threads:
        thread.start()
    for number in range(100):
        path = tmp_path / f"{number}.superseded"
        write(path)
        if number % 2:
            path.unlink()
    over.set()
    for thread in threads:
        thread.join()
    assert errors == []
