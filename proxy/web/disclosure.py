"""What of a problem is told to whoever asked: names of the asked feed, and of nothing that the asker may not know.

A feed may take from another one, and a policy, an origin or a name behind it is then the reason for a refusal. Rooms
below say whose feed and whose policy it is (`Problem.feed`, `Problem.policy`), and what to say without names
(`Problem.plain`); here is decided what leaves. The log has the rest.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

from proxy.config.settings import Feed, Settings
from proxy.model.actor import Actor
from proxy.model.problem import Problem
from proxy.web.access_rights import may_read_policy
from proxy.web.routes import Found

_LOG = logging.getLogger("feedgate.refused")
_API = "/api/"
_FEEDS = "/api/v1/feeds/"


class Disclosure:
    """Asked for every problem; `settings` gives those in force."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    def of(self, problem: Problem, found: Found, actor: Actor, request_id: str) -> Problem:
        """Return the problem as the actor is told, who asked for what was found."""
        settings = self._settings()
        asked = _asked_feed(settings, found)
        told = problem
        if not _may_know(problem, asked, actor, settings):
            told = problem.without_names(asked.name if asked is not None else None)
            _LOG.info("request %s was told less: %s, feed %s", request_id, problem, problem.feed)
        elif asked is not None and problem.feed is not None and not found.route.pattern.startswith(_API):
            told = replace(problem, feed=asked.name)
        if told.explain is None or asked is None or problem.feed == told.feed:
            return told
        # The question is the asked feed's to answer.
        query = told.explain.partition("?")[2]
        return replace(told, explain=f"{_FEEDS}{asked.name}/explain?{query}")


def _asked_feed(settings: Settings, found: Found) -> Feed | None:
    name = found.params.get("feed")
    if name is None:
        return None
    feeds = settings.feeds.values()
    return settings.feeds.get(name) or next((feed for feed in feeds if name in feed.aliases), None)


def _may_know(problem: Problem, asked: Feed | None, actor: Actor, settings: Settings) -> bool:
    own = asked.name if asked is not None else None
    if problem.feed not in (None, own) and not actor.may("read", problem.feed):
        return False
    policy = asked.policy if asked is not None else None
    return problem.policy in (None, policy) or may_read_policy(actor, settings, problem.policy)
