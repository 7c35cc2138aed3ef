"""Making, changing and removing feeds, policies and routes: one way for all three (contract, section 5; F05).

A document has the words of config.toml. PUT replaces it, PATCH merges (RFC 7396: null takes a key out, lists are
replaced whole) and leaves alone what it does not mention; secrets read as `***` and stay when sent back so. What
config.toml declares is read-only here: 409. All that is wrong is told at once, as at a start: 422 with `faults`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import msgspec

from proxy.config.faults import ConfigError, RefusedError
from proxy.config.masks import masked, unmasked
from proxy.config.settings import Settings
from proxy.config.stored import SINGULAR, Declared
from proxy.model.actor import Actor
from proxy.model.problem import Problem
from proxy.state.approvals import Approvals
from proxy.web.access_rights import may_read_policy, require, require_admin
from proxy.web.api import documents
from proxy.web.api.answer import Told, accepting, changing
from proxy.web.api.body import refused
from proxy.web.api.reach import check_reach, hide_closed, restore_closed
from proxy.web.api.tags import CHANGES, check_absent, check_expected, check_match, quoted
from proxy.web.inbound import Inbound
from proxy.web.outbound import Headers
from proxy.web.routes import Route

_DEPTH = 32
_INTEGERS = 1 << 63
#: The words of a fault behind which other things are named.
_OTHERS = re.compile(r"((?:there is no \w+ \"[^\"]*\"|is its own upstream))(?:,|:| ).*\Z", re.DOTALL)
_OWNER = re.compile(r"is already \w+ .*'s\Z")
_OTHER_KIND = re.compile(r"feed \"[^\"]*\" is \w+, and this one is \w+\Z")
_ELSEWHERE = "something else on this server needs it as it is; an admin is told what"


class Managing(Protocol):
    """Who changes settings: `proxy.management.Management`."""

    def declared(self, noun: str, name: str) -> Declared | None: ...

    async def change(
        self, noun: str, name: str, make: Callable[[Declared | None], Mapping[str, Any] | None], actor: Actor,
        request_id: str = "",
    ) -> Declared | None: ...  # fmt: skip

    async def reload(self, actor: Actor, request_id: str = "") -> tuple[str, ...]: ...


class DeclaredAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that was made through the API. `declared` is what a PUT takes; its tag is in the ETag."""

    name: str
    source: str
    declared: dict[str, Any]


class DeclaredApi:
    """The handlers for one of the nouns. `refuse_delete` raises Problem for what is to stay."""

    def __init__(
        self, noun: str, settings: Callable[[], Settings], managing: Managing,
        refuse_delete: Callable[[Inbound, str], None] = lambda request, name: None,
    ) -> None:  # fmt: skip
        self._noun = noun
        self._singular = SINGULAR[noun]
        self._settings = settings
        self._managing = managing
        self._refuse_delete = refuse_delete

    def routes(self) -> tuple[Route, ...]:
        one = f"/api/v1/{self._noun}/{{{self._singular}}}"
        asks = ("force",) if self._noun == "feeds" else ()
        return (
            Route(
                ("POST",),
                f"/api/v1/{self._noun}",
                accepting(self.create, status=201, schema=documents.named(self._noun)),
            ),
            Route(
                ("PUT",),
                one,
                accepting(
                    self.replace,
                    headers={"If-Match": False, "If-None-Match": False},
                    schema=documents.whole(self._noun),
                ),
            ),
            Route(
                ("PATCH",), one, accepting(self.edit, headers=CHANGES, schema=documents.partial(self._noun))
            ),
            Route(("DELETE",), one, changing(self.delete, asks=asks, status=204, headers=CHANGES)),
        )

    async def create(self, request: Inbound, body: dict[str, Any]) -> Told[DeclaredAnswer]:
        """Make a thing; `name` is its name, all else the words of config.toml."""
        name = body.get("name")
        if not isinstance(name, str) or not name:
            self._check_rights(request, "*")
            raise refused([("name", "is missing" if name is None else "must be a name")])
        self._check_rights(request, name)

        def make(before: Declared | None) -> Mapping[str, Any]:
            if before is not None or name in self._known():
                raise Problem("conflict", f"there is a {self._singular} {name} already")
            return self._whole(request, name, body, None)

        return self._told(request, name, await self._change(request, name, make), status=201)

    async def replace(self, request: Inbound, body: dict[str, Any]) -> Told[DeclaredAnswer]:
        """Put a whole document in the place of the one there is, or make the thing."""
        name = self._named(request)
        is_new = False

        def make(before: Declared | None) -> Mapping[str, Any]:
            nonlocal is_new
            is_new = before is None
            if before is None:
                self._check_free(name)
                check_expected(request, f"the {self._singular} {name}")
            else:
                check_absent(request, before.tag, f"the {self._singular} {name}")
                check_match(request, before.tag, f"the {self._singular} {name}")
            return self._whole(request, name, body, before)

        after = await self._change(request, name, make)
        return self._told(request, name, after, status=201 if is_new else 200)

    async def edit(self, request: Inbound, body: dict[str, Any]) -> Told[DeclaredAnswer]:
        """Change the keys that are given and leave all others alone; null takes a key out."""
        name = self._named(request)

        def make(before: Declared | None) -> Mapping[str, Any]:
            before = self._existing(request, name, before)
            check_values(body)
            return self._whole(request, name, merged(before.document, body), before)

        return self._told(request, name, await self._change(request, name, make), status=200)

    async def delete(self, request: Inbound) -> None:
        """Remove a thing; what others still need is refused."""
        name = self._named(request)

        def make(before: Declared | None) -> None:
            self._existing(request, name, before)
            self._refuse_delete(request, name)

        try:
            await self._managing.change(self._noun, name, make, request.actor, request.request_id)
        except ConfigError as err:
            problem = faulty(err, f"{self._noun}.{name}", request.actor)
            raise Problem("conflict", f"it is still needed: {problem.detail}", more=problem.more) from err

    # -- parts ---------------------------------------------------------------------------------------------

    def _check_rights(self, request: Inbound, name: str) -> None:
        if self._noun == "feeds":
            require(request.actor, "manage", name)
        else:
            require_admin(request.actor)

    def _named(self, request: Inbound) -> str:
        """Return the thing's own name, for a feed also where an alias was asked for."""
        name = request.params[self._singular]
        if self._noun == "feeds":
            aliases = (feed.name for feed in self._settings().feeds.values() if name in feed.aliases)
            name = next(aliases, name)
        self._check_rights(request, name)
        return name

    def _known(self) -> Mapping[str, object]:
        known: Mapping[str, object] = getattr(self._settings(), self._noun)
        return known

    def _check_free(self, name: str) -> None:
        if name in self._known():
            where = "config.toml: it is read-only here"
            raise Problem("conflict", f"the {self._singular} {name} is declared in {where}")

    def _existing(self, request: Inbound, name: str, before: Declared | None) -> Declared:
        if before is None:
            self._check_free(name)
            raise Problem("unknown", f"there is no {self._singular} {name}")
        check_match(request, before.tag, f"the {self._singular} {name}")
        return before

    def _whole(
        self, request: Inbound, name: str, body: Mapping[str, Any], before: Declared | None
    ) -> Mapping[str, Any]:
        """Return the document of a body: without its name, with the secrets that are kept."""
        check_values(body)
        former = before.document if before is not None else None
        if body.get("name", name) != name:
            raise refused([("name", f"must be {name}: a name cannot be changed")])
        given = without_nulls({key: value for key, value in body.items() if key != "name"})
        try:
            document = unmasked(self._noun, given, former)
        except RefusedError as err:
            raise refused((place.removeprefix("."), why) for place, why in err.parts) from err
        if self._noun == "feeds":
            actor, settings = request.actor, self._settings()
            document = restore_closed(actor, document, former)
            check_reach(actor, document, former, lambda name: may_read_policy(actor, settings, name))
        return document

    async def _change(
        self, request: Inbound, name: str, make: Callable[[Declared | None], Mapping[str, Any] | None]
    ) -> Declared | None:
        try:
            return await self._managing.change(self._noun, name, make, request.actor, request.request_id)
        except ConfigError as err:
            raise faulty(err, f"{self._noun}.{name}", request.actor) from err

    def _told(
        self, request: Inbound, name: str, thing: Declared | None, *, status: int
    ) -> Told[DeclaredAnswer]:
        assert thing is not None, "only a deletion leaves nothing"
        shown = masked(self._noun, thing.document)
        shown = hide_closed(request.actor, shown) if self._noun == "feeds" else shown
        answer = DeclaredAnswer(name=name, source="API", declared=shown)
        headers: Headers = (("ETag", quoted(thing.tag)),)
        if status == 201:
            prefix = self._settings().server.path_prefix
            headers = (*headers, ("Location", f"{prefix}/api/v1/{self._noun}/{name}"))
        return Told(answer, headers, status)


