"""What may be a key, and what everybody would try first."""

import pytest

from proxy.model import key_value


def test_a_made_key_is_one_that_every_client_can_carry() -> None:
    made = {key_value.make() for _ in range(200)}
    assert len(made) == 200
    assert all(key_value.is_key(one) and key_value.is_made(one) for one in made)
    assert all(key_value.why_refused(one) is None for one in made)


@pytest.mark.parametrize(
    "text", ["abcdefg", "", "with_underscore", "with.dot-here", "blank blank", "ümlaut-key", "a" * 201]
)
def test_what_conda_would_cut_is_no_key(text: str) -> None:
    assert not key_value.is_key(text)
    assert key_value.why_refused(text)


@pytest.mark.parametrize(
    "text",
    ["", "   ", "admin", "password", "changeme", "admin-admin", "Password123", "CHANGE-ME", "changeme-1", "secret-key",
     "aaaaaaaa", "11111111", "12345678", "87654321", "abababab", "--------", "your-key", "YOUR-KEY", "my-token-1",
     "feedgate", "feedgate-1", "test-test", "q"],
)  # fmt: skip
def test_a_default_is_refused_without_being_repeated(text: str) -> None:
    why = key_value.why_refused(text)
    assert why is not None
    assert not text.strip() or text not in why


@pytest.mark.parametrize(
    "text",
    ["correct-horse-battery", "Kx7-aa19-Lm20", "d3b07384-d9a0-4c9b-8f55-6c1f2e0a7b11", "20261120-build"],
)
def test_a_given_key_may_be_anything_else(text: str) -> None:
    assert key_value.why_refused(text) is None
