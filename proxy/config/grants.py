"""What a feed grants without naming a key: `[feeds.NAME.grants]`, to `anonymous`, `authenticated` or `group:NAME`.

[feeds.pypi-approved.grants]
authenticated = ["read"]
"group:reviewers" = ["promote"]
"""

from collections.abc import Mapping
from typing import Any

from proxy.config import kinds
from proxy.config.faults import RefusedError, describe
from proxy.config.kinds import Kind
from proxy.config.layers import Given, parse_json
from proxy.model.actor import RIGHTS, Right
from proxy.model.key import is_group

ANYBODY = "anonymous"
ANY_KEY = "authenticated"
GROUP = "group:"

#: Subject -> rights, in the order of the file; hashable, as settings are.
Granted = tuple[tuple[str, tuple[Right, ...]], ...]

_RIGHTS = kinds.list_of(kinds.choice(*RIGHTS))


def _read(given: Given, environ: Mapping[str, str]) -> Granted:
    value = parse_json(given) if given.is_text else given.value
    if not isinstance(value, dict):
        raise RefusedError.because(f"must be a table, not {describe(value)}")
    granted: list[tuple[str, tuple[Right, ...]]] = []
    refused: list[tuple[str, str]] = []
    for subject, rights in value.items():
        if not _is_subject(subject):
            refused.append(
                (f".{ascii(subject)[1:-1][:60]}", 'is not "anonymous", "authenticated" or "group:NAME"')
            )
            continue
        try:
            granted.append((subject, _RIGHTS.read(given.part(rights), environ)))
        except RefusedError as err:
            refused += [(f".{subject}{where}", why) for where, why in err.parts]
    if refused:
        raise RefusedError(*refused)
    return tuple(granted)


def _is_subject(text: str) -> bool:
    return text in (ANYBODY, ANY_KEY) or (text.startswith(GROUP) and is_group(text.removeprefix(GROUP)))


def _show(granted: Any) -> object:
    return {subject: list(rights) for subject, rights in granted}


GRANTS = Kind(_read, _show)
