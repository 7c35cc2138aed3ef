"""What a state database consists of, compared with what its revision's schema says. Reads only.

A database may name a revision that it is not of: it was altered, restored in part, or written by a program that called
another schema by the same name. The statements of `fresh` are the measure: tables with their columns and keys, indexes,
triggers. What is there besides is nobody's concern.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing

#: ("table", "keys") -> what it consists of.
Structure = Mapping[tuple[str, str], object]


def structure_of(connection: sqlite3.Connection) -> Structure:
    """Return the tables, indexes and triggers with what they consist of. Raises sqlite3.DatabaseError."""
    found: dict[tuple[str, str], object] = {}
    listed = connection.execute("SELECT type, name, tbl_name FROM sqlite_master").fetchall()
    for kind, name, table in listed:
        match kind:
            case "table":
                columns = connection.execute(
                    'SELECT name, upper(type), "notnull", pk FROM pragma_table_info(?)', (name,)
                )
                found[kind, name] = frozenset(columns)
            case "index":
                (properties,) = connection.execute(
                    'SELECT "unique", partial FROM pragma_index_list(?) WHERE name = ?', (table, name)
                ).fetchall() or (None,)
                columns = connection.execute("SELECT name FROM pragma_index_info(?) ORDER BY seqno", (name,))
                found[kind, name] = (table, properties, tuple(columns))
            case _:
                found[kind, name] = table
    return found


def made_by(statements: Sequence[str]) -> Structure:
    """Return the structure that the statements make."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in statements:
            connection.execute(statement)
        return structure_of(connection)


def faults_of(found: Structure, right: Structure) -> tuple[str, ...]:
    """Return in words where a structure differs from the right one."""
    faults = []
    for (kind, name), content in right.items():
        if (kind, name) not in found:
            faults.append(f"it has no {kind} {name}")
        elif found[kind, name] != content:
            faults.append(f"its {kind} {name} is another one")
    return tuple(faults)
