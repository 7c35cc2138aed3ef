"""What is wrong with an order before anything is looked at: a 422 with all of its faults. Pure."""

import re
from collections.abc import Iterator

from proxy.config.settings import Feed
from proxy.feeds.promotion.order import Order
from proxy.feeds.promotion.selecting import Selecting
from proxy.model.actor import Actor
from proxy.model.digest import parse_sha256
from proxy.policy.platforms import is_subdir

_PYTHON = re.compile(r"[1-9]\d?\.(?:0|[1-9]\d?)\Z")
_LONGEST_COMMENT = 4000
_MOST = 1000
_LONGEST_SPEC = 500
#: Platforms times Pythons: each is a solve.
_MOST_PLACES = 64
_MOST_VIRTUAL = 50

Fault = tuple[str, str]


def faults(feed: Feed, order: Order, kind: Selecting, actor: Actor) -> Iterator[Fault]:
    """Yield (place in the body, what is wrong). Of the sources those are named that the actor may read."""
    if order.source not in feed.curated_from:
        sources = ", ".join(name for name in feed.curated_from if actor.may("read", name))
        why = (
            f"{feed.name} is curated from {sources}"
            if sources
            else f"no source of {feed.name} that you may read"
        )
        yield "from", why
    if not order.specs and not order.artifacts:
        yield "specs", "name at least one spec or artifact"
    if len(order.specs) + len(order.artifacts) > _MOST:
        yield "specs", f"name at most {_MOST} specs and artifacts at once"
    for place, spec in enumerate(order.specs):
        fault = (
            kind.fault(spec)
            if len(spec) <= _LONGEST_SPEC
            else f"a spec has at most {_LONGEST_SPEC} characters"
        )
        if fault is not None:
            yield f"specs[{place}]", fault
    for place, platform in enumerate(order.platforms[:_MOST]):
        if not is_subdir(platform):
            yield (
                f"platforms[{place}]",
                f"{platform!r} is no platform such as linux-64, osx-arm64, win-64, noarch",
            )
    for place, python in enumerate(order.pythons[:_MOST]):
        if _PYTHON.match(python) is None:
            yield f"python_versions[{place}]", f"{python!r} is no Python version such as 3.12"
    if max(1, len(order.platforms)) * max(1, len(order.pythons)) > _MOST_PLACES:
        yield "platforms", f"at most {_MOST_PLACES} combinations of platforms and Pythons at once"
    if len(order.virtual_packages) > _MOST_VIRTUAL:
        yield "virtual_packages", f"name at most {_MOST_VIRTUAL} virtual packages"
    for place, package in enumerate(order.virtual_packages[:_MOST_VIRTUAL]):
        fault = kind.machine_fault(package)
        if fault is not None:
            yield f"virtual_packages[{place}]", fault
    yield from _places(order, kind)
    for artifact, digest in order.digests.items():
        try:
            parse_sha256(digest)
        except ValueError as err:
            yield f"digests.{artifact}", str(err)
    if len(order.comment) > _LONGEST_COMMENT:
        yield "comment", f"a comment has at most {_LONGEST_COMMENT} characters"


def _places(order: Order, kind: Selecting) -> Iterator[Fault]:
    if not order.include_dependencies:
        return
    if not [platform for platform in order.platforms if platform != "noarch"]:
        yield "platforms", "dependencies are solved for a platform: name at least one that is not noarch"
    if not order.pythons and kind.needs_python:
        yield "python_versions", "dependencies are solved for a Python: name at least one"
