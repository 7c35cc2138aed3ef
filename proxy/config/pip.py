"""pip: which index pip on this host asks, for a `pypi` feed that names no source of its own.

Reads what pip reads, in pip's order: global files, the user's, the environment's own (`sys.prefix`),
`PIP_CONFIG_FILE` (which replaces the user's; the null device switches all files off), then `PIP_INDEX_URL`
and `PIP_CERT`; an empty value counts as none. Of these only `index-url` and `cert` of `[global]` are
followed, because pages of several indexes are never merged here; extra indexes are named in a note. Without
any, the default is what the library distlib carries, so that no host name is written in this program.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from proxy.config.auth import take_userinfo
from proxy.config.faults import RefusedError
from proxy.config.secrets import check_url
from proxy.config.settings import Auth
from proxy.config.urls import as_base
from proxy.model.redact import SecretUrl

_FILE = "pip.conf"


@dataclass(frozen=True, slots=True)
class Followed:
    """The index that pip asks, whence that is known, and what of pip's settings is not followed."""

    url: SecretUrl
    source: str
    auth: Auth | None = None
    ca_file: Path | None = None
    ca_source: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """One of pip's settings and where it was found."""

    value: str
    source: str


def follow(
    environ: Mapping[str, str], cwd: Path, *, prefix: Path = Path(sys.prefix), root: Path = Path("/")
) -> Followed:
    """Return what pip, started in `cwd`, follows; raise RefusedError if its index cannot be followed.

    `prefix` is the Python environment's folder and `root` stands before the system's own folders, for tests.
    """
    found: dict[str, Found] = {}
    notes: list[str] = []
    for path in config_files(environ, prefix, root):
        try:
            found |= _read(path)
        except ValueError:
            notes.append(f"{path}: pip's settings there cannot be read and are left out")
    for option, variable in (
        ("index-url", "PIP_INDEX_URL"),
        ("cert", "PIP_CERT"),
        ("extra", "PIP_EXTRA_INDEX_URL"),
    ):
        if environ.get(variable):
            found[option] = Found(environ[variable], f"environment {variable}")
    if "extra" in found:
        notes.append(
            f"{found['extra'].source}: pip's extra indexes are not followed (pages are never merged)"
        )
    cert = found.get("cert")
    ca_file = _ca_file(cert, Path(cwd, environ.get("HOME") or ""), cwd, notes)
    index = found.get("index-url") or Found(default_index(), "default")
    url, auth = _index(index)
    source = index.source if index.source == "default" else f"pip: {index.source}"
    return Followed(url, source, auth, ca_file, f"pip: {cert.source}" if cert else "", tuple(notes))


def config_files(environ: Mapping[str, str], prefix: Path, root: Path) -> Iterator[Path]:
    """Yield pip's configuration files in its order, the later one wins."""
    own = environ.get("PIP_CONFIG_FILE")
    if own == os.devnull:
        return
    home = Path(environ["HOME"]) if environ.get("HOME") else None
    if sys.platform == "darwin":
        yield root / "Library/Application Support/pip" / _FILE
    else:
        for folder in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep):
            yield root / folder.lstrip("/") / "pip" / _FILE
        yield root / "etc" / _FILE
    if home is not None and not (own and Path(own).exists()):
        yield home / ".pip" / _FILE
        yield _user_folder(environ, home) / _FILE
    yield prefix / _FILE
    if own:
        yield Path(own)


def _user_folder(environ: Mapping[str, str], home: Path) -> Path:
    if sys.platform == "darwin":
        native = home / "Library/Application Support/pip"
        return native if native.is_dir() else home / ".config/pip"
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip"


def _read(path: Path) -> dict[str, Found]:
    """Return what matters of one file; raise ValueError if it is not pip's kind of file."""
    import configparser

    if not path.is_file():
        return {}
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (configparser.Error, OSError) as err:
        raise ValueError("not readable") from err
    found = {}
    section = parser["global"] if parser.has_section("global") else {}
    for name, value in section.items():
        option = name.replace("_", "-").removeprefix("--")
        if value and option in ("index-url", "cert", "extra-index-url"):
            found[option.removesuffix("-index-url") if option.startswith("extra") else option] = Found(
                value, str(path)
            )
    return found


def _ca_file(cert: Found | None, home: Path, cwd: Path, notes: list[str]) -> Path | None:
    """Return pip's CA bundle; one that is not there is left out, since the system's still protects."""
    if cert is None:
        return None
    path = home / cert.value[2:] if cert.value.startswith("~/") else cwd / cert.value
    if path.exists():
        return path
    notes.append(f"{cert.source}: pip's cert names no file and is left out")
    return None


def _index(index: Found) -> tuple[SecretUrl, Auth | None]:
    try:
        check_url(index.value, ("http", "https"))
    except RefusedError as err:
        reasons = "; ".join(why for _, why in err.parts)
        message = f"pip's own index ({index.source}) cannot be followed: it {reasons}"
        raise RefusedError.because(message) from err
    url, auth = take_userinfo(SecretUrl(index.value))
    return as_base(url), auth


def default_index() -> str:
    """Return the simple index beside the default that distlib carries."""
    from distlib.index import DEFAULT_INDEX

    base, _, _ = str(DEFAULT_INDEX).rstrip("/").rpartition("/")
    return f"{base}/simple/"
