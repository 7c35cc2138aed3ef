"""Keys as they are known: everything but the value, which nobody keeps (law 9)."""

import re
from dataclasses import dataclass

from proxy.model.actor import ANONYMOUS, LOCAL, SYSTEM, Actor, Grant

#: The id of the first admin key, which is in no table.
ADMIN_ID = "admin"
_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
MAX_NAME_CHARS = 100
_RESERVED = frozenset({ANONYMOUS.name, LOCAL.name, SYSTEM.name, "admin key"})


@dataclass(frozen=True, slots=True)
class Key:
    """A key that may be used until `expires_ms`. Times are milliseconds since the epoch, UTC."""

    id: str
    name: str
    grants: tuple[Grant, ...] = ()
    groups: tuple[str, ...] = ()
    is_admin: bool = False
    created_ms: int = 0
    #: The name of whoever made it.
    created_by: str = ""
    expires_ms: int | None = None
    last_used_ms: int | None = None

    def actor(self) -> Actor:
        """Return whoever holds the key, with what it grants by itself."""
        return Actor(self.id, self.name, self.groups, self.is_admin, self.grants)


def is_group(text: str) -> bool:
    """Return whether a group may be called so."""
    return _GROUP.match(text) is not None


def why_no_name(text: str) -> str | None:
    """Return why a key may not be called so; the audit tells people by these names."""
    if not text.strip() or not text.isprintable() or len(text) > MAX_NAME_CHARS or text != text.strip():
        return f"is 1 to {MAX_NAME_CHARS} printable characters"
    if text.casefold() in _RESERVED:
        return "is what the audit calls somebody else"
    return None
