"""The JSON form of a project page, read (PEP 691, 700, 714, 740, 792; sheet, section 9).

Strict about being a page (an object with one `files`, major version 1, this project's name; an empty list must
tell the last two), tolerant about every fact in it. Private keys (`_…`) and `namespaces`, which means another
repository's names, are left out; other keys of a file that this program does not know are kept, so that nothing
is lost that a client may use.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from proxy.pypi import facts
from proxy.pypi.distribution import Distribution
from proxy.pypi.intake import BadPage, Intake, Parsed, Place
from proxy.pypi.links import BadLink, Links, checked_hashes
from proxy.pypi.names import is_valid, normalize
from proxy.pypi.order import in_order
from proxy.pypi.project import Project

_KNOWN = frozenset(
    (
        *("filename", "url", "hashes", "requires-python", "size", "upload-time", "yanked", "core-metadata"),
        # Aliases of core-metadata (PEP 714), and a signature that no index has any more.
        *(
            "data-core-metadata",
            "dist-info-metadata",
            "data-dist-info-metadata",
            "provenance",
            "gpg-sig",
            "namespaces",
        ),
    )
)
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})\Z", re.ASCII)
#: A quote inside of a JSON text is escaped, so this is a key, and no page has it twice.
_LIST = re.compile(rb'"files"\s*:')
_MISSING: dict[str, object] = {}
#: Longer numbers are not read: Python refuses those of more than 4,300 digits.
_MOST_DIGITS = 1000


class _Page(msgspec.Struct):
    files: list[object]
    meta: object = None
    name: object = None
    versions: object = None
    project_status: object = msgspec.field(default=None, name="project-status")


class _Unreadable(NamedTuple):
    """An entry that cannot be written down again."""

    filename: str


_DECODER = msgspec.json.Decoder(_Page)


def parse(body: bytes, place: Place) -> Parsed:
    """Return the project of a JSON page; raise BadPage. A page of 4,400 files takes some 60 ms of CPU."""
    page = _page(body)
    meta = page.meta if isinstance(page.meta, dict) else _MISSING
    api_version = _api_version(meta.get("api-version"))
    _refuse_other(page.name, place.name)
    intake = Intake(place, Links(place.url))
    files = in_order(_files(page.files, intake))
    if page.files and not files and not intake.distributions:
        raise BadPage("none of its entries is a file")
    if not page.files and not (isinstance(page.name, str) and "api-version" in meta):
        raise BadPage("an empty list that does not say whose it is")
    status = page.project_status if page.project_status is not None else meta.get("project-status")
    marker = status if isinstance(status, dict) else {"status": status}
    project = Project(
        name=place.name,
        files=files,
        versions=_versions(page.versions),
        status=facts.status_of(marker.get("status")),
        status_reason=facts.line_of(marker.get("reason")),
        serial=facts.size_of(meta.get("_last-serial")),
        api_version=api_version,
    )
    return Parsed(project, intake.dropped)


def _page(body: bytes) -> _Page:
    if not body.strip():
        raise BadPage("an empty body")
    if len(_LIST.findall(body)) > 1:
        raise BadPage("two lists of files")
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as err:
        page = _page_of_readable(body)
        if page is None:
            raise BadPage(f"not a JSON page: {err}") from err
        return page
    except RecursionError as err:
        raise BadPage("a JSON document that is nested too deep") from err


def _page_of_readable(body: bytes) -> _Page | None:
    """Return a page in which some entries say what no other JSON could: lone surrogates, numbers out of range.

    Those are marked, so that none costs another. None for what is no page in any reading.
    """
    try:
        told = json.loads(body.decode("utf-8"), parse_int=_number, parse_constant=_no_number)
        if not isinstance(told, dict) or not isinstance(entries := told.pop("files", None), list):
            return None
        if not _is_sayable(told):
            return None
        files = [entry if _is_sayable(entry) else _Unreadable(_name_in(entry)) for entry in entries]
        return _Page(
            files, told.get("meta"), told.get("name"), told.get("versions"), told.get("project-status")
        )
    except (ValueError, RecursionError):
        return None


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) < _MOST_DIGITS else math.inf


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


def _is_sayable(value: object) -> bool:
    """Tell whether the value can be written down as JSON again."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return False
    return True


def _name_in(entry: object) -> str:
    name = entry.get("filename") if isinstance(entry, dict) else None
    return name if isinstance(name, str) else "?"


def _api_version(value: object) -> str:
    if value is None:
        return "1.0"
    match = _VERSION.match(str(value).strip())
    if match is None or match[1] != "1":
        raise BadPage(f"api-version {str(value)[:20]!r} is not 1.x")
    return match[0]


def _refuse_other(name: object, asked: str) -> None:
    if isinstance(name, str) and (not is_valid(name) or normalize(name) != asked):
        raise BadPage(f"the page of another project, {name[:80]!r}")


def _versions(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else []
    return tuple(
        dict.fromkeys(text for text in listed if isinstance(text, str) and facts.line_of(text) == text)
    )


def _files(entries: list[object], intake: Intake) -> Iterator[Distribution]:
    for entry in entries:
        if isinstance(entry, _Unreadable):
            intake.drop(entry.filename, "it holds text that is no Unicode, or a number out of range")
        elif not isinstance(entry, dict):
            intake.drop("?", "an entry that is no object")
        elif (file := _file(entry, intake)) is not None:
            yield file


def _file(entry: dict[str, object], intake: Intake) -> Distribution | None:
    filename, href, hashes = entry.get("filename"), entry.get("url"), entry.get("hashes")
    if not isinstance(filename, str) or not isinstance(href, str):
        intake.drop(filename if isinstance(filename, str) else "?", "an entry without a name or a link")
        return None
    url = intake.absolute(href, filename)
    if url is None:
        return None
    try:
        digests = checked_hashes(hashes) if isinstance(hashes, dict) else {}
    except BadLink as err:
        intake.drop(filename, str(err))
        return None
    admitted = intake.admit(filename, url, digests.get("sha256"))
    if admitted is None:
        return None
    return Distribution(
        filename=filename,
        url=admitted.url,
        path=admitted.path,
        hashes=digests,
        kind=admitted.kind,
        version=admitted.version,
        size=facts.size_of(entry.get("size")),
        upload_time=facts.upload_time_of(entry.get("upload-time")),
        requires_python=facts.requires_python_of(facts.text_of(entry.get("requires-python"))),
        yanked=facts.yanked_of(entry.get("yanked")),
        core_metadata=facts.core_metadata_of(_core_metadata(entry)),
        provenance=intake.resolved(entry.get("provenance")),
        extra=_extra(entry),
    )


def _core_metadata(entry: dict[str, object]) -> object:
    for key in ("core-metadata", "data-dist-info-metadata", "dist-info-metadata"):
        if (value := entry.get(key)) is not None:
            return value
    return None


def _extra(entry: dict[str, object]) -> dict[str, object]:
    unknown = entry.keys() - _KNOWN
    if not unknown:
        return {}
    kept = ((key, entry[key]) for key in sorted(unknown) if not key.startswith("_"))
    return {key: value for key, value in kept if facts.is_portable(value)}
