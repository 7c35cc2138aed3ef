"""Policies as `config.toml` spells them."""

import asyncio
from typing import Any

from proxy.config.policies import parse_given
from proxy.policy.settings import Policy


async def written(kind: str, table: dict[str, Any]) -> Policy:
    """Return the policy of a table that a feed of the kind uses; it has to be a good one."""
    parsed = await asyncio.to_thread(parse_given, "corp", table, (kind,))
    assert parsed.policy is not None, parsed.faults
    return parsed.policy
