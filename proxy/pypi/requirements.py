"""Requirements and markers (PEP 508) that somebody else wrote, read within the bounds of `proxy.model.bounds`."""

from collections.abc import Mapping

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement

from proxy.model.bounds import LONGEST_REQUIREMENT, is_readable


def parse_requirement(text: str) -> Requirement:
    """Return the requirement. Raises InvalidRequirement, also for what is too long or nested too deep to be read."""
    if not is_readable(text, LONGEST_REQUIREMENT):
        raise InvalidRequirement("it is too long, or nested too deep, to be read")
    return Requirement(text)


def read_requirement(text: str) -> Requirement | None:
    """Return the requirement, None for a text that is none: installers leave such a line out."""
    try:
        return parse_requirement(text)
    except InvalidRequirement:
        return None


def is_met(marker: Marker, environment: Mapping[str, str]) -> bool:
    """Return whether the marker holds in the environment; one that compares what cannot be compared holds nowhere."""
    try:
        return marker.evaluate(dict(environment))
    except (ValueError, KeyError):
        return False
