"""How a fake index writes its pages: JSON 1.4, HTML 1.4, the plain mirror's HTML, the JSON API. Pure.

The shapes are those of the protocol sheet (sections 7, 8, 9, 17 and 21), the public index's habits included:
every optional key present with null or false, the misnamed `data-dist-info-metadata` in JSON.
"""

import html
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from packaging.version import Version

from tests.support.projects import File, Project

#: The link to a file as this page writes it, without a fragment.
Link = Callable[[File], str]


def project_json(project: Project, link: Link, *, serial: bool, core_metadata: bool) -> bytes:
    """Return the project page as JSON, version 1.4."""
    meta: dict[str, Any] = {"api-version": "1.4"}
    if serial:
        meta["_last-serial"] = project.serial
    return _dump(
        {
            "meta": meta,
            "name": project.normalized,
            "project-status": _status(project),
            "versions": project.versions,
            "files": [_file_json(file, link, core_metadata) for file in project.listed],
            "alternate-locations": [],
        }
    )


def _status(project: Project) -> dict[str, str]:
    reason = {} if project.status_reason is None else {"reason": project.status_reason}
    return {"status": project.status, **reason}


def _file_json(file: File, link: Link, core_metadata: bool) -> dict[str, Any]:
    told = core_metadata and file.core_metadata and file.metadata_sha256 is not None
    core: dict[str, str] | bool = {"sha256": file.metadata_sha256 or ""} if told else False
    entry: dict[str, Any] = {
        "filename": file.filename,
        "url": link(file),
        "hashes": {"sha256": file.sha256} if file.hashed else {},
        "requires-python": _requires_python(file),
        "size": file.size,
        "yanked": file.yanked,
        "core-metadata": core,
        "data-dist-info-metadata": core,
        "provenance": file.provenance,
    }
    if file.uploaded_at is not None:
        entry["upload-time"] = _iso(file.uploaded_at, microseconds=True)
    return entry


def project_html(project: Project, link: Link, *, serial: bool, core_metadata: bool) -> bytes:
    """Return the project page as HTML, version 1.4."""
    metas = [_meta("repository-version", "1.4"), _meta("project-status", project.status)]
    if project.status_reason is not None:
        metas.append(_meta("project-status-reason", project.status_reason))
    anchors = [_anchor(file, link, _attributes(file, core_metadata)) for file in project.listed]
    tail = f"<!--SERIAL {project.serial}-->" if serial else ""
    return _document(f"Links for {project.normalized}", metas, anchors) + tail.encode()


def project_plain(project: Project, link: Link, *, upload_times: bool, base: str | None = None) -> bytes:
    """Return the page as a plain mirror writes it: no version, no metadata, no status."""
    anchors = []
    for file in project.listed:
        attributes = _attributes(file, core_metadata=False)
        attributes.pop("data-provenance", None)
        if upload_times and file.uploaded_at is not None:
            attributes["data-upload-time"] = _iso(file.uploaded_at)
        anchors.append(_anchor(file, link, attributes))
    metas = [] if base is None else [f'<base href="{html.escape(base)}">']
    return _document(f"Links for {project.normalized}", metas, anchors)


def flat_html(files: Iterable[File], link: Link) -> bytes:
    """Return one page with links to files of any project."""
    return _document("Files", [], [_anchor(file, link, {}) for file in files])


def root_json(projects: Sequence[Project], *, serial: bool) -> bytes:
    entries = [{"name": p.name, **({"_last-serial": p.serial} if serial else {})} for p in projects]
    meta: dict[str, Any] = {"api-version": "1.4"}
    if serial:
        meta["_last-serial"] = max((p.serial for p in projects), default=0)
    return _dump({"meta": meta, "projects": entries})


def root_html(projects: Sequence[Project], *, relative: bool) -> bytes:
    prefix = "" if relative else "/simple/"
    anchors = [f'<a href="{prefix}{p.normalized}/">{html.escape(p.name)}</a><br />' for p in projects]
    return _document("Simple index", [], anchors)


