"""Layers: file, environment and command line laid over each other, every value knowing who gave it.

Decides only whose value counts (file < environment < command line), never whether it is right: that is
`kinds.py` and `schema.py`. Tables merge key by key, lists and single values replace each other whole. Text
from the environment or the command line stays text (`Given.is_text`) until the key's kind reads it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from proxy.config.faults import Fault, RefusedError, describe

PREFIX = "feedgate__"
#: The source of what was stored through the API.
API = "API"
_LARGEST_FILE = 4 * 1024**2
_LARGEST_VALUE = 64 * 1024
#: Tables of named tables: the second word of the path is a name that the user chose.
NAMED = frozenset({"feeds", "routes", "policies"})


@dataclass(frozen=True, slots=True)
class Given:
    """A value as it was given. Relative paths in it count from `base`."""

    value: object
    source: str
    base: Path
    is_text: bool = False
    #: It stands in the settings' file itself: some things only that may say.
    in_file: bool = False

    def part(self, value: object) -> "Given":
        """Return a value that stands inside this one."""
        return Given(value, self.source, self.base, in_file=self.in_file)


@dataclass(slots=True)
class Table:
    """A table of given values and tables."""

    entries: "dict[str, Given | Table]" = field(default_factory=dict)

    def table(self, name: str) -> "Table":
        """Return the table of this name, made on first use; raise RefusedError if a value stands there."""
        found = self.entries.setdefault(name, Table())
        if isinstance(found, Given):
            what = describe(found.value)
            raise RefusedError.because(f'"{name}" is a table, but {found.source} gives {what}')
        return found


def is_table(path: tuple[str, ...]) -> bool:
    """Return whether this place of the tree is a table that merges, not a value."""
    if len(path) == 3:
        return path[0] == "policies" and path[2] == "pypi"
    return len(path) == 1 or (len(path) == 2 and (path[0] in NAMED or path == ("server", "tls")))


def read_file(path: Path, name: str) -> Table:
    """Return the tables of a TOML file; raise RefusedError with a line that names the place of the error."""
    import tomllib

    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST_FILE + 1)
    except OSError as err:
        raise RefusedError.because(f"cannot be read: {err.strerror}") from err
    if len(data) > _LARGEST_FILE:
        raise RefusedError.because("is larger than 4 MiB and no configuration")
    try:
        values = tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as err:
        line = data.count(b"\n", 0, err.start) + 1
        raise RefusedError.because(f"is not UTF-8 (line {line})") from err
    except (tomllib.TOMLDecodeError, RecursionError) as err:
        reason = "nested too deeply" if isinstance(err, RecursionError) else str(err)
        raise RefusedError.because(f"is not TOML: {reason}") from err
    tree = Table()
    _lay(tree, (), Given(values, name, path.parent, in_file=True))
    return tree


def _lay(tree: Table, path: tuple[str, ...], given: Given) -> None:
    """Lay a table's values over the tree."""
    if not isinstance(given.value, dict):
        raise TypeError("only a table can be laid over a tree")
    for name, value in given.value.items():
        here = (*path, str(name))
        if is_table(here) and isinstance(value, dict):
            _lay(tree.table(str(name)), here, given.part(value))
        else:
            tree.entries[str(name)] = given.part(value)


def lay_environment(tree: Table, environ: Mapping[str, str], cwd: Path) -> Iterator[Fault]:
    """Lay `FEEDGATE__TABLE__KEY` variables over the tree, shallow names first so that the exact one wins."""
    names = sorted(
        (name for name in environ if name.lower().startswith(PREFIX)),
        key=lambda name: (name.count("__"), name),
    )
    seen: dict[tuple[str, ...], str] = {}
    for name in names:
        words = name[len(PREFIX) :].lower().split("__")
        from_file = words[-1] == "file" and len(words) > 1
        path = _match(tree, words[:-1] if from_file else words)
        source = f"environment {name}"
        if not all(path):
            yield Fault(name, "has an empty part between two underscores", "environment")
        elif path in seen:
            yield Fault(".".join(path), f"is given twice, by {seen[path]} and by {name}", "environment")
        else:
            seen[path] = name
            try:
                text = Given(environ[name], source, cwd, is_text=True)
                lay_text(tree, path, _value_of(text) if from_file else text)
            except RefusedError as err:
                yield from (Fault(".".join(path) + where, why, source) for where, why in err.parts)


def _match(tree: Table, words: list[str]) -> tuple[str, ...]:
    """Return the path that an environment name means: a chosen name's `-` is spelled `_` there."""
    if len(words) < 2 or words[0] not in NAMED:
        return tuple(words)
    group = tree.entries.get(words[0])
    known = group.entries if isinstance(group, Table) else {}
    fits = [name for name in known if name.lower().replace("-", "_") == words[1]]
    return (words[0], fits[0] if fits else words[1].replace("_", "-"), *words[2:])


def _value_of(given: Given) -> Given:
    """Return the content of the file that a `…__FILE` variable names, without its last line end."""
    path = Path(given.base, str(given.value))
    return Given(text_of(path), given.source, path.parent, is_text=True)


def text_of(path: Path) -> str:
    """Return a small file's text without its last line end; raise RefusedError."""
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST_VALUE + 1)
        if len(data) > _LARGEST_VALUE:
            raise RefusedError.because(f"the file {path} is larger than 64 KiB")
        return data.decode().removesuffix("\n").removesuffix("\r")
    except OSError as err:
        raise RefusedError.because(f"the file {path} cannot be read: {err.strerror}") from err
    except ValueError as err:
        raise RefusedError.because(f"the file {path} is not UTF-8 text") from err


def lay_text(tree: Table, path: tuple[str, ...], given: Given) -> None:
    """Lay one text over the tree; where the path is a table, the text is the JSON of a table."""
    for depth in range(1, len(path)):
        if not is_table(path[:depth]):
            raise RefusedError.because(
                f'"{".".join(path[:depth])}" is one value, given as a whole (lists as JSON)'
            )
    here = tree
    for name in path[:-1]:
        here = here.table(name)
    if not is_table(path):
        here.entries[path[-1]] = given
        return
    value = parse_json(given)
    if not isinstance(value, dict):
        raise RefusedError.because(f"must be a table as JSON, not {describe(value)}")
    _lay(here.table(path[-1]), path, given.part(value))


def parse_json(given: Given) -> object:
    """Return the value of a JSON text; raise RefusedError without repeating the text."""
    import json

    try:
        value: object = json.loads(str(given.value))
    except (ValueError, RecursionError) as err:
        raise RefusedError.because("must be JSON here") from err
    return value
