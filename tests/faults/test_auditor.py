"""The auditor complains: each law of it is broken here once, because a test that cannot fail is a defect."""

import asyncio
import base64
import logging
import threading
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.faults.agreement import Agreement
from tests.faults.auditor import LAG_S
from tests.faults.client import Fetched
from tests.faults.lag import Beat
from tests.faults.scene import SDIST, WHEEL, Scene
from tests.faults.secrets import CANARIES, found_in
from tests.support.faults import Fault

SECRET = CANARIES["basic"]


async def warmed(scene: Scene) -> Fetched:
    """Start, fetch the wheel, and return an answer to be falsified."""
    await scene.start()
    await scene.warm()
    answer = await scene.get(scene.file)
    await scene.settled()
    return answer


def complaints(scene: Scene) -> list[str]:
    auditor = scene.auditor
    return [*auditor.bytes_are_right(), *auditor.answers_are_the_contracts()]


async def test_wrong_bytes_are_noticed(scene: Scene) -> None:
    """I1: whole, in part, and in a side file."""
    answer = await warmed(scene)
    part = await scene.get(scene.file, Range="bytes=10-19")
    side = await scene.get(f"{scene.file}.metadata")
    assert complaints(scene) == []
    for each in (answer, part, side):
        right, each.body = each.body, each.body[:-1] + b"?"
        assert len(complaints(scene)) == 1
        assert complaints(scene)[0].startswith("I1: ")
        each.body = right


async def test_answers_out_of_form_are_noticed(scene: Scene) -> None:
    """The contract's table: statuses, words, fields."""
    await warmed(scene)
    missing = await scene.get("/pypi/pypi/simple/none/")
    assert complaints(scene) == []
    for status in (500, 504, 401, 407):
        missing.status = status
        assert complaints(scene)
    missing.status, missing.reason = 404, "Gone fishing"
    assert complaints(scene)
    missing.reason = "Not found"
    missing.headers = {**missing.headers, "set-cookie": "a=b"}
    assert complaints(scene)
    scene.auditor.answers.remove(missing)


async def test_second_request_for_an_artifact_is_noticed(scene: Scene) -> None:
    """I6."""
    await warmed(scene)
    assert list(scene.auditor.one_fetch()) == []
    scene.origin.always(scene.file_path, Fault(delay_s=0.1))
    await asyncio.gather(*(_straight(scene) for _ in range(2)))
    assert len(list(scene.auditor.one_fetch())) == 1
    scene.origin.forget()


async def _straight(scene: Scene) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", scene.origin.port)
    writer.write(f"GET {scene.file_path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await asyncio.sleep(0.1)
    writer.close()


async def test_what_is_left_on_the_disk_is_noticed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """I7, and names that are not the digest of their bytes."""
    monkeypatch.setattr("tests.faults.auditor._SETTLING_S", 0.1)
    await warmed(scene)
    temp = scene.folder / "data/cache/blobs/tmp/left"
    temp.write_bytes(b"x")
    assert len(await scene.auditor.no_temps()) == 1
    temp.unlink()
    wrong = scene.folder / "data/cache/blobs/ab" / ("ab" + "0" * 62)
    wrong.parent.mkdir(exist_ok=True)
    wrong.write_bytes(b"x")
    assert len(list(scene.auditor.blobs_are_their_names())) == 1
    wrong.unlink()


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        quote(SECRET, safe=""),
        *(base64.b64encode(f"{'u' * before}:{SECRET}".encode()).decode() for before in range(4)),
    ],
)
async def test_secrets_are_noticed_in_every_spelling(scene: Scene, text: str, tmp_path: Path) -> None:
    """I5: in an answer, in a file, in the log."""
    answer = await warmed(scene)
    assert found_in(f"x{text}y".encode()) == ["basic"]
    assert list(scene.auditor.no_secrets(scene.texts())) == []
    logging.getLogger("test").warning("said: %s", text)
    assert len(list(scene.auditor.no_secrets(scene.texts()))) == 1
    scene.log.lines.clear()
    answer.headers = {**answer.headers, "x-told": text}
    (tmp_path / "data/state/note").write_text(text)
    assert len(list(scene.auditor.no_secrets(scene.texts()))) == 2
    (tmp_path / "data/state/note").unlink()
    answer.headers = {name: value for name, value in answer.headers.items() if name != "x-told"}


async def test_what_outlives_the_server_is_noticed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """I8: tasks, threads, descriptors."""
    monkeypatch.setattr("tests.faults.auditor._SETTLING_S", 0.1)
    await warmed(scene)
    task = asyncio.create_task(asyncio.sleep(60), name="forgotten")
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="blob_9")
    thread.start()
    file = (scene.folder / "open").open("wb")
    await scene.stop()
    found = await scene.auditor.nothing_is_left()
    task.cancel()
    release.set()
    thread.join()
    file.close()
    assert [any(word in each for each in found) for word in ("forgotten", "blob_9", "descriptors")] == [
        True
    ] * 3


async def test_held_loop_is_noticed(scene: Scene) -> None:
    """I9."""
    await warmed(scene)
    assert list(scene.auditor.loop_was_free()) == []
    await asyncio.sleep(0.05)
    time.sleep(LAG_S * 1.3)  # what this test is about
    await asyncio.sleep(0.05)
    assert len(list(scene.auditor.loop_was_free())) == 1
    scene.auditor.lag.worst = Beat()


async def test_forms_that_differ_are_noticed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """I10 and I2: a file missing in one form, one that does not download, one that nobody lists."""
    await warmed(scene)
    agreement = Agreement(scene, scene.auditor.indexes)
    assert await agreement.complaints(downloads=True) == []
    ask = scene.get

    async def without(path: str, method: str = "GET", **options: str) -> Fetched:
        answer = await ask(path, method, **options)
        if path == scene.page and "html" in options.get("Accept", ""):
            answer.body = answer.body.replace(SDIST.encode(), b"other.tar.gz")
        return answer

    monkeypatch.setattr(scene, "get", without)
    assert any(each.startswith("I10: ") for each in await agreement.complaints(downloads=False))
    monkeypatch.setattr(scene, "get", ask)
    shown = set[str]()
    assert await agreement._of("/pypi/pypi", "demo", False, shown) == []
    assert await agreement._unlisted("/pypi/pypi", shown) == []
    assert await agreement._unlisted("/pypi/pypi", {path for path in shown if WHEEL not in path})
    scene.auditor.answers.clear()
