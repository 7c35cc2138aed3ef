"""Secrets read as `***`, and stay what they were when sent back so; nobody gets one by moving the `***`."""

from typing import Any

import pytest

from proxy.config.faults import RefusedError
from proxy.config.masks import MASK, masked, unmasked

ROUTE = {"proxy": "http://u:pw@proxy.example:8899", "no_proxy": ["a"], "verify": False}
FEED: dict[str, Any] = {
    "kind": "pypi",
    "upstreams": [
        {"url": "https://ann:s1@one.example/simple/", "retries": 1},
        {"url": "https://two.example/simple/", "auth": {"basic": ["bob", "s2"]}, "route": {**ROUTE}},
        {"urls": ["https://three.example/simple/", "https://tok@four.example/"], "auth": {"netrc": True}},
        "https://eve:s3@five.example/simple/",
        {"url": "https://six.example/simple/", "auth": {"bearer": "s4"}},
        {"url": "https://seven.example/simple/", "auth": {"header": ["X-Key", "s5"]}},
        {"url": "https://eight.example/t/s6/chan", "route": "corp"},
        {"feed": "other"},
    ],
}
SECRETS = ("s1", "s2", "s3", "s4", "s5", "s6", "pw", "tok")


def lost(noun: str, document: dict[str, Any], kept: dict[str, Any] | None) -> list[str]:
    with pytest.raises(RefusedError) as caught:
        unmasked(noun, document, kept)
    return [place for place, _ in caught.value.parts]


def test_no_secret_is_told() -> None:
    told = repr((masked("feeds", FEED), masked("routes", ROUTE), masked("routes", {"password": "pw"})))
    assert not any(secret in told for secret in SECRETS)
    assert MASK in told and "u:***@proxy.example:8899" in told and "/t/***/chan" in told


@pytest.mark.parametrize(
    ("noun", "document"), [("feeds", FEED), ("routes", ROUTE), ("policies", {"block": ["x"]})]
)
def test_what_is_read_can_be_sent_back(noun: str, document: dict[str, Any]) -> None:
    assert unmasked(noun, masked(noun, document), document) == document


def test_secrets_follow_their_upstream_through_the_list() -> None:
    shown = masked("feeds", FEED)
    shown["upstreams"].reverse()
    del shown["upstreams"][2]
    expected = list(reversed(FEED["upstreams"]))
    del expected[2]
    assert unmasked("feeds", shown, FEED)["upstreams"] == expected


def test_other_fields_change_while_secrets_stay() -> None:
    shown = masked("feeds", FEED)
    shown["upstreams"][1] |= {"retries": 5, "url": "https://two.example/other/"}
    shown["upstreams"][4]["auth"] = {"bearer": "new"}
    changed = unmasked("feeds", shown, FEED)["upstreams"]
    assert changed[1]["auth"] == {"basic": ["bob", "s2"]} and changed[1]["route"] == ROUTE
    assert changed[4]["auth"] == {"bearer": "new"}


def test_two_users_of_one_address_keep_their_secrets() -> None:
    two = {
        "upstreams": [{"url": "https://h/", "auth": {"basic": ["a", "1"]}, "only": [x]} for x in ("p", "q")]
    }
    two["upstreams"][1]["auth"] = {"basic": ["b", "2"]}
    assert unmasked("feeds", masked("feeds", two), two) == two


def test_a_secret_is_not_sent_to_another_origin() -> None:
    shown = masked("feeds", FEED)
    shown["upstreams"][4]["url"] = "https://evil.example/simple/"
    assert lost("feeds", shown, FEED) == [".upstreams[4].auth.bearer"]


@pytest.mark.parametrize(
    ("document", "places"),
    [
        ({"upstreams": ["https://u:***@h/"]}, [".upstreams[0]"]),
        ({"upstreams": [{"url": "https://h/t/***/c"}]}, [".upstreams[0].url"]),
        ({"upstreams": [{"urls": ["https://***@h/"]}]}, [".upstreams[0].urls[0]"]),
        (
            {"upstreams": [{"url": "https://h/", "auth": {"basic": ["u", MASK]}}]},
            [".upstreams[0].auth.basic[1]"],
        ),
        (
            {"upstreams": [{"url": "https://h/", "route": {"password": MASK}, "auth": {"token": MASK}}]},
            [".upstreams[0].route.password", ".upstreams[0].auth.token"],
        ),
    ],
)
def test_mask_without_a_kept_secret_is_refused_everywhere(
    document: dict[str, Any], places: list[str]
) -> None:
    assert lost("feeds", document, None) == places
    assert lost("routes", {"password": MASK, "proxy": "http://u:***@h"}, {}) == [".password", ".proxy"]


def test_a_route_keeps_its_password_when_its_proxy_moves() -> None:
    moved = {"proxy": "http://u:***@other.example:1", "verify": True}
    assert unmasked("routes", moved, ROUTE)["proxy"] == "http://u:pw@other.example:1"
    kept = {"proxy": "http://p:1", "username": "u", "password": "pw"}
    assert unmasked("routes", {**kept, "proxy": "http://q:1", "password": MASK}, kept)["password"] == "pw"


@pytest.mark.parametrize(
    "junk", [None, 1, "x", [], {}, [None, 1, {"url": 1, "urls": 2, "auth": 3, "route": 4}]]
)
def test_documents_of_any_shape_are_survived(junk: Any) -> None:
    for noun in ("feeds", "routes", "policies"):
        for document in ({"upstreams": junk}, {"password": junk, "proxy": junk}, {"upstreams": [junk]}):
            masked(noun, document)
            unmasked(noun, document, document)
            unmasked(noun, document, {"upstreams": [{"url": "https://h/"}]})
