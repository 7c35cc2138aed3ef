"""From a policy's table to a Policy, or to all that is wrong with it, each fault with its key.

The values come read: lists, texts, truth values, days, durations as seconds, sizes as bytes. `kinds` are the kinds of
the feeds that use the policy: its specs must mean something to each of them; where no feed uses it yet, to one kind.
Nothing that could not be honoured is let through: a spec that is not understood is a fault, never "no match".
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

from proxy.policy.read_value import (
    Refused,
    boolean,
    choice,
    count,
    day,
    license_word,
    nearest,
    platform,
    python_version,
    seconds,
    size,
    text,
    texts,
)
from proxy.policy.settings import EXEMPTABLE, Exemption, Kind, Leniency, Policy, PypiLists
from proxy.policy.spec import BadSpec, parse_spec
from proxy.policy.wording import quoted

_KINDS: tuple[Kind, ...] = get_args(Kind)
_PYPI_ONLY: tuple[Kind, ...] = ("pypi",)
_LENIENCIES: tuple[str, ...] = get_args(Leniency)
_HUNDRED_YEARS_S = 100 * 366 * 86400


class Fault(NamedTuple):
    """What is wrong, or odd. `key` counts from the policy's table: `block[2]`, `exemptions[0].expires`."""

    key: str
    message: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """A policy, or faults; with a policy there may be warnings."""

    policy: Policy | None
    faults: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()


#: key of the table -> (field of the Policy, how its value is read).
_PLAIN: Mapping[str, tuple[str, Callable[[object], object]]] = {
    "platforms": ("platforms", texts(platform, may_be_empty=False)),
    "python_versions": ("python_versions", texts(python_version, may_be_empty=False)),
    "only": ("only", texts(text, may_be_empty=False)),
    "include_dependencies": ("include_dependencies", boolean),
    "block_licenses": ("block_licenses", texts(license_word)),
    "block": ("block", texts(text)),
    "allow": ("allow", texts(text)),
    "unknown_license": ("unknown_license", choice(*_LENIENCIES)),
    "min_age": ("min_age_s", seconds(_HUNDRED_YEARS_S)),
    "unknown_age": ("unknown_age", choice(*_LENIENCIES)),
    "prereleases": ("prereleases", boolean),
    "yanked": ("yanked", choice("keep", "hide")),
    "quarantined": ("quarantined", choice("block", "keep")),
    "keep_versions": ("keep_versions", count),
    "max_size": ("max_size_bytes", size),
    "mode": ("mode", choice("enforce", "audit")),
}
_PYPI: Mapping[str, Callable[[object], object]] = dict.fromkeys(
    ("pkg_list", "allowlist", "blocklist"), texts(text)
)
_EXEMPTION: Mapping[str, Callable[[object], object]] = {
    "spec": text, "rules": texts(choice(*EXEMPTABLE), may_be_empty=False), "expires": day, "reason": text,
}  # fmt: skip
#: Every key of a policy's table.
KEYS = (*_PLAIN, "exemptions", "pypi")


def parse_policy(name: str, table: Mapping[str, object], kinds: Iterable[Kind] = ()) -> Parsed:
    """Return the policy that the table describes, or every fault in it. Never raises."""
    reading = _Reading(tuple(dict.fromkeys(kinds)))
    values = reading.plain(table)
    reading.unknown("", table, KEYS)
    values["exemptions"] = reading.exemptions(table.get("exemptions", []))
    values["pypi"] = reading.pypi(table.get("pypi", {}))
    reading.combinations(values)
    if reading.faults:
        return Parsed(None, tuple(reading.faults), tuple(reading.warnings))
    policy = Policy(name=name, **values)
    reading.oddities(policy)
    return Parsed(policy, (), tuple(reading.warnings))


