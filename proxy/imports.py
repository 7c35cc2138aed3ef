"""What a serving process imports before it is ready: all that its settings need, so that nothing is at first use.

An import that fails half-way, because the disk or the descriptors failed just then, leaves modules that do not work
until a restart. So libraries that a start does not need to listen (SQLAlchemy takes longer than all the rest) are
imported in a thread while the server listens already, and `/readyz` says yes when they are there. py-rattler is
imported where there are conda feeds, or a policy is made that may be for one. The migration tool, the command line and
the jobs of children are not imported.
"""

import importlib
import sys
from collections.abc import Iterable, Mapping, Sequence

from proxy.config.settings import Settings

_ALWAYS = (
    # state: rows are read and changed
    "proxy.state.rows",
    "proxy.state.audit",
    "proxy.state.approval_rows",
    "proxy.state.key_rows",
    "proxy.state.owner_rows",
    "sqlalchemy.dialects.sqlite",
    "aiosqlite",
    "cryptography.fernet",
    # /metrics
    "prometheus_client",
    "prometheus_client.metrics_core",
    # settings and policies that are changed through the API
    "difflib",
    "proxy.policy.parse",
    "proxy.policy.pypi_spec",
    "license_expression",
    # the names of hosts
    "encodings.idna",
)
_OF_KIND: Mapping[str, Sequence[str]] = {
    "conda": ("proxy.policy.conda_spec", "proxy.policy.conda_version", "rattler", "rattler.exceptions"),
}


class ImportFailed(Exception):
    """A module that the settings need could not be loaded; the text says which and why."""


def load_for(settings: Settings) -> None:
    """Load what requests need under these settings. Blocks, at a start for some tenths of a second.

    Raises ImportFailed.
    """
    load({name for feed in settings.feeds.values() for name in _OF_KIND.get(feed.kind, ())} | set(_ALWAYS))
    if any(policy.asks_licenses for policy in settings.policies.values()):
        load_licenses()


def load_for_policies() -> None:
    """Load what any policy needs: one that no feed uses yet is checked for feeds of every kind. Raises ImportFailed."""
    load(name for names in _OF_KIND.values() for name in names)
    load_licenses()


def load_licenses() -> None:
    """Read the list of licences. Raises ImportFailed."""
    from proxy.policy.license import licensing

    try:
        licensing()
    except (OSError, ValueError) as error:
        raise ImportFailed(f"the list of licences cannot be loaded: {error}") from error


def load(names: Iterable[str]) -> None:
    """Import those of the modules that are not imported. Blocks; raises ImportFailed."""
    for name in sorted(set(names) - sys.modules.keys()):
        try:
            importlib.import_module(name)
        except (ImportError, OSError) as error:
            raise ImportFailed(f"{name} cannot be loaded: {error}") from error
