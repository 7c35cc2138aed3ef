"""The JSON API, written for a feed: `/pypi/<name>/json` and `/pypi/<name>/<version>/json` (sheet, 17).

Rendered from the files that are visible, so it lists what the simple page lists and nothing else. `info`
describes the version that the origin would choose among those: it is the origin's own where that is of the
same version, else made from METADATA, else only name and version. `releases` is left out of a version's
document, as at the origin.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

import msgspec
import orjson

from proxy.pypi.core_metadata import description_of, read_fields
from proxy.pypi.distribution import Distribution
from proxy.pypi.facts import is_plain, serial_of
from proxy.pypi.names import FileKind
from proxy.pypi.order import in_order
from proxy.pypi.project import Project
from proxy.pypi.published import href
from proxy.pypi.versions import latest, parse_version, visible_versions

_PACKAGE_TYPES = {
    ".egg": "bdist_egg",
    ".exe": "bdist_wininst",
    ".msi": "bdist_msi",
    ".rpm": "bdist_rpm",
    ".dmg": "bdist_dmg",
}
#: METADATA's field, `info`'s key. Lists stay lists where the origin has lists.
_TEXTS = {
    "author": "author",
    "author-email": "author_email",
    "description": "description",
    "description-content-type": "description_content_type",
    "download-url": "download_url",
    "home-page": "home_page",
    "license": "license",
    "license-expression": "license_expression",
    "maintainer": "maintainer",
    "maintainer-email": "maintainer_email",
    "summary": "summary",
}
_LISTS = {
    "classifier": "classifiers",
    "dynamic": "dynamic",
    "license-file": "license_files",
    "platform": "platform",
    "provides-extra": "provides_extra",
    "requires-dist": "requires_dist",
}
#: Of a list's values so many are told.
_MOST_VALUES = 4000


class _Upstream(msgspec.Struct):
    """What is taken from the origin's document."""

    info: dict[str, object] = {}
    vulnerabilities: list[object] = []
    last_serial: object = None


_DECODER = msgspec.json.Decoder(_Upstream)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where `info` may come from: the origin's document, or METADATA of a wheel of the version shown."""

    upstream: bytes | None = None
    metadata: bytes | None = None


class ShownVersions:
    """The versions of a project that have visible files, looked up once for many requests."""

    def __init__(self, releases: Mapping[str, list[Distribution]]) -> None:
        parsed = ((parse_version(text), text) for text in releases)
        self._spelled = {version: text for version, text in parsed if version is not None}
        self._chosen = latest((text, _is_yanked(files)) for text, files in releases.items())

    @classmethod
    def of(cls, project: Project) -> "ShownVersions":
        """Look a project up. May take long: for a thread."""
        return cls(_releases(project))

    def spelled(self, version: str | None) -> str | None:
        """Return a version as the project spells it; of None PyPI's choice among the visible ones."""
        if version is None:
            return self._chosen
        known = parse_version(version)
        return self._spelled.get(known) if known is not None else None


def shown_version(project: Project) -> str | None:
    """Return the version that `/pypi/<name>/json` describes: PyPI's choice among the visible ones."""
    return ShownVersions.of(project).spelled(None)


def render(project: Project, prefix: str, sources: Sources, version: str | None = None) -> bytes | None:
    """Return the document of the project, or of one version; None when nothing of it is visible.

    `prefix` leads from the document to the feed, or is the feed's public URL with a trailing slash.
    """
    releases = _releases(project)
    shown = ShownVersions(releases).spelled(version)
    if shown is None:
        return None
    upstream = _upstream(sources.upstream)
    is_same = _is_version(upstream.info.get("version"), shown)
    serial = project.serial if project.serial is not None else upstream.last_serial
    document: dict[str, object] = {
        "info": _info(
            project, shown, releases[shown], upstream if is_same else _Upstream(), sources.metadata
        ),
        "last_serial": serial_of(serial) or 0,
    }
    if version is None:
        document["releases"] = {
            text: [_file(file, prefix) for file in files] for text, files in releases.items()
        }
    document["urls"] = [_file(file, prefix) for file in releases[shown]]
    document["vulnerabilities"] = upstream.vulnerabilities if is_same else []
    return orjson.dumps(document)


