"""The watch under which every test runs (E17) sees what it is there for."""

import pickle
from decimal import Decimal

import pytest

from tests.support import unpickling


def test_no_object_is_made_of_a_pickle() -> None:
    with pytest.raises(RuntimeError, match=r"a pickle names decimal\.Decimal"):
        pickle.loads(pickle.dumps(Decimal(1)))  # noqa: S301 - what is to be seen
    assert unpickling.seen == ["decimal.Decimal"]
    unpickling.seen.clear()
