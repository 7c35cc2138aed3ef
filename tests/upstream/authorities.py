"""Home-made certificate authorities, and what the tests of this room make of them."""

import datetime
import ssl
from pathlib import Path

import trustme

from proxy.config.settings import Route
from proxy.model.redact import Secret, SecretUrl
from tests.support.outproxy import OutboundProxy

PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


def new_ca(name: str = "Home-made CA") -> trustme.CA:
    """Return a new root."""
    return trustme.CA(
        organization_name="feedgate tests", organization_unit_name=name, key_type=trustme.KeyType.ECDSA
    )


def served(ca: trustme.CA, *names: str, expired: bool = False) -> ssl.SSLContext:
    """Return a server's context with a certificate for the names (127.0.0.1)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*(names or ("127.0.0.1",)), not_after=PAST if expired else None).configure_cert(context)
    return context


def saved(folder: Path, name: str, *authorities: trustme.CA) -> Path:
    """Write a bundle and return its path."""
    path = folder / name
    path.write_bytes(b"".join(ca.cert_pem.bytes() for ca in authorities))
    return path


def trusting(*paths: Path, verify: bool = True) -> Route:
    """Return a direct route."""
    return Route("own", use_environment=False, ca_files=paths, verify=verify)


def through(proxy: OutboundProxy, user: str | None = None, password: str = "", *ca_files: Path) -> Route:
    """Return a route through an outbound proxy."""
    return Route(
        "corp", use_environment=False, proxy=SecretUrl(proxy.url), username=user,
        password=None if user is None else Secret(password), ca_files=ca_files,
    )  # fmt: skip
