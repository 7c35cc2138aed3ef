"""`#egg=name-version`: a link to an archive whose URL does not tell whose it is (pip; setuptools' dependency links).

A code host's archive of a tag is ".../archive/v1.0.tar.gz#egg=foo-1.0". It is listed as the file that it stands for,
"foo-1.0.tar.gz", where name and version can be told and the archive is one that is built from; else it is none.
"""

import re
from urllib.parse import unquote

from proxy.pypi.links import filename_of
from proxy.pypi.names import FileKind, belongs, is_valid, kind_of, normalize
from proxy.pypi.versions import parse_version

_EGG = re.compile(r"[#&]egg=([^&#]{1,200})")
#: The archive that a code host makes at such an address; a file's suffix comes before it.
_MADE = {"tarball": ".tar.gz", "zipball": ".zip"}
_SUFFIXES = (".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tar.xz")
#: A project in a folder of the archive: no file name can say that.
_FOLDER = re.compile(r"[#&]subdirectory=")


def filename_of_egg(href: str, url: str, project: str) -> str | None:
    """Return the file name that the link's fragment gives to the project's archive, None where it gives none.

    A link whose own name says that it is the project's keeps that.
    """
    found = _EGG.search(href)
    if found is None or _FOLDER.search(href):
        return None
    last = filename_of(url) or ""
    if kind_of(last) is FileKind.WHEEL or (kind_of(last) is not None and belongs(last, project)):
        return None
    suffix = _suffix(last.lower(), url)
    version = _version(unquote(found[1]), project)
    return f"{project}-{version}{suffix}" if suffix and version else None


def _suffix(last: str, url: str) -> str | None:
    made = next((suffix for word, suffix in _MADE.items() if f"/{word}/" in url), None)
    return next((suffix for suffix in _SUFFIXES if last.endswith(suffix)), made)


def _version(egg: str, project: str) -> str | None:
    """Return the version behind the project's name and a hyphen, as pip cuts it."""
    for at, letter in enumerate(egg):
        if letter == "-" and is_valid(egg[:at]) and normalize(egg[:at]) == project:
            return egg[at + 1 :] if parse_version(egg[at + 1 :]) is not None else None
    return None
