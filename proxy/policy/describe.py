"""A policy in plain words: one sentence per rule, in the order in which the rules are asked."""

from collections.abc import Iterator

from proxy.policy.age import in_words
from proxy.policy.settings import Exemption, Leniency, Policy
from proxy.policy.sizes import bytes_in_words

_LENIENCY: dict[Leniency, str] = {
    "allow": "is shown", "warn": "is shown and counted as a warning", "hold": "is held", "block": "is blocked",
}  # fmt: skip


def describe(policy: Policy) -> list[str]:
    """Return the sentences."""
    return list(_sentences(policy)) or ["Everything is shown."]


def _sentences(policy: Policy) -> Iterator[str]:
    if policy.mode == "audit":
        yield "Nothing is hidden (audit): what follows is counted and logged only."
    yield from _kept(policy)
    yield from _removed(policy)
    yield from _waiting(policy)
    yield from _remaining(policy)
    for exemption in policy.exemptions:
        yield _exemption(exemption)


def _kept(policy: Policy) -> Iterator[str]:
    if policy.platforms:
        yield f"Only files for {_list(policy.platforms)} are shown."
    if policy.python_versions:
        yield f"Of what needs a Python, only files for Python {_list(policy.python_versions)} are shown."
    if policy.only:
        needs = ", and all that they need" if policy.include_dependencies else ""
        yield f"Only these packages are shown: {_list(policy.only)}{needs}."
    lists = policy.pypi
    if lists.pkg_list:
        yield f"PyPI: only these projects are shown: {_list(lists.pkg_list)}."
        return
    if lists.allowlist:
        yield f"PyPI: only these projects are shown: {_list(lists.allowlist)}."
    if lists.blocklist:
        yield f"PyPI: these projects are never shown: {_list(lists.blocklist)}."


def _removed(policy: Policy) -> Iterator[str]:
    if policy.block_licenses:
        yield f"Licences that are blocked: {_list(policy.block_licenses)}."
    if policy.block:
        yield f"Packages that are blocked: {_list(policy.block)}."
    if policy.allow:
        yield f"Shown although the two lists above block them: {_list(policy.allow)}."
    if policy.asks_licenses:
        unknown = _LENIENCY[policy.unknown_license_outcome]
        yield f"What has a licence that nobody knows {unknown}; until a licence has been looked up, it is held."


def _waiting(policy: Policy) -> Iterator[str]:
    if policy.min_age_s > 0:
        yield f"A file is held until it is {in_words(policy.min_age_s)} old."
        yield f"A file whose age nobody knows {_LENIENCY[policy.unknown_age]}."


def _remaining(policy: Policy) -> Iterator[str]:
    if not policy.prereleases:
        yield "Pre-releases are blocked."
    if policy.yanked == "hide":
        yield "Yanked files are blocked."
    if policy.quarantined == "keep":
        yield "What the origin has put into quarantine is shown nevertheless."
    if policy.max_size_bytes is not None:
        yield f"Files larger than {bytes_in_words(policy.max_size_bytes)} are blocked."
    if policy.keep_versions:
        newest = "newest version" if policy.keep_versions == 1 else f"newest {policy.keep_versions} versions"
        yield f"Of what is left, the {newest} of each package is shown."


def _exemption(exemption: Exemption) -> str:
    why = f" ({exemption.reason})" if exemption.reason else ""
    rules = _list(exemption.rules)
    return f"To the end of {exemption.expires:%Y-%m-%d} (UTC), {exemption.spec} is exempt from {rules}{why}."


def _list(texts: tuple[str, ...]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