class _Reading:
    """Gathers faults and warnings."""

    def __init__(self, kinds: Collection[Kind]) -> None:
        self._kinds = kinds
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []

    def plain(self, table: Mapping[str, object]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, (field, read) in _PLAIN.items():
            if key in table:
                self._read(key, table[key], read, found, field)
        for key in ("only", "block", "allow"):
            self._check_specs(key, found.get(key, ()), self._kinds)
        return found

    def exemptions(self, given: object) -> tuple[Exemption, ...]:
        if not isinstance(given, list | tuple) or not all(isinstance(each, Mapping) for each in given):
            self.faults.append(Fault("exemptions", "must be a list of tables"))
            return ()
        found = (self._exemption(f"exemptions[{place}]", each) for place, each in enumerate(given))
        return tuple(each for each in found if each is not None)

    def _exemption(self, key: str, table: Mapping[str, object]) -> Exemption | None:
        self.unknown(f"{key}.", table, _EXEMPTION)
        values: dict[str, Any] = {}
        for part, read in _EXEMPTION.items():
            if part in table:
                self._read(f"{key}.{part}", table[part], read, values, part)
            elif part != "reason":
                self.faults.append(Fault(f"{key}.{part}", "is missing"))
        self._check_specs(f"{key}.spec", (values.get("spec", ""),) if "spec" in values else (), self._kinds)
        return Exemption(**values) if {"spec", "rules", "expires"} <= values.keys() else None

    def pypi(self, given: object) -> PypiLists:
        if not isinstance(given, Mapping):
            self.faults.append(Fault("pypi", "must be a table"))
            return PypiLists()
        self.unknown("pypi.", given, _PYPI)
        values: dict[str, Any] = {}
        for key, read in _PYPI.items():
            if key in given:
                self._read(f"pypi.{key}", given[key], read, values, key)
                self._check_specs(f"pypi.{key}", values.get(key, ()), _PYPI_ONLY)
        return PypiLists(**values)

    def unknown(self, prefix: str, table: Mapping[str, object], known: Collection[str]) -> None:
        for key in table:
            if key not in known:
                self.faults.append(Fault(f"{prefix}{key}", f"is not known{nearest(str(key), known)}"))

    def combinations(self, values: Mapping[str, Any]) -> None:
        """Refuse what cannot be meant."""
        with_only = [key for key in ("block", "allow", "block_licenses") if values.get(key)]
        if values.get("only") and with_only:
            self.faults.append(
                Fault("only", f"is a package list and cannot stand with {', '.join(with_only)}")
            )
        if values.get("include_dependencies") and not values.get("only"):
            self.faults.append(Fault("include_dependencies", "needs a package list (only)"))

    def oddities(self, policy: Policy) -> None:
        """Warn of what is legal and hardly meant."""
        if policy.platforms and "noarch" not in policy.platforms:
            self._warn(
                "platforms", "does not name noarch: files for any platform (PyPI: also sources) are hidden"
            )
        if policy.allow and not (policy.block or policy.block_licenses):
            self._warn("allow", "adds back what block and block_licenses remove, and neither is given")
        if policy.pypi.pkg_list and (policy.pypi.allowlist or policy.pypi.blocklist):
            self._warn("pypi", "allowlist and blocklist are ignored, because pkg_list is given")
        if policy.pypi != PypiLists() and self._kinds and "pypi" not in self._kinds:
            self._warn("pypi", "has no effect: no feed of PyPI packages uses this policy")
        for place, exemption in enumerate(policy.exemptions):
            if "min_age" in exemption.rules and not policy.min_age_s:
                self._warn(f"exemptions[{place}].rules", "lifts min_age, which is not given")

    def _warn(self, key: str, message: str) -> None:
        self.warnings.append(Fault(key, message))

    def _read(
        self, key: str, value: object, read: Callable[[object], object], into: dict[str, Any], field: str
    ) -> None:
        try:
            into[field] = read(value)
        except Refused as err:
            self.faults += [Fault(f"{key}{place}", message) for place, message in err.parts]

    def _check_specs(self, key: str, specs: Collection[str], kinds: Collection[Kind]) -> None:
        is_one = key.endswith(".spec")
        for place, spec in enumerate(specs):
            problems = {kind: why for kind in kinds or _KINDS if (why := _problem(kind, spec)) is not None}
            if problems and (kinds or len(problems) == len(_KINDS)):
                told = "; ".join(f"for {kind} feeds: {why}" for kind, why in problems.items())
                self.faults.append(
                    Fault(key if is_one else f"{key}[{place}]", f"{quoted(spec)} cannot be used {told}")
                )


def _problem(kind: Kind, spec: str) -> str | None:
    try:
        parse_spec(kind, spec)
    except BadSpec as err:
        return str(err)
    return None
