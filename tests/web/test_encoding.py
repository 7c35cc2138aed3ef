"""Negotiation of the content coding (RFC 9110, 12.5.3; D15)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.web.encoding import Coding, etag_of, negotiate


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        (None, Coding.IDENTITY), ("", Coding.IDENTITY), ("gzip", Coding.GZIP), ("GZIP", Coding.GZIP),
        ("x-gzip", Coding.GZIP), ("gzip, deflate", Coding.GZIP), ("gzip, deflate, zstd", Coding.ZSTD),
        ("gzip;q=1.0, zstd;q=0.5", Coding.GZIP), ("zstd;q=0, gzip", Coding.GZIP), ("gzip;q=0", Coding.IDENTITY),
        ("deflate, br", Coding.IDENTITY), ("*", Coding.ZSTD), ("*;q=0", Coding.IDENTITY),
        ("identity;q=0, *;q=0", Coding.IDENTITY), ("identity", Coding.IDENTITY), ("identity, gzip", Coding.GZIP),
        ("identity;q=1, gzip;q=0.5", Coding.IDENTITY), ("gzip;q=0.001", Coding.GZIP), ("gzip ; Q=0.3", Coding.GZIP),
        ("gzip;q=nan", Coding.IDENTITY), ("gzip;q=-1", Coding.IDENTITY), ("gzip;q=2", Coding.GZIP),
        ("zstd;q=0, *", Coding.GZIP), ("gzip;level=1;q=0", Coding.IDENTITY),
    ],
)  # fmt: skip
def test_client_gets_the_coding_it_likes_best(header: str | None, coding: Coding) -> None:
    assert negotiate(header) is coding


@given(st.text(max_size=60))
def test_any_header_has_an_answer(header: str) -> None:
    assert negotiate(header) in Coding


def test_each_coding_has_a_tag_of_its_own() -> None:
    assert len({etag_of("d", coding) for coding in Coding}) == len(Coding)
