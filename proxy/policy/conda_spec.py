"""conda specs (CEP 29; conda sheet, 12): `channel/subdir::name version build[key=value]`, with globs for the name.

py-rattler is asked for version, build and build number only. Channel, subdir, file name, licence and hashes are ours:
it does not check the first three against a record, and compares a licence exactly. Regular expressions, extras,
`when`, `track_features`, `features`, `url` and URLs instead of specs are refused.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from proxy.model.bounds import LONGEST
from proxy.policy.conda_version import BadVersion, BuildMatcher, parse_build_matcher, read_build_matcher
from proxy.policy.facts import Facts
from proxy.policy.platforms import is_subdir
from proxy.policy.spec import BadSpec, NamePattern, glob_matches

_BRACKET = re.compile(r"\[([^\[\]]*)\]\Z")
_PAIR = re.compile(r"""\s*([a-z_0-9]+)\s*=\s*(?:'([^']*)'|"([^"]*)"|([^'",\s]+))\s*(?:,|\Z)""")
_NAME = re.compile(r"[A-Za-z0-9_*][A-Za-z0-9_.*-]*")
_CHANNEL = re.compile(r"[A-Za-z0-9_.:/-]+\Z")
_HEX = {"md5": re.compile(r"[0-9a-f]{32}\Z"), "sha256": re.compile(r"[0-9a-f]{64}\Z")}
_OF_BUILDS = ("version", "build", "build_number")
_OURS = ("license", "license_family", "subdir", "channel", "fn", "md5", "sha256")
_REFUSED = ("name", "track_features", "features", "url", "extras", "when", "flags", "namespace")

Test = Callable[[Facts], bool]


@dataclass(frozen=True, slots=True)
class CondaSpec:
    """One spec: all of its tests must agree."""

    text: str
    name: NamePattern
    build: BuildMatcher | None
    tests: tuple[Test, ...]

    @property
    def is_bare(self) -> bool:
        return self.build is None and not self.tests

    def matches(self, facts: Facts) -> bool:
        if not self.name.matches(facts.name):
            return False
        # What is cheap first; a version that cannot be read matters only where it is asked for.
        for test in self.tests:
            if not test(facts):
                return False
        if self.build is None:
            return True
        return self.build.matches(facts.version or "", facts.build, facts.build_number)


def parse_conda_spec(text: str, *, is_kept: bool = True) -> CondaSpec:
    """Return the spec; what one that is not kept answers dies with it. Raises BadSpec."""
    _refuse_what_is_none(text)
    body, pairs = _bracket(text.partition("#")[0].strip())
    prefix, separator, plain = body.rpartition("::")
    tests = _prefix_tests(prefix) if separator else []
    plain = plain.strip()
    found = _NAME.match(plain)
    if found is None:
        raise BadSpec("does not begin with a package's name")
    rest = plain[found.end() :]
    if rest and rest[0] not in " =<>!~\t(":
        raise BadSpec(f'"{rest[0]}" cannot stand in a package\'s name')
    tests += [_test(key, value) for key, value in pairs if key in _OURS]
    of_builds = tuple((key, value) for key, value in pairs if key in _OF_BUILDS)
    return CondaSpec(text, NamePattern(found[0].lower()), _matcher(rest, of_builds, is_kept), tuple(tests))


def _refuse_what_is_none(text: str) -> None:
    if "://" in text or text.endswith((".conda", ".tar.bz2")):
        raise BadSpec("a URL or file name is no spec here: write name[fn='file']")
    if re.search(r"\sif\s|;|@", text):
        raise BadSpec("conditions, and features with '@', are not supported in a policy")
    if "^" in text or "$" in text:
        raise BadSpec("regular expressions are not supported in a policy: write a glob with '*'")


def _matcher(rest: str, bracket: tuple[tuple[str, str], ...], is_kept: bool) -> BuildMatcher | None:
    if rest.strip() in ("", "*") and not bracket:
        return None
    try:
        return (parse_build_matcher if is_kept else read_build_matcher)(rest, bracket)
    except BadVersion as err:
        raise BadSpec(f"its version or build cannot be read: {err}") from err


def _bracket(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Cut the bracket off and return its pairs."""
    found = _BRACKET.search(text)
    body = text[: found.start()] if found else text
    if "[" in body or "]" in body:
        raise BadSpec("has a bracket that is not one [key=value, …] at its end")
    pairs: list[tuple[str, str]] = []
    at, inside = 0, found[1] if found else ""
    while inside[at:].strip():
        pair = _PAIR.match(inside, at)
        if pair is None:
            raise BadSpec("its bracket is not [key=value, key='value']")
        key, value = pair[1], pair[2] or pair[3] or pair[4] or ""
        _check_key(key, value, [known for known, _ in pairs])
        pairs.append((key, value))
        at = pair.end()
    return body, pairs


def _check_key(key: str, value: str, before: list[str]) -> None:
    if key in _REFUSED:
        raise BadSpec(f"{key} is not supported in a policy's spec")
    if key not in _OF_BUILDS + _OURS:
        raise BadSpec(f"there is no key {key} (there are {', '.join((*_OF_BUILDS, *_OURS))})")
    if key in before:
        raise BadSpec(f"{key} is given twice")
    if not value.strip() or '"' in value or "'" in value:
        raise BadSpec(f"{key} has no value")


def _prefix_tests(prefix: str) -> list[Test]:
    """Return the tests of `channel/subdir`, either of which may be missing."""
    prefix = prefix.strip()
    channel, _, last = prefix.rpartition("/")
    if not _CHANNEL.match(prefix):
        raise BadSpec("does not begin with a channel's name before '::'")
    if is_subdir(last):
        return [_test("subdir", last), *([_test("channel", channel)] if channel else [])]
    return [_test("channel", prefix)]


def _test(key: str, value: str) -> Test:
    match key:
        case "license" | "license_family":
            pattern, is_family = value.lower(), key == "license_family"
            return lambda facts: _licence_matches(facts, pattern, is_family)
        case "subdir":
            return lambda facts: facts.subdir == value
        case "fn":
            return lambda facts: facts.file == value
        case "channel":
            wanted = value.strip("/")
            return lambda facts: facts.channel == wanted or facts.channel.endswith(f"/{wanted}")
    wanted = value.lower()
    if not _HEX[key].match(wanted):
        raise BadSpec(f"{key} is no hexadecimal digest of its length")
    return (lambda facts: facts.md5 == wanted) if key == "md5" else (lambda facts: facts.sha256 == wanted)


def _licence_matches(facts: Facts, pattern: str, is_family: bool) -> bool:
    if facts.license is None:
        raise ValueError("its licence is not known yet")
    text = facts.license.family if is_family else facts.license.text
    if text is not None and len(text) > LONGEST:
        raise ValueError("its licence's text is too long to be read")
    return text is not None and glob_matches(pattern, text.lower())
