"""Enrichment: facts that a page cannot say, taken from the index's JSON API or from the snapshot before.

A page is the authority: what it says is never changed, no file is added or removed, and a mark that it lacks
stays lacking; only a reason is added to a mark that is there. A fact is taken over only for the same file:
equal name and equal digest, or, for a link without any digest, the same URL.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from proxy.pypi import facts
from proxy.pypi.distribution import Distribution
from proxy.pypi.intake import BadPage
from proxy.pypi.links import BadLink, Links, checked_hashes
from proxy.pypi.names import is_valid, normalize
from proxy.pypi.project import Project


class _File(msgspec.Struct, gc=False):
    """A file object of `/pypi/<name>/json`; every field may be missing or of any type."""

    filename: object = None
    url: object = None
    digests: object = None
    size: object = None
    upload_time_iso_8601: object = None
    requires_python: object = None
    yanked_reason: object = None
    core_metadata: object = msgspec.field(default=None, name="core-metadata")


class _Info(msgspec.Struct):
    name: object = None


class _Document(msgspec.Struct):
    info: _Info
    releases: dict[str, list[_File]] = {}
    urls: list[_File] = []


_DECODER = msgspec.json.Decoder(_Document)


class _Lent(NamedTuple):
    """What another source says of a file name."""

    url: str | None
    hashes: Mapping[str, str]
    size: int | None
    upload_time: str | None
    requires_python: str | None
    reason: str | None
    core_metadata: bool | dict[str, str]


def enrich(project: Project, json_api_body: bytes) -> Project:
    """Return the project with the facts of `/pypi/<name>/json`; raise BadPage for any other document."""
    document = _document(json_api_body, project.name)
    known: dict[str, _Lent] = {}
    for entries in (*document.releases.values(), document.urls):
        for entry in entries:
            if isinstance(entry.filename, str) and entry.filename not in known:
                known[entry.filename] = _lent_by_api(entry)
    return _with_facts(project, known, tuple(document.releases))


def carry_over(new: Project, old: Project) -> Project:
    """Return the new snapshot with what the old one knew of the same files, for when enrichment failed."""
    return _with_facts(new, {file.filename: _lent_by(file) for file in old.files}, old.versions)


def _document(body: bytes, name: str) -> _Document:
    try:
        document = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as err:
        raise BadPage(f"not a document of the JSON API: {err}") from err
    except RecursionError as err:
        raise BadPage("a document of the JSON API that is nested too deep") from err
    told = document.info.name
    if isinstance(told, str) and (not is_valid(told) or normalize(told) != name):
        raise BadPage(f"the JSON API's document of another project, {told[:80]!r}")
    return document


def _lent_by_api(entry: _File) -> _Lent:
    hashes = _hashes_of(entry.digests)
    return _Lent(
        url=None if hashes is None else _url_of(entry.url),
        hashes=hashes or {},
        size=facts.size_of(entry.size),
        upload_time=facts.upload_time_of(entry.upload_time_iso_8601),
        requires_python=facts.requires_python_of(facts.text_of(entry.requires_python)),
        reason=facts.line_of(entry.yanked_reason),
        core_metadata=facts.core_metadata_of(entry.core_metadata),
    )


def _url_of(told: object) -> str | None:
    """Return the file's URL; None for a relative one too, whose base is not told. Then the digests must tell."""
    try:
        return Links("").absolute(told) if isinstance(told, str) else None
    except BadLink:
        return None


def _hashes_of(told: object) -> Mapping[str, str] | None:
    """Return the digests, None for damaged ones: such an entry is known by nothing."""
    try:
        return checked_hashes(told) if isinstance(told, dict) else {}
    except BadLink:
        return None


def _lent_by(file: Distribution) -> _Lent:
    # No URL: without a digest, what lies there now may be other bytes than then.
    reason = file.yanked if isinstance(file.yanked, str) else None
    return _Lent(
        None, file.hashes, file.size, file.upload_time, file.requires_python, reason, file.core_metadata
    )


def _with_facts(project: Project, known: Mapping[str, _Lent], versions: tuple[str, ...]) -> Project:
    files = tuple(_with(file, known.get(file.filename)) for file in project.files)
    return msgspec.structs.replace(project, files=files, versions=project.versions or versions)


def _with(file: Distribution, lent: _Lent | None) -> Distribution:
    if lent is None or not _is_same(file, lent):
        return file
    sha256 = None if "sha256" in file.hashes else lent.hashes.get("sha256")
    return msgspec.structs.replace(
        file,
        hashes=file.hashes if sha256 is None else {**file.hashes, "sha256": sha256},
        size=lent.size if file.size is None else file.size,
        upload_time=file.upload_time or lent.upload_time,
        requires_python=file.requires_python or lent.requires_python,
        yanked=lent.reason or True if file.yanked is True else file.yanked,
        core_metadata=lent.core_metadata
        if isinstance(file.core_metadata, bool) and lent.core_metadata
        else file.core_metadata,
    )


def _is_same(file: Distribution, lent: _Lent) -> bool:
    shared = file.hashes.keys() & lent.hashes.keys()
    if shared:
        return all(file.hashes[algorithm] == lent.hashes[algorithm] for algorithm in shared)
    return not file.hashes and lent.url is not None and lent.url == file.url
