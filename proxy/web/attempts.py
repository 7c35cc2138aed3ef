"""Failed attempts: how many wrong keys an address may present before it has to wait (reliability, E19).

Counted by address, and by address and first characters of the value, so that one client with an old key uses up its
own tries and not its neighbours'. Nobody with a good key is ever counted or made to wait: this is asked only about
values that have been found wrong, or whose check is slow. An IPv6 address counts with its network, because whoever
has one has all of it.
"""

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil

from proxy.model.clock import Clock

WINDOW_S = 60.0
#: Wrong values within the window: with the same first characters, and all of an address's.
MAX_ALIKE = 10
MAX_OF_ADDRESS = 60
MAX_REMEMBERED = 10_000
_ALIKE_CHARS = 4
_NETWORK_BITS = 64
_ALL = "*"


@dataclass(slots=True)
class Window:
    """Attempts since a monotonic time."""

    since: float
    count: int = 0


class Attempts:
    """What is remembered of failures; bounded, the oldest are forgotten."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: OrderedDict[tuple[str, str], Window] = OrderedDict()

    def note(self, address: str, value: str) -> None:
        """Count a wrong value."""
        now = self._clock.monotonic()
        for place, _ in _places(address, value):
            window = self._windows.get(place)
            if window is None or now - window.since >= WINDOW_S:
                window = self._windows[place] = Window(now)
                self._windows.move_to_end(place)
            window.count += 1
        while len(self._windows) > MAX_REMEMBERED:
            self._windows.popitem(last=False)

    def wait_s(self, address: str, value: str) -> int:
        """Return for how many seconds another such value is not looked at; 0: it may be tried."""
        now, waits = self._clock.monotonic(), [0.0]
        for place, most in _places(address, value):
            window = self._windows.get(place)
            if window is not None and window.count >= most:
                waits.append(window.since + WINDOW_S - now)
        return ceil(max(waits))


def _places(address: str, value: str) -> tuple[tuple[tuple[str, str], int], ...]:
    where = _network(address)
    return ((where, value[:_ALIKE_CHARS]), MAX_ALIKE), ((where, _ALL), MAX_OF_ADDRESS)


def _network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, _NETWORK_BITS), strict=False))
    return address
