"""Where a request may carry a key, and which place counts."""

import base64

import pytest
from multidict import CIMultiDict

from proxy.web.credentials import WRONG, presented

KEY = "fg-abcdefgh12345678"


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("X-ApiKey", KEY), ("x-apikey", f" {KEY} "), ("Authorization", f"Bearer {KEY}"),
        ("authorization", f"bearer  {KEY}"), ("Authorization", basic(f"api:{KEY}")),
        ("Authorization", basic(f":{KEY}")), ("Authorization", basic(f"__token__:{KEY}")),
        ("Authorization", f"BASIC {base64.b64encode(f'u:{KEY}'.encode()).decode()}"),
    ],
)  # fmt: skip
def test_a_key_is_read_from_every_place(name: str, line: str) -> None:
    assert presented(CIMultiDict({name: line}), {}) == KEY


def test_the_path_counts_before_headers_and_no_other_is_looked_at() -> None:
    headers = CIMultiDict({"X-ApiKey": KEY, "Authorization": f"Bearer {KEY}"})
    assert presented(headers, {"token": "fg-another-key"}) == "fg-another-key"
    assert presented(headers, {"token": "short"}) == WRONG
    assert presented(CIMultiDict({"X-ApiKey": "short", "Authorization": f"Bearer {KEY}"}), {}) == WRONG


@pytest.mark.parametrize(
    "line",
    ["", "Basic", "Basic !!!!", "Basic ====", basic("nothing"), basic("user:"), basic("user:a:b:c:d-not-a-key"), KEY,
     "Digest abcdefgh", "Negotiate abcdefgh", f"Bearer {KEY}, {KEY}", f"Bearer {KEY} {KEY}", basic("u:schlüssel-12"),
     f"Bearer {'a' * 300}"],
)  # fmt: skip
def test_what_cannot_be_a_key_is_a_wrong_one(line: str) -> None:
    assert presented(CIMultiDict({"Authorization": line}), {}) == WRONG


def test_two_keys_in_one_place_are_a_wrong_one() -> None:
    for name, line in (("X-ApiKey", KEY), ("Authorization", f"Bearer {KEY}")):
        assert presented(CIMultiDict([(name, line), (name, line)]), {}) == WRONG


def test_nothing_is_nothing() -> None:
    assert presented(CIMultiDict({"User-Agent": "pip"}), {"feed": "a"}) is None
