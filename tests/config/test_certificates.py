"""Certificates that cannot be used are configuration errors, each with its table and key."""

from pathlib import Path

import pytest
import trustme

from tests.config.loading import PYPI, faults, loads, upstream

URL = 'url = "https://index.example/simple"'


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    """Write ca.pem, one.pem and two.pem (certificate and key in one), key.pem of one, bad.pem and empty.pem."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name in ("one", "two"):
        issued = authority.issue_cert("localhost")
        issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / f"{name}.pem")
        issued.private_key_pem.write_to_path(tmp_path / f"{name}-key.pem")
        issued.cert_chain_pems[0].write_to_path(tmp_path / f"{name}-cert.pem")
    (tmp_path / "bad.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (tmp_path / "text.pem").write_text("nothing of the kind")
    (tmp_path / "empty.pem").touch()
    (tmp_path / "folder").mkdir()


def tls(cert: str, key: str) -> str:
    return f'{PYPI}[server]\ntls = {{ cert = "{cert}", key = "{key}" }}\n'


def test_certificates_that_can_be_used_are_no_error(tmp_path: Path) -> None:
    client = 'client_cert = { cert = "two-cert.pem", key = "two-key.pem" }'
    text = upstream(URL, client, 'route = { ca_files = ["ca.pem"] }') + '[routes.a]\nca_files = ["ca.pem"]\n'
    loads(tmp_path, text)
    loads(tmp_path, upstream(URL, 'client_cert = { cert = "one.pem" }'))
    loads(tmp_path, tls("one-cert.pem", "one-key.pem"))


@pytest.mark.parametrize("file", ["bad.pem", "text.pem", "empty.pem", "folder"])
@pytest.mark.parametrize("is_inline", [True, False])
def test_an_authority_that_cannot_be_used_is_an_error(tmp_path: Path, file: str, is_inline: bool) -> None:
    files = f'ca_files = ["ca.pem", "{file}"]'
    if is_inline:
        text, key = upstream(URL, f"route = {{ {files} }}"), "feeds.pypi.upstreams[0].route.ca_files[1]"
    else:
        text, key = upstream(URL, 'route = "a"') + f"[routes.a]\n{files}\n", "routes.a.ca_files[1]"
    found = faults(tmp_path, text)
    assert list(found) == [key]
    assert file in found[key]


@pytest.mark.parametrize("cert", ["bad.pem", "text.pem", "one-cert.pem", "folder"])
def test_a_client_certificate_that_cannot_be_used_is_an_error(tmp_path: Path, cert: str) -> None:
    found = faults(tmp_path, upstream(URL, f'client_cert = {{ cert = "{cert}" }}'))
    assert list(found) == ["feeds.pypi.upstreams[0].client_cert"]


def test_a_key_of_another_certificate_is_an_error(tmp_path: Path) -> None:
    found = faults(tmp_path, tls("one-cert.pem", "two-key.pem"))
    assert "does not belong" in found["server.tls"]


def test_the_servers_certificate_must_be_one(tmp_path: Path) -> None:
    assert list(faults(tmp_path, tls("text.pem", "one-key.pem"))) == ["server.tls"]
