"""Ownership: which upstream of a feed a name belongs to (contract, section 1). Pure.

A name belongs to the first upstream that has it and may have it. An upstream that does not answer is not one that
lacks the name, so nobody after it is asked. Pages of different upstreams are never merged. Ownership is decided
before policy and remembered; a change of owner is held until the administrator says which upstream may have the
name (`only`, `except`), because that change is what a dependency-confusion attack looks like.
"""

import fnmatch
import re
from collections.abc import Sequence
from functools import lru_cache

from proxy.config.settings import Feed, Upstream

#: Each reading of a file's name may cost a page; the likeliest come first.
_MOST_READINGS = 6


@lru_cache(maxsize=1024)
def _pattern(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(glob) for glob in globs))


def matches(name: str, globs: tuple[str, ...]) -> bool:
    """Tell whether any glob matches the whole name; both are already in the ecosystem's normal form."""
    return bool(globs) and _pattern(globs).match(name) is not None


def may_have(upstream: Upstream, name: str, *, is_reserved: bool) -> bool:
    """Tell whether the upstream may be asked for the name at all."""
    if is_reserved and not upstream.private:
        return False
    if upstream.only and not matches(name, upstream.only):
        return False
    return not matches(name, upstream.except_)


def candidates(feed: Feed, name: str) -> tuple[Upstream, ...]:
    """Return the upstreams that may have the name, in the order in which they are asked."""
    is_reserved = matches(name, feed.reserved)
    return tuple(upstream for upstream in feed.upstreams if may_have(upstream, name, is_reserved=is_reserved))


def readings(feed: Feed, names: Sequence[str]) -> list[tuple[str, bool]]:
    """Return the projects that a file may belong to by its name, and whether upstreams may be asked for each.

    `names` are all of them, the likeliest first. One reading may be a reserved project while another is not: then the
    others are only looked up, so that no public upstream learns a part of a reserved name.
    """
    likely = names[:_MOST_READINGS]
    reserved = [name for name in likely if matches(name, feed.reserved)]
    return [(name, not reserved or name in reserved) for name in likely]
