"""E19: wrong keys are limited by address and by what they begin with; a good key gets in all the same."""

import pytest

from proxy.web import holders
from proxy.web.attempts import MAX_ALIKE, MAX_OF_ADDRESS, MAX_REMEMBERED, WINDOW_S, Attempts
from tests.keys.house import House, made
from tests.support.clock import FakeClock

CLOSED = "/pypi/closed/simple/demo/"


def wrong(number: int) -> str:
    """Return wrong keys of the kind that is made here, each beginning alike."""
    return f"fg-{number:032d}"


def unalike(number: int) -> str:
    return f"{number:04d}-not-a-key-at-all"


def test_an_address_may_try_so_often_and_then_waits() -> None:
    clock = FakeClock()
    attempts = Attempts(clock)
    for number in range(MAX_ALIKE):
        assert attempts.wait_s("10.0.0.1", wrong(number)) == 0
        attempts.note("10.0.0.1", wrong(number))
    assert attempts.wait_s("10.0.0.1", wrong(99)) == WINDOW_S
    assert attempts.wait_s("10.0.0.1", "else-begins-otherwise") == 0
    assert attempts.wait_s("10.0.0.2", wrong(99)) == 0
    clock.advance(WINDOW_S - 1)
    assert attempts.wait_s("10.0.0.1", wrong(99)) == 1
    clock.advance(1)
    assert attempts.wait_s("10.0.0.1", wrong(99)) == 0


def test_one_address_cannot_go_through_all_beginnings() -> None:
    attempts = Attempts(FakeClock())
    for number in range(MAX_OF_ADDRESS):
        assert attempts.wait_s("10.0.0.1", unalike(number)) == 0
        attempts.note("10.0.0.1", unalike(number))
    assert attempts.wait_s("10.0.0.1", unalike(9999)) > 0
    assert attempts.wait_s("10.0.0.2", unalike(9999)) == 0


def test_a_network_of_ipv6_counts_as_one() -> None:
    attempts = Attempts(FakeClock())
    for number in range(MAX_ALIKE):
        attempts.note(f"2001:db8:1:2::{number:x}", wrong(number))
    assert attempts.wait_s("2001:db8:1:2:ffff::1", wrong(0)) > 0
    assert attempts.wait_s("2001:db8:1:3::1", wrong(0)) == 0


def test_what_is_remembered_is_bounded() -> None:
    attempts = Attempts(FakeClock())
    for number in range(MAX_REMEMBERED + 500):
        attempts.note(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", wrong(number))
    assert len(attempts._windows) <= MAX_REMEMBERED


async def test_wrong_keys_are_refused_with_a_time_to_wait(built: House) -> None:
    told = [(await built.get(CLOSED, wrong(number))).status for number in range(MAX_ALIKE + 3)]
    assert told == [401] * MAX_ALIKE + [429] * 3
    limited = await built.get(CLOSED, wrong(77))
    assert 1 <= int(limited.headers["retry-after"]) <= WINDOW_S
    assert limited.json()["type"] == "urn:feedgate:too-many-requests"
    assert wrong(77).encode() not in limited.body
    built.clock.advance(WINDOW_S)
    assert (await built.get(CLOSED, wrong(77))).status == 401


async def test_nobody_else_is_locked_out(built: House) -> None:
    assert (await built.get(CLOSED, built.keys["given"])).status == 200
    for number in range(MAX_OF_ADDRESS + 10):
        await built.get(CLOSED, unalike(number))
    assert (await built.get(CLOSED, unalike(7777))).status == 429
    for key in ("reader", "given", "admin", "everywhere"):
        assert (await built.get(CLOSED, built.keys[key])).status == 200, key
    assert (await built.get(CLOSED)).status == 401
    assert (await built.get("/pypi/open/simple/demo/", unalike(7777))).status == 200
    await built.add("new", made("W"), ("closed", "read"))
    assert (await built.get(CLOSED, built.keys["new"])).status == 200


async def test_pages_for_everybody_are_no_place_to_guess(built: House) -> None:
    """`/` shows more with a right key, so wrong ones count there too."""
    for number in range(MAX_OF_ADDRESS):
        assert (await built.get("/", unalike(number))).status in (200, 429)
    assert (await built.get(CLOSED, unalike(8888))).status == 429


async def test_a_given_value_is_checked_off_the_loop_and_once(
    built: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    keys = built.gateway.app.base.keys
    original = keys.find_given

    async def counted(value: str) -> object:
        checked.append(value)
        return await original(value)

    monkeypatch.setattr(keys, "find_given", counted)
    for _ in range(3):
        assert (await built.get(CLOSED, built.keys["given"])).status == 200
        assert (await built.get(CLOSED, "never-was-a-key-of-ours")).status == 401
    assert sorted(checked) == ["a-given-key-of-people", "never-was-a-key-of-ours"]
    await built.add("later", "never-was-a-key-of-ours", ("closed", "read"))
    assert (await built.get(CLOSED, "never-was-a-key-of-ours")).status == 200


async def test_only_so_many_checks_wait(built: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holders, "MAX_WAITING", 0)
    got = await built.get(CLOSED, "a-value-nobody-has-seen")
    assert (got.status, got.headers["retry-after"]) == (429, "2")
    assert (await built.get(CLOSED, built.keys["reader"])).status == 200
