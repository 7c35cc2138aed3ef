"""Content coding of documents: which of zstd, gzip and identity a client gets (RFC 9110, 12.5.3). Pure.

Artifacts are never coded; documents always vary by Accept-Encoding. Never 406: a client that refuses
everything gets the plain bytes. Each coding of a document has an ETag of its own, so that a cache never
marries one to another.
"""

from enum import Enum
from functools import lru_cache

#: Below this a coded body saves less than a packet.
MIN_CODED_BYTES = 860


class Coding(Enum):
    """A content coding by its registered name."""

    ZSTD = "zstd"
    GZIP = "gzip"
    IDENTITY = "identity"


#: In our order of preference, where a client likes several equally.
_OFFERED = (Coding.ZSTD, Coding.GZIP, Coding.IDENTITY)
_ALIASES = {"x-gzip": "gzip"}


@lru_cache(maxsize=256)
def negotiate(accept_encoding: str | None) -> Coding:
    """Return the coding for a document; no header means identity, although anything would be allowed."""
    if not accept_encoding:
        return Coding.IDENTITY
    weights = _weights(accept_encoding[:1024])
    anything = weights.get("*")
    best, best_weight = Coding.IDENTITY, 0.0
    for coding in _OFFERED:
        default = anything if anything is not None else (0.001 if coding is Coding.IDENTITY else 0.0)
        weight = weights.get(coding.value, default)
        if weight > best_weight:
            best, best_weight = coding, weight
    return best


def etag_of(digest: str, coding: Coding) -> str:
    """Return the ETag, without quotes, of a document's bytes in a coding."""
    return digest if coding is Coding.IDENTITY else f"{digest}-{coding.value}"


def _weights(header: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for item in header.split(","):
        name, *parameters = (part.strip(" \t") for part in item.split(";"))
        if name:
            token = name.lower()
            weights[_ALIASES.get(token, token)] = _weight(parameters)
    return weights


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip(" \t").lower() == "q":
            return _quality(value.strip(" \t"))
    return 1.0


def _quality(text: str) -> float:
    """Return a q-value; one that cannot be read refuses, which is the safe side."""
    digits = text.replace(".", "", 1)
    if not (digits.isascii() and digits.isdigit() and len(text) <= 5):
        return 0.0
    return min(float(text), 1.0)
