"""Certificates and keys that the settings name: read as they will be used, so that a bad one stops no later request.

Whether a certificate is still valid, and whom it vouches for, is not looked at: that changes without any setting.
Blocks on the files.
"""

import ssl
from collections.abc import Iterator
from pathlib import Path

from proxy.config.faults import Fault
from proxy.config.settings import Feed, Route, Server, Settings, Upstream

#: What is read of a folder of authorities.
_SUFFIXES = frozenset({".pem", ".crt", ".cer", ".der"})


def faults(settings: Settings) -> Iterator[Fault]:
    """Yield a fault for each file that TLS could not use."""
    sources = settings.sources
    yield from _server(settings.server, sources.get("server.tls.cert", ""))
    for name, route in settings.routes.items():
        yield from _authorities(route, f"routes.{name}", settings)
    for feed in settings.feeds.values():
        yield from _feed(feed, settings)


def _server(server: Server, source: str) -> Iterator[Fault]:
    if server.tls_cert is None or server.tls_key is None:
        return
    why = _why_no_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), server.tls_cert, server.tls_key)
    if why is not None:
        yield Fault("server.tls", why, source)


def _feed(feed: Feed, settings: Settings) -> Iterator[Fault]:
    named = settings.routes.values()
    for number, upstream in enumerate(feed.upstreams):
        place = f"feeds.{feed.name}.upstreams[{number}]"
        if not any(upstream.route is route for route in named):
            yield from _authorities(upstream.route, f"{place}.route", settings)
        yield from _client(upstream, place, settings)


def _client(upstream: Upstream, place: str, settings: Settings) -> Iterator[Fault]:
    if upstream.client_cert is None:
        return
    why = _why_no_pair(_client_context(), upstream.client_cert, upstream.client_key)
    if why is not None:
        source = settings.sources.get(f"{place}.client_cert.cert", "")
        yield Fault(f"{place}.client_cert", why, source)


def _authorities(route: Route, place: str, settings: Settings) -> Iterator[Fault]:
    for number, path in enumerate(route.ca_files):
        why = _why_no_authority(path)
        if why is not None:
            source = settings.sources.get(f"{place}.ca_files", settings.sources.get(place, ""))
            yield Fault(f"{place}.ca_files[{number}]", why, source)


def _why_no_pair(context: ssl.SSLContext, certificate: Path, key: Path | None) -> str | None:
    """Return why a certificate and its key cannot be used together, or None."""
    try:
        # An encrypted key would ask for its password on the terminal; this answer makes it an error instead.
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as err:
        if err.reason == "KEY_VALUES_MISMATCH":
            return f"the key does not belong to the certificate {certificate}"
        return f"{_both(certificate, key)} cannot be used: PEM is needed, and a key without a password"
    except OSError as err:
        return f"{_both(certificate, key)} cannot be read: {err.strerror}"
    except ValueError:
        return f"{_both(certificate, key)} cannot be used"
    return None


def _both(certificate: Path, key: Path | None) -> str:
    return f"the certificate {certificate} or its key" + (f" {key}" if key not in (None, certificate) else "")


def _why_no_authority(path: Path) -> str | None:
    """Return why a file or folder of certificate authorities cannot be used, or None."""
    context = _client_context()
    try:
        files = authority_files(path)
        if not files:
            return f"the folder {path} holds no certificates ({', '.join(sorted(_SUFFIXES))})"
        for file in files:
            data = file.read_bytes()
            text = data.decode("ascii", "replace") if b"-----BEGIN" in data else data
            context.load_verify_locations(cadata=text)
    except ssl.SSLError:
        return f"{path} holds no certificates that can be read (PEM or DER)"
    except OSError as err:
        return f"{path} cannot be read: {err.strerror}"
    except ValueError:
        return f"{path} holds no certificates"
    return None


def authority_files(path: Path) -> list[Path]:
    """Return the files of authorities that a path names: itself, or what lies in the folder. Raises OSError."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES)


def _client_context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
