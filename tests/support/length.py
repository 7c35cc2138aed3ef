"""How long the long cases are: the default run shortens them, `.ci/run --long` runs them whole."""

import os

IS_LONG = "FEEDGATE_TESTS_LONG" in os.environ


def sized(short: int, whole: int) -> int:
    """Return how many: the number of the catalogue's case, or the default run's."""
    return whole if IS_LONG else short
