"""Canaries: one unmistakable secret for each kind, and every spelling under which it could leak (I5, E05)."""

import base64
from urllib.parse import quote

#: kind -> secret. Each holds characters that escape differently in each form.
CANARIES = {
    "basic": "cAnArY-basic+9/x@Q",
    "bearer": "cAnArY-bearer.7~y_Z",
    "header": "cAnArY-header=5=k",
    "userinfo": "cAnArY-userinfo-4w",
    "proxy": "cAnArY-proxy+3/p@R",
    "proxy-url": "cAnArY-proxyurl-5$w&S",
    "environment": "cAnArY-environ-6!x",
    "token": "cAnArY-token-7-z",
    "netrc": "cAnArY-netrc-8*A",
    "admin": "cAnArY-admin-9bbbb",
    "client": "cAnArY-client-2:v",
    "cookie": "cAnArY-cookie-1u",
    "query": "cAnArY-query-0t",
}


def spellings(secret: str) -> frozenset[bytes]:
    """Return the plain, percent and base64 forms, the last for each of the three places it may begin at."""
    raw = secret.encode()
    forms = {raw, quote(secret, safe="").encode(), quote(secret).encode()}
    forms.add("".join(f"%{byte:02x}" for byte in raw).encode())
    forms.add("".join(f"%{byte:02X}" for byte in raw).encode())
    for before in range(3):
        # What a neighbour could change at either end is cut off; the rest is the same wherever it stands.
        coded = base64.b64encode(b"\0" * before + raw)
        inner = coded[4 if before else 0 : len(coded) // 4 * 4 - 4]
        forms |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return frozenset(forms)


def found_in(text: bytes) -> list[str]:
    """Return the kinds of secrets that the text holds in any form."""
    return [kind for kind, forms in _SPELLINGS.items() if any(form in text for form in forms)]


_SPELLINGS = {kind: spellings(secret) for kind, secret in CANARIES.items()}