def api_json(project: Project, link: Link, version: str | None = None) -> bytes | None:
    """Return `/pypi/<name>/json` or `/pypi/<name>/<version>/json`; None for a version it does not have."""
    if version is not None and version not in project.versions:
        return None
    chosen = version or _latest(project)
    urls = [_api_file(file, link) for file in project.listed if file.built.version == chosen]
    document: dict[str, Any] = {
        "info": _info(project, chosen),
        "last_serial": project.serial,
        "urls": urls,
        "vulnerabilities": [],
    }
    if version is None:
        document["releases"] = {
            each: [_api_file(file, link) for file in project.listed if file.built.version == each]
            for each in project.versions
        }
    return _dump(document)


def _latest(project: Project) -> str | None:
    """Non-yanked before yanked, final before pre-release, then the highest (sheet, section 17)."""

    def rank(file: File) -> tuple[bool, bool, Version]:
        version = Version(file.built.version)
        return file.yanked is False, not version.is_prerelease, version

    return max(project.listed, key=rank).built.version if project.listed else None


def _info(project: Project, version: str | None) -> dict[str, Any]:
    return {
        "name": project.name,
        "version": version,
        "summary": f"A test of {project.name}",
        "license": "MIT",
        "license_expression": None,
        "classifiers": ["License :: OSI Approved :: MIT License"],
        "requires_python": next(
            (_requires_python(file) for file in project.listed if file.built.version == version), None
        ),
        "yanked": False,
        "yanked_reason": None,
        **project.info.get(version or "", {}),
    }


def _api_file(file: File, link: Link) -> dict[str, Any]:
    uploaded = file.uploaded_at or datetime(2020, 1, 1, tzinfo=UTC)
    return {
        "filename": file.filename,
        "url": link(file),
        "size": file.size,
        "upload_time": uploaded.strftime("%Y-%m-%dT%H:%M:%S"),
        "upload_time_iso_8601": _iso(uploaded, microseconds=True),
        "digests": {"sha256": file.sha256, "blake2b_256": file.built.blake2b},
        "packagetype": "bdist_wheel" if file.built.is_wheel else "sdist",
        "python_version": "py3" if file.built.is_wheel else "source",
        "requires_python": _requires_python(file),
        "yanked": file.yanked is not False,
        "yanked_reason": file.yanked if isinstance(file.yanked, str) else None,
    }


def _requires_python(file: File) -> str | None:
    return file.requires_python or file.built.requires_python


def _attributes(file: File, core_metadata: bool) -> dict[str, str]:
    attributes = {}
    requires_python = _requires_python(file)
    if requires_python is not None:
        attributes["data-requires-python"] = requires_python
    if core_metadata and file.core_metadata and file.metadata_sha256 is not None:
        attributes["data-dist-info-metadata"] = f"sha256={file.metadata_sha256}"
        attributes["data-core-metadata"] = f"sha256={file.metadata_sha256}"
    if file.provenance is not None:
        attributes["data-provenance"] = file.provenance
    if file.yanked is not False:
        attributes["data-yanked"] = file.yanked if isinstance(file.yanked, str) else ""
    return attributes


def _anchor(file: File, link: Link, attributes: dict[str, str]) -> str:
    fragment = f"#sha256={file.sha256}" if file.hashed else ""
    pairs = {"href": link(file) + fragment, **attributes}
    written = " ".join(f'{name}="{html.escape(value)}"' for name, value in pairs.items())
    return f"<a {written}>{html.escape(file.filename)}</a><br />"


def _meta(name: str, content: str) -> str:
    return f'<meta name="pypi:{name}" content="{html.escape(content)}">'


def _document(title: str, metas: Sequence[str], anchors: Sequence[str]) -> bytes:
    head = "\n".join(f"    {line}" for line in (*metas, f"<title>{html.escape(title)}</title>"))
    body = "\n".join(f"    {anchor}" for anchor in anchors)
    return (
        f"<!DOCTYPE html>\n<html>\n  <head>\n{head}\n  </head>\n  <body>\n"
        f"    <h1>{html.escape(title)}</h1>\n{body}\n  </body>\n</html>\n"
    ).encode()


def _iso(moment: datetime, *, microseconds: bool = False) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S" + (".%fZ" if microseconds else "Z"))


def _dump(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
