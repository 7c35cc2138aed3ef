"""Chains seen: which certificates the other side showed, and who vouches for them, in words for `feedgate doctor`."""

import ssl
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from proxy.model.certificate import Certificate, parse_certificate
from proxy.upstream.authorities import SOON, Authority

#: `_ssl.ENCODING_DER`.
_DER = 2


def verified(tls: ssl.SSLObject) -> list[Certificate]:
    """Return the chain that was verified, the other side's own certificate first and the trusted one last."""
    return _chain(tls, "get_verified_chain")


def shown(tls: ssl.SSLObject) -> list[Certificate]:
    """Return the certificates that the other side showed, verified or not, its own first."""
    return _chain(tls, "get_unverified_chain")


def _chain(tls: Any, name: str) -> list[Certificate]:
    """Return the chain; Python gives it out since 3.13, before that only its inner object has it."""
    ders = [each if isinstance(each, bytes) else each.public_bytes(_DER) for each in _asked(tls, name)]
    if not ders:
        own = tls.getpeercert(binary_form=True)
        ders = [own] if own else []
    found = []
    for der in ders:
        try:
            found.append(parse_certificate(der))
        except ValueError:
            break
    return found


def _asked(tls: Any, name: str) -> Iterable[Any]:
    ask = getattr(tls, name, None) or getattr(getattr(tls, "_sslobj", None), name, None)
    return (ask() if ask is not None else None) or ()


def accepted(chain: list[Certificate], authorities: Iterable[Authority], now: datetime) -> str:
    """Say who signed an accepted certificate, and where that one is trusted."""
    if not chain:
        return "certificate accepted"
    leaf, root = chain[0], chain[-1]
    own = next((each for each in authorities if each.certificate.der == root.der), None)
    where = f"in ca_files, {own.file}" if own is not None else "in the system's store"
    by = "itself" if len(chain) == 1 else " <- ".join(f"'{each.subject}'" for each in chain[1:])
    days = f", in {(leaf.not_after - now).days} days" if leaf.not_after < now + SOON else ""
    return f"certificate accepted; it is signed by {by} ({where}) and ends on {leaf.not_after:%Y-%m-%d}{days}"


def refused(chain: list[Certificate], now: datetime) -> tuple[str, str]:
    """Say whose certificate was refused, and what to do, as far as the chain tells; two empty texts else."""
    if not chain:
        return "", ""
    leaf, top = chain[0], chain[-1]
    if leaf.not_after < now:
        return (
            f"it ended on {leaf.not_after:%Y-%m-%d}",
            "whoever runs that side must renew it; check the clock here too",
        )
    if leaf.not_before > now:
        return f"it begins on {leaf.not_before:%Y-%m-%d} only", "set this machine's clock"
    signer = top.subject if top.is_self_signed and len(chain) > 1 else top.issuer
    detail = f"it was shown for '{leaf.subject}' and is signed by '{signer}'"
    return (
        detail,
        f"if '{signer}' is your proxy's or company's CA, name its certificate in ca_files of the route",
    )
