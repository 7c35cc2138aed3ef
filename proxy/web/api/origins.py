"""Where a feed, policy or route comes from: config.toml, the environment or the API; and what was given there."""

from collections.abc import Callable
from typing import Any

from proxy.config.layers import API
from proxy.config.masks import masked
from proxy.config.schema import dotted
from proxy.config.settings import Settings
from proxy.web.api.declared import Managing
from proxy.web.api.tags import quoted
from proxy.web.outbound import Headers

_FILE = "config.toml"


class Origins:
    """Asked anew for every request."""

    def __init__(self, settings: Callable[[], Settings], managing: Managing) -> None:
        self._settings = settings
        self._managing = managing

    def source(self, noun: str, name: str) -> str:
        """Return who declares a thing."""
        if self._managing.declared(noun, name) is not None:
            return API
        place = f"{dotted(noun, name)}."
        sources = self._settings().sources
        return next((source for key, source in sources.items() if key.startswith(place)), _FILE)

    def declared(self, noun: str, name: str) -> dict[str, Any] | None:
        """Return a thing's document without secrets, None if it is not the API's."""
        thing = self._managing.declared(noun, name)
        return masked(noun, thing.document) if thing is not None else None

    def tag(self, noun: str, name: str) -> Headers:
        """Return the ETag that a change of the thing has to name."""
        thing = self._managing.declared(noun, name)
        return (("ETag", quoted(thing.tag)),) if thing is not None else ()
