"""A fake package index on an `Origin`: a public index, a plain mirror, or anything between.

Everything may be changed at run time.

    index = FakeIndex(origin)                          # speaks JSON and HTML 1.4, like the public one
    index = FakeIndex(origin, PLAIN, files=other)      # a plain mirror whose files lie on another host
    index.add(wheel("demo", "1.0", requires=["leaf"]))
    index.yank("demo-1.0-py3-none-any.whl", "broken")
    feed = index.url                                   # ends in /simple/

Faults are the origin's: `origin.always(index.page_path("demo"), Fault(status=500))`.
"""

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from packaging.utils import canonicalize_name

from tests.support import pages
from tests.support.answers import Received, Resource
from tests.support.origin import Origin
from tests.support.projects import UPLOADED, File, Project
from tests.support.wheels import Built

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
TEXT = "text/html"

_API = re.compile(r"/pypi/(?P<name>[^/]+)(?:/(?P<version>[^/]+))?/json/?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What an index speaks. The default is the public index of the protocol sheet."""

    #: The forms it has: a subset of JSON, HTML, TEXT.
    forms: tuple[str, ...] = (JSON, HTML, TEXT)
    #: HTML as a plain mirror writes it (sheet, section 21).
    plain: bool = False
    etags: bool = True
    last_modified: bool = False
    serials: bool = True
    cache_control: str | None = "max-age=600, public"
    #: `/pypi/<name>/json`, and the same with a version.
    json_api: bool = True
    version_json: bool = True
    #: Pages advertise `.metadata`; files answer for it.
    core_metadata: bool = True
    metadata_files: bool = True
    #: Links of pages: 'absolute', 'root' (from the host's root) or 'relative' (to the page).
    links: str = "absolute"
    #: `<base href>` of HTML pages (plain form).
    base: str | None = None
    #: Validators on files.
    file_etags: bool = True
    #: Fields added to every page.
    headers: tuple[tuple[str, str], ...] = ()


PUBLIC = Shape()
HTML_ONLY = Shape(forms=(HTML, TEXT))
PLAIN = Shape(
    forms=(TEXT,),
    plain=True,
    etags=False,
    serials=False,
    cache_control=None,
    version_json=False,
    core_metadata=False,
    file_etags=False,
)


class FakeIndex:
    """Projects and files, shown on an origin."""

    def __init__(
        self, origin: Origin, shape: Shape = PUBLIC, *, files: Origin | None = None, prefix: str = ""
    ) -> None:
        self._origin = origin
        self._files = files or origin
        self._prefix = prefix
        self._serial = 1000
        self.shape = shape
        self.projects: dict[str, Project] = {}
        #: Files that can be downloaded, listed or not: a file host keeps removed files for long.
        self.hosted: dict[str, File] = {}
        origin.serve(f"{prefix}/simple", self._page)
        origin.serve(f"{prefix}/pypi/", self._api)
        origin.serve(f"{prefix}/flat", self._flat)
        self._files.serve("/packages/", self._file)

    # -- where things are

    @property
    def url(self) -> str:
        """The index URL that goes into a configuration, with its slash."""
        return f"{self._origin.url}{self._prefix}/simple/"

    @property
    def flat_url(self) -> str:
        """A page that links every file of every project."""
        return f"{self._origin.url}{self._prefix}/flat/"

    def page_path(self, name: str) -> str:
        return f"{self._prefix}/simple/{canonicalize_name(name)}/"

    def api_path(self, name: str) -> str:
        return f"{self._prefix}/pypi/{canonicalize_name(name)}/json"

    def file(self, filename: str) -> File:
        """Return the file that was added under this name."""
        return next(file for file in self.hosted.values() if file.filename == filename)

    def file_path(self, filename: str) -> str:
        return self.file(filename).path

    def file_url(self, filename: str) -> str:
        return self._files.url + self.file_path(filename)

    # -- changing it

    def reshape(self, **changes: Any) -> None:
        """Turn switches of the shape while it runs."""
        self.shape = replace(self.shape, **changes)

    def add(self, *built: Built, **facts: Any) -> File:
        """List files (facts: fields of `File`); return the last one."""
        file = None
        for each in built:
            project = self._changed(each.name)
            file = File(each, **facts)
            project.files = [old for old in project.files if old.filename != each.filename] + [file]
            self.hosted[file.path] = file
        assert file is not None, "add() wants at least one file"
        return file

    def add_project(self, name: str) -> Project:
        """Make a project without files."""
        return self._changed(name)

    def bump(self, name: str) -> int:
        """Give the project a new serial, as any event at the origin does, and return it."""
        return self._changed(name).serial

    def yank(self, filename: str, reason: bool | str = True) -> None:
        """Mark the file as yanked; False takes the mark away."""
        self.file(filename).yanked = reason
        self._changed(self.file(filename).built.name)

    def remove(self, filename: str, *, bytes_too: bool = False) -> None:
        """Take the file off its page; the file host keeps it unless told otherwise."""
        gone = self.file(filename)
        project = self._changed(gone.built.name)
        project.files = [file for file in project.files if file.filename != filename]
        if bytes_too:
            del self.hosted[gone.path]

    def remove_project(self, name: str) -> None:
        """Delete the project: its page is 404, its files stay on the file host."""
        del self.projects[canonicalize_name(name)]

    def mark(self, name: str, status: str, reason: str | None = None) -> None:
        """Set the project's status (PEP 792); 'quarantined' empties its page."""
        project = self._changed(name)
        project.status, project.status_reason = status, reason

    def quarantine(self, name: str, reason: str | None = None) -> None:
        self.mark(name, "quarantined", reason)

    def _changed(self, name: str) -> Project:
        self._serial += 1
        project = self.projects.setdefault(canonicalize_name(name), Project(name, self._serial))
        project.serial = self._serial
        return project

    # -- answering

    def _page(self, request: Received) -> Resource | None:
        path = request.path.removeprefix(f"{self._prefix}/simple")
        if path == "/":
            return self._root(request)
        name = path.strip("/")
        project = self.projects.get(canonicalize_name(name))
        if "/" in name or project is None:
            return None
        if path != f"/{project.normalized}/":
            return self._moved(self.page_path(name))
        return self._shown(project, self._form(request), request)

    def _shown(self, project: Project, form: str, request: Received) -> Resource:
        def link(file: File) -> str:
            return self._link(file, self.page_path(project.name))

        shape = self.shape
        if form == JSON:
            body = pages.project_json(project, link, serial=shape.serials, core_metadata=shape.core_metadata)
        elif shape.plain:
            times = JSON in request.headers.get("accept", "")
            body = pages.project_plain(project, link, upload_times=times, base=shape.base)
        else:
            body = pages.project_html(project, link, serial=shape.serials, core_metadata=shape.core_metadata)
        return self._document(body, form, project.serial)

    def _root(self, request: Received) -> Resource:
        form = self._form(request)
        listed = [self.projects[name] for name in sorted(self.projects)]
        listed = [project for project in listed if project.status != "quarantined"]
        if form == JSON:
            body = pages.root_json(listed, serial=self.shape.serials)
        else:
            body = pages.root_html(listed, relative=self.shape.plain)
        return self._document(body, form, self._serial)

    def _api(self, request: Received) -> Resource | None:
        """A quarantined project is 404 here; a plain mirror knows no trailing slash."""
        matched = _API.match(request.path.removeprefix(self._prefix))
        project = self.projects.get(canonicalize_name(matched["name"])) if matched else None
        if matched is None or project is None or project.status == "quarantined":
            return None
        version, plain = matched["version"], self.shape.plain and request.path.endswith("/")
        if plain or not (self.shape.version_json if version else self.shape.json_api):
            return None
        body = pages.api_json(project, lambda file: self._files.url + file.path, version)
        return None if body is None else self._document(body, "application/json", project.serial)

    def _flat(self, request: Received) -> Resource | None:
        listed = [file for project in self.projects.values() for file in project.listed]
        return Resource(
            pages.flat_html(listed, lambda file: self._link(file, request.path)), TEXT, ranges=False
        )

    def _file(self, request: Received) -> Resource | None:
        file = self.hosted.get(request.path)
        if file is not None:
            return self._bytes(file, file.built.data, file.built.sha256)
        owner = self.hosted.get(request.path.removesuffix(".metadata"))
        if owner is None or owner.built.metadata is None or not self.shape.metadata_files:
            return None
        return self._bytes(owner, owner.built.metadata, owner.metadata_sha256 or "")

    def _bytes(self, file: File, data: bytes, tag: str) -> Resource:
        if not self.shape.file_etags:
            return Resource(data)
        uploaded = file.uploaded_at or UPLOADED
        return Resource(
            data,
            etag=f'"{tag[:32]}"',
            last_modified=_http_date(uploaded),
            headers={"Cache-Control": "max-age=365000000, immutable, public"},
        )

    def _document(self, body: bytes, content_type: str, serial: int) -> Resource:
        shape, headers = self.shape, dict(self.shape.headers)
        if shape.cache_control is not None:
            headers["Cache-Control"] = shape.cache_control
        if not shape.plain:
            headers["Vary"] = "Accept, Accept-Encoding"
        if shape.serials:
            headers["X-PyPI-Last-Serial"] = str(serial)
        etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"' if shape.etags else None
        changed = _http_date(UPLOADED + timedelta(seconds=serial))
        return Resource(
            body, content_type, etag, changed if shape.last_modified else None, headers, ranges=False
        )

    def _moved(self, path: str) -> Resource:
        status = 308 if self.shape.plain else 301
        return Resource(b"", TEXT, headers={"Location": path}, status=status, ranges=False)

    def _link(self, file: File, page: str) -> str:
        if self.shape.links == "absolute":
            return self._files.url + file.path
        if self.shape.links == "root" or self.shape.base is not None:
            return file.path
        return "../" * (page.count("/") - 1) + file.path.lstrip("/")

    def _form(self, request: Received) -> str:
        """Choose among the forms by q-value; the public index's order of offers breaks ties."""
        accepted = _weights(request.headers.get("accept", "*/*"))
        offers = [form for form in (TEXT, HTML, JSON) if form in self.shape.forms]
        return max(offers, key=lambda form: accepted.get(form, accepted.get("*/*", 0.0) / 1000))


def _weights(accept: str) -> dict[str, float]:
    weights = {}
    for part in accept.split(","):
        kind, _, parameters = part.strip().partition(";")
        matched = re.search(r"q=([0-9.]+)", parameters)
        weights[kind.strip()] = float(matched[1]) if matched else 1.0
    return weights


def _http_date(moment: datetime) -> str:
    return format_datetime(moment.replace(microsecond=0), usegmt=True)
