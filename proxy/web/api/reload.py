"""`POST /api/v1/reload`: apply the changed file, or, if it has an error, nothing of it."""

import msgspec

from proxy.config.faults import ConfigError
from proxy.model.problem import Problem
from proxy.upstream.errors import UpstreamError
from proxy.web.access_rights import require_admin
from proxy.web.api.answer import changing
from proxy.web.api.declared import Managing, faulty
from proxy.web.inbound import Inbound
from proxy.web.routes import Route


class ReloadAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: `messages` tell what needs a restart, and what works but is probably not meant."""

    ok: bool
    messages: list[str]


class ReloadApi:
    """The handler."""

    def __init__(self, managing: Managing) -> None:
        self._managing = managing

    def routes(self) -> tuple[Route, ...]:
        return (Route(("POST",), "/api/v1/reload", changing(self.reload)),)

    async def reload(self, request: Inbound) -> ReloadAnswer:
        """Read config.toml anew and apply it as a whole, or tell everything that is wrong with it."""
        require_admin(request.actor)
        try:
            messages = await self._managing.reload(request.actor, request.request_id)
        except ConfigError as err:
            raise faulty(err, "", request.actor) from err
        except UpstreamError as err:
            raise Problem("unprocessable", f"an upstream cannot be used: {err}") from err
        return ReloadAnswer(ok=True, messages=list(messages))