def keeping_approvals(approvals: Approvals) -> Callable[[Inbound, str], None]:
    """Return what refuses to delete a feed with approvals, unless the request says `force=true`."""

    def check(request: Inbound, feed: str) -> None:
        force = request.query_value("force")
        if force not in (None, "true", "false"):
            raise Problem("unprocessable", "force is one of: true, false")
        count = len(approvals.all_of(feed))
        if count and force != "true":
            raise Problem(
                "conflict",
                f"the feed {feed} has {count} approvals; ?force=true (the command's --force) removes them too",
                feed=feed,
            )

    return check


def faulty(error: ConfigError, place: str, actor: Actor) -> Problem:
    """Return the problem of settings that cannot be; keys of the thing itself count from it.

    What else there is, closed feeds above all, is told to admins only.
    """
    faults = []
    for fault in error.faults:
        key, message = fault.key.removeprefix(place).removeprefix("."), fault.message
        if not actor.is_admin:
            is_own = fault.key == place or fault.key.startswith(f"{place}.")
            key, message = (key, _without_others(message)) if is_own else ("", _ELSEWHERE)
        if (key, message) not in faults:
            faults.append((key, message))
    return refused(faults)


def _without_others(message: str) -> str:
    """Return what is wrong with a thing without the names of others."""
    message = _OTHER_KIND.sub("the feed that is named there is of another kind", message)
    return _OWNER.sub("is taken", _OTHERS.sub(r"\1", message))


def merged(document: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with a patch merged in (RFC 7396)."""
    result = dict(document)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            before = result.get(key)
            result[key] = merged(before if isinstance(before, dict) else {}, value)
        else:
            result[key] = value
    return result


def without_nulls(value: Any) -> Any:
    """Return a value without the keys that are null, at any depth: TOML has none, and a form sends them for nothing."""
    if isinstance(value, dict):
        return {key: without_nulls(part) for key, part in value.items() if part is not None}
    return [without_nulls(part) for part in value] if isinstance(value, list) else value


def check_values(body: Mapping[str, Any]) -> None:
    """Refuse numbers and depths that no setting has, before anything walks or writes them."""
    faults = list(_odd(body, "", 0))
    if faults:
        raise refused(faults)


def _odd(value: object, place: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > _DEPTH:
        yield place, "is nested too deeply"
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _odd(part, f"{place}.{key}".removeprefix("."), depth + 1)
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _odd(part, f"{place}[{number}]", depth + 1)
    elif isinstance(value, int) and not -_INTEGERS <= value < _INTEGERS:
        yield place, "is too large a number"
