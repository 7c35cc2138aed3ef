"""The guard: which URLs and which addresses may be asked (design, law 2; E03). Pure.

Two checks, because each sees what the other cannot. `check_target` looks at the text: a literal address in
any spelling, and names that mean this machine. `refusal` looks at the address that a connection is really
made to, after the name was resolved, on each hop, so that a name whose answer changes gains nothing. Behind
an outbound proxy the second check cannot be made by us; the first is, and the proxy itself is exempt.

`allow_private` opens private and loopback networks for one upstream, on its own hosts (reach.py). Link-local
addresses (the metadata services of clouds), multicast and "this host" stay closed even then.
"""

import ipaddress
import re

from proxy.upstream.errors import AddressRefused
from proxy.upstream.target import Target

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")
_THIS_HOST = ipaddress.IPv4Network("0.0.0.0/8")
#: RFC 5737 and 3849: nobody's network, so nothing inside can be reached there. Closed build networks put their
#: relays of public hosts on such addresses.
_DOCUMENTATION = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
)
#: The spellings that inet_aton understands and ipaddress does not: 2130706433, 0x7f.1, 0177.0.0.1, 127.1.
_NUMERIC = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+))*\Z")
_LOCAL_NAMES = frozenset({"localhost", "ip6-localhost", "ip6-loopback", "localhost.localdomain"})


def check_target(target: Target, *, allow_private: bool) -> None:
    """Raise AddressRefused for a literal address or a local name that must not be asked."""
    literal = _literal(target.host)
    if literal is None and _NUMERIC.match(target.host):
        raise AddressRefused(
            "guard", "a host that spells an address in an unusual form", origin=target.origin
        )
    if literal is not None:
        why = refusal(target.host, allow_private=allow_private)
        if why is not None:
            raise AddressRefused("guard", why, origin=target.origin)
    elif not allow_private and _is_local_name(target.host):
        raise AddressRefused("guard", _closed("a name of this machine"), origin=target.origin)


def is_literal(host: str) -> bool:
    """Tell whether the host is an address rather than a name."""
    return _literal(host) is not None


def refusal(address: str, *, allow_private: bool) -> str | None:
    """Return why the address must not be connected to, or None if it may."""
    found = _literal(address)
    if found is None:
        return "an address that cannot be read"
    found = _unwrapped(found)
    if _is_never(found):
        return "a link-local, multicast or unspecified address, which is never asked"
    if found.is_global or allow_private or any(found in network for network in _DOCUMENTATION):
        return None
    return _closed("a loopback address" if found.is_loopback else "a private or reserved address")


def _closed(what: str) -> str:
    return f"{what}, and this upstream is not configured with allow_private for this host"


def _literal(host: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _unwrapped(address: IpAddress) -> IpAddress:
    """Return the IPv4 address that an IPv6 address stands for: mapped, 6to4, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and (address in _NAT64 or (int(address) >> 32 == 0 and int(address) > 1)):
        inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address if inner is None else inner


def _is_never(address: IpAddress) -> bool:
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        return True
    if isinstance(address, ipaddress.IPv4Address):
        return address in _THIS_HOST or int(address) == 0xFFFF_FFFF
    return address.is_site_local or address in _NAT64_LOCAL


def _is_local_name(host: str) -> bool:
    return host in _LOCAL_NAMES or host.endswith((".localhost", ".localdomain"))
