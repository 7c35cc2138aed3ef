"""Certificates are read as the library of reference reads them, and nothing that is none is taken for one."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.certificate import certificates_in, parse_certificate

KEY = ec.generate_private_key(ec.SECP256R1())
TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=60)
KINDS = st.sampled_from([NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.ORGANIZATION_NAME])
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
DAYS = st.timedeltas(datetime.timedelta(days=-27_000), datetime.timedelta(days=8_000)).map(
    lambda far: START + far
)
YEARS = st.timedeltas(datetime.timedelta(days=1), datetime.timedelta(days=30_000))


def made(
    subject: x509.Name, issuer: x509.Name, start: datetime.datetime, length: datetime.timedelta
) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(issuer).public_key(KEY.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(start + length)
    )  # fmt: skip
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def named(text: str, kind: x509.ObjectIdentifier) -> x509.Name:
    country = x509.NameAttribute(NameOID.COUNTRY_NAME, "DE")
    return x509.Name([country, x509.NameAttribute(kind, text)])


NAME = named("Company", NameOID.COMMON_NAME)
WHOLE = made(NAME, NAME, START, datetime.timedelta(days=9))


@given(TEXT, TEXT, KINDS, DAYS, YEARS)
def test_names_and_times_are_those_of_the_reference(
    subject: str,
    issuer: str,
    kind: x509.ObjectIdentifier,
    start: datetime.datetime,
    length: datetime.timedelta,
) -> None:
    der = made(named(subject, kind), named(issuer, kind), start, length)
    found, reference = parse_certificate(der), x509.load_der_x509_certificate(der)
    printable = "".join(char if char.isprintable() else "?" for char in subject)
    assert found.subject == printable
    assert (found.not_before, found.not_after) == (
        reference.not_valid_before_utc,
        reference.not_valid_after_utc,
    )
    assert found.is_self_signed == (subject == issuer)


def test_common_name_is_told_first() -> None:
    both = x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Company"),
        x509.NameAttribute(NameOID.COMMON_NAME, "Company Proxy Root"),
    ])  # fmt: skip
    der = made(both, both, START, datetime.timedelta(days=9))
    assert parse_certificate(der).subject == "Company Proxy Root"


@given(st.binary(max_size=300))
def test_what_is_no_certificate_is_none(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_certificate(data)
    assert certificates_in(data) == []


@given(st.data())
def test_damaged_certificate_is_read_or_refused_but_nothing_else(data: st.DataObject) -> None:
    der = bytearray(WHOLE)
    at = data.draw(st.integers(0, 250))
    der[at] = data.draw(st.integers(0, 255))
    assert len(certificates_in(bytes(der[: data.draw(st.integers(0, 300))]))) <= 1
