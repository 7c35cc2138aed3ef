"""The management API's lines of the table of routes: another noun is another line here."""

from proxy.state.audit_trail import AuditTrail
from proxy.state.keys import Keys
from proxy.web.api.audit import AuditApi
from proxy.web.api.doctor import DoctorApi
from proxy.web.api.explain import ExplainApi
from proxy.web.api.feeds import FeedsApi
from proxy.web.api.keys import KeysApi
from proxy.web.api.packages import PackagesApi
from proxy.web.api.policies import PoliciesApi
from proxy.web.api.served import Served
from proxy.web.api.snippets import SnippetsApi
from proxy.web.api.trials import TrialsApi
from proxy.web.routes import Route


def api_routes(served: Served, trail: AuditTrail, keys: Keys) -> tuple[Route, ...]:
    """Return every route below `/api/v1`."""
    nouns = (
        FeedsApi(served),
        PackagesApi(served),
        SnippetsApi(served),
        ExplainApi(served),
        PoliciesApi(served),
        TrialsApi(served),
        AuditApi(trail),
        DoctorApi(served),
        KeysApi(keys, served),
    )
    return tuple(route for noun in nouns for route in noun.routes())
