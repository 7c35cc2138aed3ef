"""A hop: one step of the way to an upstream as `feedgate doctor` tells it, and what to do where it fails. Pure."""

from dataclasses import dataclass
from typing import Literal

HopStep = Literal[
    "route",
    "name",
    "tcp",
    "proxy tls",
    "proxy",
    "proxy authentication",
    "tls",
    "origin",
    "content",
    "clock",
    "folder",
]

_ADVICE: dict[str, str] = {
    "route": "check the upstream's url and route",
    "name": "check the name and this machine's resolver",
    "tcp": "check the firewall, or name the outbound proxy (HTTPS_PROXY or [routes.default])",
    "proxy tls": "check the proxy's scheme (most are http://), or name its certificate's CA in ca_files of the route",
    "proxy": "check the outbound proxy's address and what it lets through",
    "proxy authentication": "check username and password of the route",
    "tls": "if a proxy or a private CA signs here, name its certificate in ca_files of the route",
    "origin": "check the upstream's url and auth",
    "content": "check the upstream's url, and whether something on the way answers in its place",
    "clock": "set this machine's clock: certificates and waiting periods depend on it",
    "folder": "check the upstream's url, and that the mount is there and this user may read it",
}


@dataclass(frozen=True, slots=True)
class Hop:
    """One step. `detail` says what was found; `advice` what to do, if that is not what the step's name says already."""

    name: HopStep
    ok: bool
    detail: str
    advice: str = ""
    #: It works, and should still be looked at.
    is_warning: bool = False

    @property
    def told(self) -> str:
        """The whole line: what was found and, where it failed, what to do."""
        if self.ok and not self.is_warning:
            return self.detail
        return f"{self.detail}; {self.advice or _ADVICE[self.name]}"


class StepFailed(Exception):
    """A step failed, and with it the walk."""

    def __init__(self, name: HopStep, detail: str, advice: str = "") -> None:
        super().__init__(name)
        self.hop = Hop(name, False, detail, advice)
