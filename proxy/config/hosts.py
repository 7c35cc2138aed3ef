"""Hosts of configured URLs: those that the outbound door would refuse are refused while the settings are read. Pure.

The same rules as the door's own (`upstream/target.py`, `upstream/guard.py`), which is above this room: what passes
here is asked there, so a name that nobody could ask stops no reload and no start. `tests/config/test_hosts.py` holds
the two together.
"""

import ipaddress
import re

_LABEL = r"[a-z0-9_][a-z0-9_-]{0,62}"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z")
#: Spellings of an address that only some programs understand: 2130706433, 0x7f.1, 0177.0.0.1, 127.1.
_NUMERIC = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+))*\Z")
_LOCAL = frozenset({"localhost", "ip6-localhost", "ip6-loopback", "localhost.localdomain"})
_LONGEST = 253
#: Nobody's network (RFC 5737, 3849), so nothing private is there.
_DOCUMENTATION = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
)


def why_unusable(host: str) -> str | None:
    """Return what is wrong with a URL's host (without brackets), or None if it can be looked up."""
    if ":" in host:
        return None if _address(host) is not None and "%" not in host else "names no IPv6 address"
    name = host.lower().removesuffix(".")
    if len(name) > _LONGEST or not _NAME.match(name):
        return (
            "has no valid host name: labels of 1 to 63 letters, digits, '-' and '_', none beginning with '-'"
        )
    if _NUMERIC.match(name) and _address(name) is None:
        return "spells an address in an unusual form; write it as four decimal numbers"
    return None


def is_private(host: str) -> bool:
    """Tell whether only an upstream with `allow_private` can ask the host, as far as its text tells."""
    name = host.lower().removesuffix(".")
    address = _address(name)
    if address is None:
        return name in _LOCAL or name.endswith((".localhost", ".localdomain"))
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address.sixtofour or address
    return not address.is_global and not any(address in network for network in _DOCUMENTATION)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