def _releases(project: Project) -> dict[str, list[Distribution]]:
    """Return the visible files by version, in order; files without a version have no place in this API."""
    files = [file for file in in_order(project.files) if file.version is not None]
    spelled = {
        parse_version(text): text for text in visible_versions(project.versions, [f.version for f in files])
    }
    grouped = groupby(files, key=lambda file: parse_version(file.version or ""))
    return {spelled[version]: list(group) for version, group in grouped}


def _is_version(told: object, version: str) -> bool:
    return (
        isinstance(told, str)
        and (known := parse_version(told)) is not None
        and known == parse_version(version)
    )


def _is_yanked(files: list[Distribution]) -> bool:
    return all(file.is_yanked for file in files)


def _upstream(body: bytes | None) -> _Upstream:
    """Return what the origin said, or nothing: this API must not fail because the origin's does."""
    try:
        told = _Upstream() if body is None else _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Upstream()
    info = {key: value for key, value in told.info.items() if is_plain(value)}
    return _Upstream(info, list(filter(is_plain, told.vulnerabilities)), told.last_serial)


def _info(
    project: Project, version: str, files: list[Distribution], upstream: _Upstream, metadata: bytes | None
) -> dict[str, object]:
    reasons = [file.yanked for file in files if isinstance(file.yanked, str)]
    is_yanked = _is_yanked(files)
    ours: dict[str, object] = {
        "requires_python": next((file.requires_python for file in files if file.requires_python), None),
        "yanked": is_yanked,
        "yanked_reason": reasons[0] if is_yanked and reasons else None,
    }
    told = upstream.info or (_info_of_metadata(metadata) if metadata is not None else {})
    return {**_empty_info(), "name": project.name, **told, "version": version, **ours}


def _empty_info() -> dict[str, object]:
    texts = dict.fromkeys(_TEXTS.values())
    return {**texts, **dict.fromkeys(_LISTS.values()), "keywords": None, "project_urls": None}


def _info_of_metadata(metadata: bytes) -> dict[str, object]:
    """Return the keys of `info` that METADATA has; lenient, because old files break the rules."""
    fields = read_fields(metadata)
    info: dict[str, object] = {
        key: text for name, key in {**_TEXTS, "name": "name"}.items() if (text := fields.text(name))
    }
    info |= {key: list(found[:_MOST_VALUES]) for name, key in _LISTS.items() if (found := fields.texts(name))}
    if "description" not in info and (description := description_of(metadata)) is not None:
        info["description"] = description
    if keywords := fields.text("keywords"):
        info["keywords"] = ",".join(word.strip() for word in keywords.split(","))
    urls = [text.partition(",") for text in fields.texts("project-url")[:_MOST_VALUES]]
    if urls:
        info["project_urls"] = {label.strip(): url.strip() for label, _, url in urls}
    return info


def _file(file: Distribution, prefix: str) -> dict[str, object]:
    """Return the file object; what is not known is null, for here every key is expected."""
    time = file.upload_time
    entry: dict[str, object] = {
        "comment_text": None,
        "digests": file.hashes,
        "downloads": -1,
        "filename": file.filename,
        "has_sig": False,
        "md5_digest": file.hashes.get("md5"),
        "packagetype": _package_type(file),
        "python_version": _python_version(file),
        "requires_python": file.requires_python,
        "size": file.size,
        "upload_time": None if time is None else time[:19],
        "upload_time_iso_8601": time,
        "url": href(file, prefix),
        "yanked": file.is_yanked,
        "yanked_reason": file.yanked if isinstance(file.yanked, str) else None,
    }
    if file.core_metadata is not False:
        entry["core-metadata"] = file.core_metadata
    return entry


def _package_type(file: Distribution) -> str:
    match file.kind:
        case FileKind.WHEEL | FileKind.VARIANT_WHEEL:
            return "bdist_wheel"
        case FileKind.OTHER:
            suffix = file.filename[file.filename.rfind(".") :].lower()
            return _PACKAGE_TYPES.get(suffix, "bdist_dumb")
        case _:
            return "sdist"


def _python_version(file: Distribution) -> str:
    match file.kind:
        case FileKind.WHEEL:
            return file.filename.split("-")[-3]
        case FileKind.VARIANT_WHEEL:
            return file.filename.split("-")[-4]
        case FileKind.SDIST:
            return "source"
        case _:
            return "any"
