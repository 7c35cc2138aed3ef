"""Loading settings from a text in a folder of the test's own, apart from this machine's environment."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.config.faults import ConfigError
from proxy.config.load import Loaded, Request, load

#: pip's own settings of this machine must not decide a test.
QUIET = {"PIP_CONFIG_FILE": os.devnull}

PYPI = '[feeds.pypi]\nkind = "pypi"\n'


def request(
    folder: Path,
    text: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
    path: str | None = None,
) -> Request:
    if text is not None:
        (folder / "config.toml").write_text(text)
    return Request(path, QUIET | dict(environ or {}), folder, dict(overrides or {}))


def loads(
    folder: Path,
    text: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
    path: str | None = None,
) -> Loaded:
    return load(request(folder, text, environ=environ, overrides=overrides, path=path))


def faults(
    folder: Path,
    text: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
    path: str | None = None,
) -> dict[str, str]:
    """Return key -> message of a configuration that must be refused."""
    with pytest.raises(ConfigError) as caught:
        loads(folder, text, environ=environ, overrides=overrides, path=path)
    assert str(caught.value) == "\n".join(str(fault) for fault in caught.value.faults)
    return {fault.key: fault.message for fault in caught.value.faults}


def upstream(*lines: str) -> str:
    """Return a configuration with one feed of one upstream of these TOML lines."""
    return PYPI + "upstreams = [{ " + ", ".join(lines) + " }]\n"
