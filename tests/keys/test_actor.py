"""What an actor may do: rights imply those before them, '*' is every feed, an admin may all."""

import pytest

from proxy.model.actor import ANONYMOUS, LOCAL, RIGHTS, SYSTEM, Actor, Grant, Right
from proxy.model.problem import Problem
from proxy.web.access_rights import require, require_admin


def actor(*grants: Grant, is_admin: bool = False) -> Actor:
    return Actor("k1", "ci", grants=grants, is_admin=is_admin)


@pytest.mark.parametrize("right", RIGHTS)
def test_a_right_implies_those_before_it_and_no_other(right: Right) -> None:
    held = [asked for asked in RIGHTS if actor(Grant("a", (right,))).may(asked, "a")]
    assert held == list(RIGHTS[: RIGHTS.index(right) + 1])


def test_a_grant_is_for_its_feed_only() -> None:
    assert not actor(Grant("a", ("manage",))).may("read", "b")
    assert not actor(Grant("a", ("manage",))).may("read", "*")


def test_a_star_is_every_feed() -> None:
    assert actor(Grant("*", ("read",))).may("read", "whatever")
    assert not actor(Grant("*", ("read",))).may("promote", "whatever")


def test_nobody_may_anything_and_an_admin_may_all() -> None:
    assert not any(ANONYMOUS.may(right, "a") for right in RIGHTS)
    for one in (SYSTEM, LOCAL, actor(is_admin=True)):
        assert all(one.may(right, "a") for right in RIGHTS)


def word(one: Actor, right: Right | None) -> str:
    with pytest.raises(Problem) as refused:
        require(one, right, "a") if right else require_admin(one)
    return refused.value.word


def test_who_lacks_a_right_is_told_what_the_table_says() -> None:
    reader = actor(Grant("a", ("read",)))
    require(reader, "read", "a")
    require_admin(actor(is_admin=True))
    assert word(ANONYMOUS, "promote") == word(ANONYMOUS, None) == "unauthorized"
    assert word(ANONYMOUS.with_grants([Grant("a", ("read",))]), "promote") == "unauthorized"
    assert word(actor(Grant("b", ("manage",))), "manage") == "unknown"
    assert word(reader, "promote") == word(reader, None) == "forbidden"
