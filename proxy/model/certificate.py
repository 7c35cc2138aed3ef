"""A certificate: whom it names, who signed it and until when it holds, read from its DER bytes (RFC 5280, 4.1).

Only what a person is told is read; nothing here decides whether a certificate may be trusted. No I/O.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime

_PEM = re.compile(
    rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----(.+?)-----END (?:TRUSTED |X509 )?CERTIFICATE-----",
    re.DOTALL,
)
_SEQUENCE, _UTC_TIME, _VERSION = 0x30, 0x17, 0xA0
#: Names, the telling ones first: common name, organizational unit, organization.
_NAMES = (b"\x55\x04\x03", b"\x55\x04\x0b", b"\x55\x04\x0a")
_ENCODINGS = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii", 0x14: "latin-1", 0x1E: "utf-16-be"}
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate; `subject` and `issuer` are the common names, or what comes next to one."""

    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    #: Whether it names itself as its signer, as roots do (the signature is not looked at).
    is_self_signed: bool
    der: bytes


def certificates_in(data: bytes) -> list[Certificate]:
    """Return the certificates of a PEM bundle, or the one of a DER file; what cannot be read is left out."""
    found = []
    for der in _ders(data):
        try:
            found.append(parse_certificate(der))
        except ValueError:
            continue
    return found


def _ders(data: bytes) -> list[bytes]:
    if b"-----BEGIN" not in data:
        return [data]
    ders = []
    for text in _PEM.findall(data):
        try:
            ders.append(base64.b64decode(text))
        except binascii.Error:
            continue
    return ders


def parse_certificate(der: bytes) -> Certificate:
    """Return the certificate; raise ValueError for bytes that are none."""
    try:
        return _parsed(der)
    except (IndexError, UnicodeDecodeError) as err:
        raise ValueError("bytes that are no certificate") from err


def _parsed(der: bytes) -> Certificate:
    outer = _Reader(der).enter(_SEQUENCE)
    signed = outer.enter(_SEQUENCE)
    if signed.peek() == _VERSION:
        signed.skip()
    signed.skip()  # the serial number
    signed.skip()  # the algorithm
    _, issuer = signed.take()
    validity = signed.enter(_SEQUENCE)
    not_before, not_after = _time(*validity.take()), _time(*validity.take())
    _, subject = signed.take()
    return Certificate(
        _name(_Reader(subject)), _name(_Reader(issuer)), not_before, not_after, subject == issuer, der
    )


class _Reader:
    """Tag, length, value; one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_empty(self) -> bool:
        return self._at >= len(self._data)

    def peek(self) -> int:
        return self._data[self._at]

    def take(self) -> tuple[int, bytes]:
        """Return the next tag and its value; raise ValueError or IndexError where there is none."""
        tag, length, start = self._data[self._at], self._data[self._at + 1], self._at + 2
        if length >= 0x80:
            size = length & 0x7F
            if not 1 <= size <= 4:
                raise ValueError("a length that no certificate has")
            length = int.from_bytes(self._data[start : start + size], "big")
            start += size
        if start + length > len(self._data):
            raise ValueError("a value that ends too early")
        self._at = start + length
        return tag, self._data[start : self._at]

    def skip(self) -> None:
        self.take()

    def enter(self, wanted: int) -> "_Reader":
        tag, value = self.take()
        if tag != wanted:
            raise ValueError("not the structure of a certificate")
        return _Reader(value)


def _name(reader: _Reader) -> str:
    """Return the most telling part of a name; it is a foreign text, so bounded and without controls."""
    parts: dict[bytes, str] = {}
    while not reader.is_empty:
        _, group = reader.take()
        pair = _Reader(group).enter(_SEQUENCE)
        (_, kind), (tag, value) = pair.take(), pair.take()
        parts.setdefault(kind, value.decode(_ENCODINGS.get(tag, "latin-1"), "replace"))
    text = next((parts[kind] for kind in _NAMES if parts.get(kind)), "") or next(iter(parts.values()), "")
    return "".join(char if char.isprintable() else "?" for char in text[:_LONGEST]) or "without a name"


def _time(tag: int, value: bytes) -> datetime:
    text = value.decode("ascii")
    if tag == _UTC_TIME:  # years 1950 to 2049
        text = ("20" if text[:2] < "50" else "19") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
