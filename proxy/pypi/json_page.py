"""The JSON form of a project page, read (PEP 691, 700, 714, 740, 792; sheet, section 9).

Strict about being a page (an object with a list of `files`, major version 1, no other project's name; an empty list
must tell the last two), tolerant about every fact in it, as pip and uv are: of a key that is there twice the last
counts (but an empty second list of files does not empty a project), a name that is none ("", "root/pypi/pg") is no
other project's, and an entry that cannot be read costs no other. Private keys (`_…`) and `namespaces`, which means
another repository's names, are left out; other keys of a file that this program does not know are kept, so that nothing
is lost that a client may use.
"""

import re
from collections.abc import Iterator

import msgspec

from proxy.pypi import facts
from proxy.pypi.damage import Unreadable, read_damaged
from proxy.pypi.distribution import Distribution
from proxy.pypi.intake import BadPage, Intake, Parsed, Place
from proxy.pypi.links import BadLink, Links, checked_hashes
from proxy.pypi.names import is_valid, normalize
from proxy.pypi.order import in_order
from proxy.pypi.page_version import api_version_of
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
#: A quote inside of a JSON text is escaped, so this is a key.
_LIST = re.compile(rb'"files"\s*:')
_MISSING: dict[str, object] = {}


class _Page(msgspec.Struct):
    files: list[object]
    meta: object = None
    name: object = None
    versions: object = None
    project_status: object = msgspec.field(default=None, name="project-status")


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
    if not page.files and not (
        _is_named(page.name, place.name) and isinstance(meta.get("api-version"), (str, int, float))
    ):
        raise BadPage("an empty list that does not say whose it is")
    if not page.files and len(_LIST.findall(body)) > 1:
        raise BadPage("two lists of files, of which the last is empty")
    status = page.project_status if page.project_status is not None else meta.get("project-status")
    marker = status if isinstance(status, dict) else {"status": status}
    project = Project(
        name=place.name,
        files=files,
        versions=_versions(page.versions),
        status=facts.status_of(marker.get("status")),
        status_reason=facts.line_of(marker.get("reason")),
        serial=facts.serial_of(meta.get("_last-serial")),
        api_version=api_version,
    )
    return Parsed(project, intake.dropped)


def _page(body: bytes) -> _Page:
    if not body.strip():
        raise BadPage("an empty body")
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as err:
        page = _page_of_readable(body)
        if page is None:
            raise BadPage(f"not a JSON page: {err}") from err
        return page


def _page_of_readable(body: bytes) -> _Page | None:
    """Return a page in which some entries cannot be read, so that none costs another; None for what is no page."""
    told = read_damaged(body)
    if told is None or not isinstance(files := told.get("files"), list):
        return None
    return _Page(files, told.get("meta"), told.get("name"), told.get("versions"), told.get("project-status"))


def _api_version(value: object) -> str:
    return api_version_of(value if isinstance(value, (str, int, float)) else None, "api-version")


def _refuse_other(name: object, asked: str) -> None:
    if isinstance(name, str) and is_valid(told := name.strip()) and normalize(told) != asked:
        raise BadPage(f"the page of another project, {told[:80]!r}")


def _is_named(name: object, asked: str) -> bool:
    """Tell whether the page says that it is the project's; some indexes put their own path before its name."""
    told = name.strip().rpartition("/")[2] if isinstance(name, str) else ""
    return is_valid(told) and normalize(told) == asked


def _versions(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else []
    return tuple(
        dict.fromkeys(text for text in listed if isinstance(text, str) and facts.line_of(text) == text)
    )


def _files(entries: list[object], intake: Intake) -> Iterator[Distribution]:
    for entry in entries:
        if isinstance(entry, Unreadable):
            intake.drop(
                entry.filename, "it holds text that is no Unicode, a number out of range, or too deep a value"
            )
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
