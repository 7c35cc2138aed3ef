"""The lines that a person pastes to install from a feed, per client (sheet, sections 13 and 18).

Every one makes the feed the only index: with a second one pip merges candidates, and the feed's policy
decides nothing. HTTP Basic is the only scheme all clients speak; any user name will do, `__token__` is the
custom.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from proxy.model.placeholders import CA_FILE, KEY_PLACEHOLDER, OWN_CA

WARNING = "One index only: no extra-index-url and no second source, or packages get around the feed's policy."
_USER = "__token__"
#: Poetry keeps this name for itself: "The URL of PyPI is fixed and cannot be set".
_POETRYS_OWN = "pypi"
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def snippets(index_url: str, feed: str, *, with_key: bool = False) -> dict[str, str]:
    """Return client and text for the feed whose simple index is at `index_url`, with a key if wanted.

    Behind https each text says, as a comment, how its client is told of a CA that is the company's own.
    """
    url = with_credentials(index_url) if with_key else index_url
    host = host_to_trust(index_url)
    texts = {
        "pip": _pip(url, host, _netrc(index_url) if with_key else ()),
        "pip.conf": _pip_conf(url, host),
        "requirements": _lines(f"--index-url {url}", *([f"--trusted-host {host}"] if host else [])),
        "uv": _uv(index_url, url, _netrc(index_url) if with_key else ()),
        "uv-pyproject": _uv_pyproject(index_url, feed, with_key),
        "poetry": _poetry(index_url, feed, with_key),
        "pdm": _pdm(url),
        "dockerfile": _dockerfile(url, host),
    }
    if urlsplit(index_url).scheme != "https":
        return texts
    return {
        client: f"{text}{OWN_CA}: {way}\n"
        for (client, text), way in zip(texts.items(), _ca(feed), strict=True)
    }


def _ca(feed: str) -> Sequence[str]:
    """Return how each client is told of a CA, in the order of the texts."""
    return (
        f"pip config set global.cert {CA_FILE}",
        f"cert = {CA_FILE}",
        f"PIP_CERT={CA_FILE}",
        f"export SSL_CERT_FILE={CA_FILE}",
        f"export SSL_CERT_FILE={CA_FILE}",
        f"poetry config certificates.{_source(feed)}.cert {CA_FILE}",
        f"pdm config pypi.ca_certs {CA_FILE}",
        f"ENV PIP_CERT={CA_FILE} SSL_CERT_FILE={CA_FILE}",
    )


def _pip(url: str, host: str | None, netrc: Sequence[str]) -> str:
    trust = f" --trusted-host {host}" if host else ""
    return _lines(f"pip install --index-url {url}{trust} PACKAGE", *netrc)


def _netrc(index_url: str) -> tuple[str, ...]:
    return (
        "# The key stays out of the URL where ~/.netrc (mode 0600) has the line",
        f"#   machine {urlsplit(index_url).hostname} login {_USER} password {KEY_PLACEHOLDER}",
    )


def _pip_conf(url: str, host: str | None) -> str:
    trust = [f"trusted-host = {host}"] if host else []
    return _lines(
        "# `pip config debug` tells where this file may lie", "[global]", f"index-url = {url}", *trust
    )


def _uv(index_url: str, url: str, netrc: Sequence[str]) -> str:
    return _lines(f"export UV_DEFAULT_INDEX={url}", f"uv pip install --default-index {url} PACKAGE", *netrc)


def _uv_pyproject(index_url: str, feed: str, with_key: bool) -> str:
    variable = feed.upper().replace("-", "_")
    key = (
        [
            "# The key stays out of the file:",
            f"#   export UV_INDEX_{variable}_USERNAME={_USER} UV_INDEX_{variable}_PASSWORD={KEY_PLACEHOLDER}",
        ]
        if with_key
        else []
    )
    always = ['authenticate = "always"'] if with_key else []
    return _lines(
        *key, "[[tool.uv.index]]", f'name = "{feed}"', f'url = "{index_url}"', "default = true", *always
    )


def _poetry(index_url: str, feed: str, with_key: bool) -> str:
    name = _source(feed)
    key = [f"poetry config http-basic.{name} {_USER} {KEY_PLACEHOLDER}"] if with_key else []
    return _lines(f"poetry source add --priority=primary {name} {index_url}", *key)


def _source(feed: str) -> str:
    return "feedgate" if feed == _POETRYS_OWN else feed


def _pdm(url: str) -> str:
    # The name "pypi" replaces PDM's built-in source; any other would be added to it.
    return _lines("[[tool.pdm.source]]", 'name = "pypi"', f'url = "{url}"', "verify_ssl = true")


def _dockerfile(url: str, host: str | None) -> str:
    trust = [f"ENV PIP_TRUSTED_HOST={host}"] if host else []
    return _lines(f"ENV PIP_INDEX_URL={url}", *trust, f"ENV UV_DEFAULT_INDEX={url}")


def _lines(*lines: str) -> str:
    return "\n".join((f"# {WARNING}", *lines)) + "\n"


def with_credentials(index_url: str, key: str = KEY_PLACEHOLDER) -> str:
    """Return the URL with the key as its password, which is what every client sends."""
    scheme, separator, rest = index_url.partition("://")
    return f"{scheme}{separator}{_USER}:{key}@{rest}"


def host_to_trust(index_url: str) -> str | None:
    """Return the host that pip must be told to trust: plain http beyond this machine."""
    parts = urlsplit(index_url)
    if parts.scheme != "http" or parts.hostname is None or parts.hostname in _LOCAL:
        return None
    return parts.netloc.rpartition("@")[2]
