"""The version that a page tells of itself (PEP 629): a bigger major version is another format."""

import re

from proxy.pypi.intake import BadPage

_VERSION = re.compile(r"v?(\d{1,4})(?:\.(\d{1,4}))?(?:\.\d{1,4})*\Z", re.ASCII)


def api_version_of(value: object, what: str) -> str:
    """Return "1.<minor>", which is "1.0" for a page that tells none; raise BadPage for another major version.

    Some indexes write a bare 1, as a text or a number, or "v1".
    """
    text = str(value).strip() if value is not None and not isinstance(value, bool) else ""
    if not text:
        return "1.0"
    match = _VERSION.match(text)
    if match is None or match[1] != "1":
        raise BadPage(f"{what} {text[:20]!r} is not 1.x")
    return f"1.{match[2] or 0}"
