"""Texts that repeat a secret: where the path of an index's URL is one, nothing that an origin says may tell it.

Paths are no matter of this module (`links.feed_path`); here are the texts that an origin adds to a file or a project.
A text that holds a secret is left out whole: what is around a secret may tell the rest of it.
"""

from collections.abc import Collection
from urllib.parse import unquote

import msgspec

from proxy.pypi.distribution import Distribution
from proxy.pypi.links import has_secret
from proxy.pypi.project import Project


def without_secrets(project: Project, secrets: Collection[str]) -> Project:
    """Return the project without reasons and unknown keys that hold one of the secrets."""
    if not secrets:
        return project
    files = tuple(_without(file, secrets) for file in project.files)
    reason = None if _holds(project.status_reason, secrets) else project.status_reason
    return msgspec.structs.replace(project, files=files, status_reason=reason)


def _without(file: Distribution, secrets: Collection[str]) -> Distribution:
    extra = {key: value for key, value in file.extra.items() if not _holds([key, value], secrets)}
    yanked = True if _holds(file.yanked, secrets) else file.yanked
    return msgspec.structs.replace(file, extra=extra, yanked=yanked)


def _holds(value: object, secrets: Collection[str]) -> bool:
    """Tell whether a text of the value holds a secret, percent-encoded or not; unknown keys' values are shallow."""
    match value:
        case str():
            return has_secret(value, secrets) or ("%" in value and has_secret(unquote(value), secrets))
        case list():
            return any(_holds(each, secrets) for each in value)
        case dict():
            return any(_holds(each, secrets) for pair in value.items() for each in pair)
        case _:
            return False
