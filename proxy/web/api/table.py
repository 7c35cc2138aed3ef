"""The management API's lines of the table of routes: another noun is another line here."""

from typing import Protocol

from proxy.state.approvals import Approvals
from proxy.state.audit_trail import AuditTrail
from proxy.state.keys import Keys
from proxy.web.api.audit import AuditApi
from proxy.web.api.declared import DeclaredApi, Managing, keeping_approvals
from proxy.web.api.doctor import DoctorApi
from proxy.web.api.feeds import FeedsApi
from proxy.web.api.keys import KeysApi
from proxy.web.api.openapi import OpenApi
from proxy.web.api.origins import Origins
from proxy.web.api.packages import PackagesApi
from proxy.web.api.policies import PoliciesApi
from proxy.web.api.reload import ReloadApi
from proxy.web.api.routes import RoutesApi
from proxy.web.api.served import Served
from proxy.web.api.snippets import SnippetsApi
from proxy.web.api.trials import TrialsApi
from proxy.web.routes import Route


class Noun(Protocol):
    """What has routes of its own."""

    def routes(self) -> tuple[Route, ...]: ...


def api_routes(
    served: Served, trail: AuditTrail, keys: Keys, managing: Managing, approvals: Approvals, *more: Noun
) -> tuple[Route, ...]:
    """Return every route below `/api/v1`."""
    origins = Origins(lambda: served.settings, managing)
    nouns: tuple[Noun, ...] = (
        FeedsApi(served, origins),
        DeclaredApi("feeds", lambda: served.settings, managing, keeping_approvals(approvals)),
        DeclaredApi("policies", lambda: served.settings, managing),
        DeclaredApi("routes", lambda: served.settings, managing),
        RoutesApi(served, origins),
        ReloadApi(managing),
        PackagesApi(served),
        SnippetsApi(served),
        PoliciesApi(served, origins),
        TrialsApi(served),
        AuditApi(trail),
        DoctorApi(served),
        KeysApi(keys, served),
        *more,
    )
    routes = tuple(route for noun in nouns for route in noun.routes())
    return (*routes, *OpenApi(routes).routes())
