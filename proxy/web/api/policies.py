"""`/api/v1/policies`: which policies there are, what they mean in plain words, and which feeds use them.

Who may read a feed may read its policy: the words that hide a file are told with every refusal anyway. A policy that no
feed uses is an admin's.
"""

from typing import Any

import msgspec

from proxy.config.policies import as_table
from proxy.model.problem import Problem
from proxy.policy.describe import describe
from proxy.policy.settings import Policy
from proxy.web.access_rights import may_read_policy
from proxy.web.api.answer import Told, answering
from proxy.web.api.asked import cut
from proxy.web.api.origins import Origins
from proxy.web.api.served import Served
from proxy.web.inbound import Inbound
from proxy.web.routes import Route


class PolicyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A policy. `words` are its rules in plain words, in the order in which they are asked."""

    name: str
    #: `enforce`, or `audit`: nothing is hidden, what would be is counted and logged.
    mode: str
    #: The feeds that use it, as far as the one who asks may know.
    feeds: list[str]
    words: list[str]


class PolicyDetail(PolicyAnswer, frozen=True, kw_only=True):
    """A policy with its keys, spelled as in config.toml; a key at its default is left out."""

    settings: dict[str, Any]
    #: Changes with the policy's meaning only.
    fingerprint: str
    #: "config.toml", the environment, or "API".
    source: str
    #: What a PUT takes, for admins; null for what is not the API's.
    declared: dict[str, Any] | None


class PolicyPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some policies; `next` is the cursor of the following page, null at the end."""

    items: list[PolicyAnswer]
    next: str | None


class PoliciesApi:
    """The handlers."""

    def __init__(self, served: Served, origins: Origins) -> None:
        self._served = served
        self._origins = origins

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(("GET",), "/api/v1/policies", answering(self.policies, asks=("limit", "cursor"))),
            Route(("GET",), "/api/v1/policies/{policy}", answering(self.policy)),
        )

    async def policies(self, request: Inbound) -> PolicyPage:
        """List the policies in the order of the settings."""
        known = [
            each for each in self._served.settings.policies.values() if self._may_read(request, each.name)
        ]
        some, following = cut(request, known, lambda policy: policy.name)
        return PolicyPage(items=[self._answer(request, policy) for policy in some], next=following)

    async def policy(self, request: Inbound) -> Told[PolicyDetail]:
        """Tell everything about one policy."""
        name = request.params["policy"]
        policy = self._served.settings.policies.get(name)
        if policy is None or not self._may_read(request, name):
            raise Problem("unknown", f"there is no policy {name}")
        told = msgspec.structs.asdict(self._answer(request, policy))
        detail = PolicyDetail(
            **told, settings=as_table(policy), fingerprint=policy.fingerprint,
            source=self._origins.source("policies", name),
            declared=self._origins.declared("policies", name) if request.actor.is_admin else None,
        )  # fmt: skip
        return Told(detail, self._origins.tag("policies", name))

    def _answer(self, request: Inbound, policy: Policy) -> PolicyAnswer:
        return PolicyAnswer(
            name=policy.name,
            mode=policy.mode,
            feeds=self._users(request, policy.name),
            words=describe(policy),
        )

    def _users(self, request: Inbound, name: str) -> list[str]:
        feeds = self._served.settings.feeds.values()
        return [feed.name for feed in feeds if feed.policy == name and request.actor.may("read", feed.name)]

    def _may_read(self, request: Inbound, name: str) -> bool:
        return may_read_policy(request.actor, self._served.settings, name)
