"""The files that clients keep their index in, edited as text: what is there stays, comments included, but what would
get around the feed.

A file is where its client looks for it (pip, uv, conda and PDM documentation), with the client's own variable first.
"""

import configparser
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

#: Keys by which packages get around the feed.
_PIP_AROUND = ("extra-index-url", "find-links", "no-index", "index-url")
_UV_AROUND = ("index", "index-url", "extra-index-url", "find-links", "no-index")
#: What PDM would send another index, or not ask its own file for; a table below `pypi` is one more index.
_PDM_AROUND = ("username", "password", "ignore_stored_index")
#: Variables that count more than the client's file, or beside it.
_PIP_VARIABLES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX")
_UV_VARIABLES = (
    "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX",
)  # fmt: skip
_CONDA_VARIABLES = ("CONDA_CHANNELS", "CONDA_DEFAULT_CHANNELS")


class NotEdited(ValueError):
    """A file that is there and cannot be read as its client's."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a client is told: the feed's URL with the key where it needs one, and the CA's file where one is given."""

    url: str
    #: pip's word for plain http beyond this machine.
    trusted_host: str | None = None
    ca: Path | None = None


@dataclass(frozen=True, slots=True)
class ClientFile:
    """A client's file: the kind of feed it is for, where it lies, and how its text is edited."""

    kind: str
    place: Callable[[Mapping[str, str], Path], Path]
    edit: Callable[[str, Target], str]
    variables: tuple[str, ...] = ()


def _config(environ: Mapping[str, str], home: Path) -> Path:
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config")


def _pip_place(environ: Mapping[str, str], home: Path) -> Path:
    named = environ.get("PIP_CONFIG_FILE")
    return Path(named) if named else _config(environ, home) / "pip" / "pip.conf"


def _uv_place(environ: Mapping[str, str], home: Path) -> Path:
    named = environ.get("UV_CONFIG_FILE")
    return Path(named) if named else _config(environ, home) / "uv" / "uv.toml"


def _pdm_place(environ: Mapping[str, str], home: Path) -> Path:
    named = environ.get("PDM_CONFIG_FILE")
    return Path(named) if named else _config(environ, home) / "pdm" / "config.toml"


def _conda_place(environ: Mapping[str, str], home: Path) -> Path:
    named = environ.get("CONDARC")
    return Path(named) if named else home / ".condarc"


def _pixi_place(environ: Mapping[str, str], home: Path) -> Path:
    return Path(environ.get("PIXI_HOME") or home / ".pixi") / "config.toml"


def _edited_pip(text: str, target: Target) -> str:
    from configupdater import ConfigUpdater

    try:
        conf = ConfigUpdater().read_string(text)
    except configparser.Error as err:
        raise NotEdited(str(err).splitlines()[0]) from err
    for section in conf.sections():
        for key in conf.options(section):
            # As pip's configuration reads names: `extra_index_url` and `--extra-index-url` are the same.
            if key.replace("_", "-").removeprefix("--") in _PIP_AROUND:
                conf.remove_option(section, key)
    if not conf.has_section("global"):
        conf.add_section("global")
    conf.set("global", "index-url", target.url)
    if target.trusted_host is not None:
        conf.set("global", "trusted-host", target.trusted_host)
    if target.ca is not None:
        conf.set("global", "cert", str(target.ca))
    return str(conf)


def _edited_uv(text: str, target: Target) -> str:
    import tomlkit

    document = _toml(text)
    # The table `pip` counts more for `uv pip`.
    for table in (document, document.get("pip")):
        for key in _UV_AROUND if isinstance(table, dict) else ():
            table.pop(key, None)
    index = tomlkit.table()
    index.update({"url": target.url, "default": True})
    document["index"] = tomlkit.aot()
    document["index"].append(index)
    return tomlkit.dumps(document)


def _edited_pdm(text: str, target: Target) -> str:
    import tomlkit
    from tomlkit.container import OutOfOrderTableProxy

    document = _toml(text)
    if isinstance(document.get("pypi"), OutOfOrderTableProxy):
        # tomlkit cannot take anything out of a table whose parts stand apart.
        document["pypi"] = document.pop("pypi").unwrap()
    pypi = document.setdefault("pypi", tomlkit.table())
    if not isinstance(pypi, dict):
        raise NotEdited("pypi is no table")
    for key in [key for key in pypi if key in _PDM_AROUND or isinstance(pypi[key], dict)]:
        del pypi[key]
    pypi["url"] = target.url
    if target.ca is not None:
        pypi["ca_certs"] = str(target.ca)
    return tomlkit.dumps(document)


def _edited_pixi(text: str, target: Target) -> str:
    import tomlkit

    document = _toml(text)
    document["default-channels"] = [target.url.rstrip("/")]
    return tomlkit.dumps(document)


def _edited_conda(text: str, target: Target) -> str:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML()
    yaml.indent(sequence=4, offset=2)
    try:
        document: Any = yaml.load(text)
    except YAMLError as err:
        raise NotEdited(" ".join(str(err).split())[:200]) from err
    except RecursionError as err:
        raise NotEdited("is nested too deep") from err
    document = {} if document is None else document
    if not isinstance(document, dict):
        raise NotEdited("is not a mapping")
    document |= {"channels": [target.url], "default_channels": [target.url], "channel_priority": "strict"}
    if target.ca is not None:
        document["ssl_verify"] = str(target.ca)
    out = StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _toml(text: str) -> Any:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        return tomlkit.parse(text)
    except TOMLKitError as err:
        raise NotEdited(str(err)) from err
    except RecursionError as err:
        raise NotEdited("is nested too deep") from err


CLIENT_FILES: Mapping[str, ClientFile] = {
    "pip": ClientFile("pypi", _pip_place, _edited_pip, _PIP_VARIABLES),
    "uv": ClientFile("pypi", _uv_place, _edited_uv, _UV_VARIABLES),
    "pdm": ClientFile("pypi", _pdm_place, _edited_pdm),
    "conda": ClientFile("conda", _conda_place, _edited_conda, _CONDA_VARIABLES),
    "mamba": ClientFile("conda", _conda_place, _edited_conda, _CONDA_VARIABLES),
    "pixi": ClientFile("conda", _pixi_place, _edited_pixi),
}
