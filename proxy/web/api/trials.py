"""`POST /api/v1/feeds/{feed}/policy-trial`: what a draft of a policy would hide of a feed. Changes nothing."""

import asyncio
from typing import Any

import msgspec

from proxy.config.kinds import is_plain_name
from proxy.config.policies import parse_given
from proxy.feeds.trial import Trial, enforced
from proxy.policy.parse import Parsed
from proxy.web.access_rights import require
from proxy.web.api.answer import accepting
from proxy.web.api.body import refused
from proxy.web.api.served import Served
from proxy.web.inbound import Inbound
from proxy.web.routes import Route


class Draft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy as `[policies.NAME]` spells it."""

    policy: dict[str, Any]
    name: str = "draft"


class TrialsApi:
    """The handler."""

    def __init__(self, served: Served) -> None:
        self._served = served

    def routes(self) -> tuple[Route, ...]:
        return (Route(("POST",), "/api/v1/feeds/{feed}/policy-trial", accepting(self.trial)),)

    async def trial(self, request: Inbound, body: Draft) -> Trial:
        """Judge a draft against everything that the feed has now: counts by rule, and the names that are lost."""
        feed = self._served.feed(request)
        require(request.actor, "manage", feed.name)
        if not is_plain_name(body.name):
            raise refused([("name", "cannot be a policy's name")])
        # Off the loop: the first policy brings py-rattler along.
        parsed: Parsed = await asyncio.to_thread(parse_given, body.name, body.policy, (feed.kind,))
        if parsed.policy is None:
            raise refused((f"policy.{key}", message) for key, message in parsed.faults)
        found = await self._served.listing(feed).trial(enforced(parsed.policy))
        warnings = [f"{key}: {message}" for key, message in parsed.warnings]
        return msgspec.structs.replace(found, warnings=warnings)
