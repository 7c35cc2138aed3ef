"""Policies: the tables `[policies.NAME]`, read into `proxy.policy`'s values; what they mean is decided there.

Here durations and sizes get their units, texts of the environment their types, and faults their tables and sources.
A policy is checked for the kinds of the feeds that use it. A feed that names a policy that is not there is a fault.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy.config import kinds, units
from proxy.config.faults import RefusedError, nearest
from proxy.config.kinds import Kind
from proxy.config.layers import Given, Table, parse_json
from proxy.config.schema import Key, Reader, dotted, source_of
from proxy.config.settings import Feed
from proxy.config.spec_lists import SpecList, read_spec_list
from proxy.policy.settings import Exemption, Policy

if TYPE_CHECKING:
    from proxy.policy.parse import Parsed

_FILE_OF_SPECS = Kind(lambda given, _: read_spec_list(given), kinds.as_given)
_RAW = Kind(lambda given, _: given.value, kinds.as_given)


def _json(show: Any) -> Kind:
    """Return the kind of a list or table: from the environment it is JSON, and an empty one is not shown."""
    return Kind(
        lambda given, _: parse_json(given) if given.is_text else given.value, lambda v: show(v) or None
    )


def _exemption(exemption: Exemption) -> dict[str, object]:
    told: dict[str, object] = {
        "spec": exemption.spec,
        "rules": list(exemption.rules),
        "expires": exemption.expires.isoformat(),
    }
    return told | ({"reason": exemption.reason} if exemption.reason else {})


def _typed(kind: Kind) -> Kind:
    """Return the kind of a value that is read here only as a text: in the file it is checked with the policy."""
    return Kind(lambda g, e: kind.read(g, e) if g.is_text else g.value, kinds.as_given)


_LIST = _json(list)
POLICY = (
    Key("platforms", "platforms", _LIST),
    Key("python_versions", "python_versions", _LIST),
    Key("only", "only", _LIST),
    Key("include_dependencies", "include_dependencies", _typed(kinds.BOOLEAN)),
    Key("block_licenses", "block_licenses", _LIST),
    Key("block", "block", _LIST),
    Key("allow", "allow", _LIST),
    Key("unknown_license", "unknown_license", _RAW),
    Key("min_age", "min_age_s", Kind(kinds.DURATION.read, lambda s: units.format_duration(s) if s else None)),
    Key("unknown_age", "unknown_age", _RAW),
    Key("prereleases", "prereleases", _typed(kinds.BOOLEAN)),
    Key("yanked", "yanked", _RAW),
    Key("quarantined", "quarantined", _RAW),
    Key("keep_versions", "keep_versions", _typed(kinds.integer(0, 10**9))),
    Key("max_size", "max_size_bytes", kinds.SIZE),
    Key("mode", "mode", _RAW),
    Key("exemptions", "exemptions", _json(lambda given: [_exemption(each) for each in given])),
)
PYPI = tuple(Key(name, name, _LIST) for name in ("pkg_list", "allowlist", "blocklist"))
_KEYS = {key.name: key for key in POLICY}
_UNITS = {"min_age": kinds.DURATION, "max_size": kinds.SIZE}
_OF_ONLY = re.compile(r"only\[(\d+)\]")
_FIRST = re.compile(r"(pypi\.)?[^.\[]+")


def read_policies(
    reader: Reader, node: Table | Given | None, feeds: Mapping[str, Feed]
) -> tuple[dict[str, Policy], tuple[str, ...]]:
    """Return the policies by name, and what of them is legal and hardly meant."""
    tables = reader.table(node, "policies").entries
    policies: dict[str, Policy] = {}
    notes: list[str] = []
    for name, entry in tables.items():
        place = dotted("policies", name)
        if not kinds.is_plain_name(name):
            reader.fault(place, "this name cannot be used for a policy", source_of(entry))
        users = dict.fromkeys(feed.kind for feed in feeds.values() if feed.policy == name)
        parsed = _read(reader, name, reader.table(entry, place), place, users)
        notes += (f"{place}.{key}: {message}" for key, message in parsed.warnings)
        if parsed.policy is not None:
            policies[name] = parsed.policy
    _check_references(reader, tables, feeds)
    return policies, tuple(notes)


def parse_given(name: str, table: Mapping[str, object], used_by: Iterable[str] = ()) -> "Parsed":
    """Return the policy of a table as a file or the API gives it: durations and sizes with their units."""
    # Here only, because it brings py-rattler along: who has no policy starts without it.
    from proxy.policy.parse import Fault, Parsed, parse_policy

    values, faults = dict(table), []
    for key, kind in _UNITS.items():
        if key in values:
            try:
                values[key] = kind.read(Given(values[key], "", Path()), {})
            except RefusedError as err:
                faults += [Fault(key + where, why) for where, why in err.parts]
                del values[key]
    parsed = parse_policy(name, values, [kind for kind in ("conda", "pypi") if kind in set(used_by)])
    return Parsed(None, (*faults, *parsed.faults), parsed.warnings) if faults else parsed


def as_table(policy: Policy) -> dict[str, object]:
    """Return the policy as a file would spell it, without what is at its default; `parse_given` reads it back."""
    default = Policy(policy.name)
    table = {
        key.name: key.kind.show(getattr(policy, key.attr))
        for key in POLICY
        if getattr(policy, key.attr) != getattr(default, key.attr)
    }
    lists = {key.name: list(given) for key in PYPI if (given := getattr(policy.pypi, key.attr))}
    return table | ({"pypi": lists} if lists else {})


def _read(reader: Reader, name: str, table: Table, place: str, used_by: Iterable[str]) -> "Parsed":
    values = dict(_values(reader, table, place))
    parsed = parse_given(name, values, used_by)
    from_file = reader.lists.get(f"{place}.only")
    for key, message in parsed.faults:
        if from_file is not None and (spec := _OF_ONLY.match(key)):
            number = from_file.lines[int(spec[1])]
            reader.fault(f"{place}.only", f"{from_file.path.name} line {number} {message}")
            continue
        first = _FIRST.match(key)
        reader.fault(
            f"{place}.{key}", message, reader.sources.get(f"{place}.{first[0]}", "") if first else ""
        )
    return parsed


def _values(reader: Reader, table: Table, place: str) -> Iterator[tuple[str, object]]:
    """Yield what is given, texts of the environment as the types that their keys need."""
    for name, entry in table.entries.items():
        if name == "pypi":
            lists = reader.table(entry, f"{place}.pypi")
            yield name, dict(_typed_values(reader, lists, f"{place}.pypi", {key.name: key for key in PYPI}))
    rest = Table({name: entry for name, entry in table.entries.items() if name != "pypi"})
    yield from _typed_values(reader, rest, place, _KEYS)


def _typed_values(
    reader: Reader, table: Table, place: str, keys: Mapping[str, Key]
) -> Iterator[tuple[str, object]]:
    for name, entry in table.entries.items():
        key = f"{place}.{name}"
        is_file = name == "only" and isinstance(entry, Given) and isinstance(entry.value, dict)
        kind = _FILE_OF_SPECS if is_file else _RAW if name in _UNITS or name not in keys else keys[name].kind
        read = reader.value(kind, entry, key)
        if read is not None and isinstance(read[0], SpecList):
            reader.lists[key] = read[0]
            yield name, read[0].specs
        elif read is not None:
            yield name, read[0]


def _check_references(reader: Reader, tables: Iterable[str], feeds: Mapping[str, Feed]) -> None:
    known = set(tables)
    for feed in feeds.values():
        if feed.policy is not None and feed.policy not in known:
            message = f'there is no policy "{feed.policy}"{nearest(feed.policy, known)}'
            reader.fault(f"feeds.{feed.name}.policy", message)
