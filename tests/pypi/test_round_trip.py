"""What is rendered reads back as it was, as far as each form can say it; and both forms say the same files."""

from datetime import UTC, datetime

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from pypi_simple import ProjectPage

from proxy.feeds.pypi.shard import FORMAT, Shard, pack, unpack
from proxy.model.verdict import Outcome, Verdict
from proxy.pypi import page, render_html, render_json
from proxy.pypi.distribution import Distribution
from proxy.pypi.order import in_order
from proxy.pypi.project import Project
from proxy.pypi.versions import visible_versions
from tests.pypi.build import HTML, JSON, distribution

#: The origin of the second reading is the first one's feed.
FEED = "https://feed.example/f/"
PAGE = f"{FEED}simple/foo/"

_VERSIONS = st.sampled_from(["1.0", "1.0.0", "2.0rc1", "1!3.0", "2.0+cu1", "10.0", "9.0.post1", "1.0.dev4"])
_SHAPES = st.sampled_from(
    [
        "foo-{}-py3-none-any.whl",
        "foo-{}-cp313-cp313-linux_x86_64.whl",
        "foo-{}.tar.gz",
        "foo-{}.zip",
        "foo-{}.win32.exe",
    ]
)
_NAMES = st.builds(lambda shape, version: shape.format(version), _SHAPES, _VERSIONS) | st.sampled_from(
    ["foo-2004d.tar.gz"]
)
_HEX = st.binary(min_size=32, max_size=32).map(bytes.hex)
_LINES = (
    st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" "), min_size=1, max_size=20)
    .map(lambda text: " ".join(text.split()))
    .filter(bool)
)
_TIMES = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.isoformat().replace("+00:00", "Z"))
_HASHES = st.fixed_dictionaries({}, optional={"sha256": _HEX, "md5": _HEX.map(lambda text: text[:32])})
_METADATA: st.SearchStrategy[object] = st.booleans() | _HEX.map(lambda text: {"sha256": text})


@st.composite
def _files(draw: st.DrawFn) -> Distribution:
    filename = draw(_NAMES)
    folder = draw(st.sampled_from(["aa/bb", "a b", "x&y", "simple/foo"]))
    optional = st.none()
    return distribution(
        filename,
        url=f"{FEED}packages/{folder}/{filename}",
        path=f"packages/{folder}/{filename}",
        hashes=draw(_HASHES),
        size=draw(optional | st.integers(1, 2**40)),
        upload_time=draw(optional | _TIMES),
        requires_python=draw(optional | st.sampled_from([">=3.8", ">=3.6,<4", "!=3.0.*", "nonsense & <b>"])),
        yanked=draw(st.booleans() | _LINES),
        core_metadata=draw(_METADATA),
    )


@st.composite
def _projects(draw: st.DrawFn) -> Project:
    files = in_order(draw(st.lists(_files(), max_size=6, unique_by=lambda file: file.filename)))
    status = draw(st.none() | st.sampled_from(["active", "archived", "quarantined"]))
    return Project(
        name="foo",
        files=files,
        versions=visible_versions((), [file.version for file in files]),
        status=status,
        status_reason=draw(st.none() | _LINES) if status else None,
        api_version="1.4",
    )


def _read(body: bytes, content_type: str) -> Project:
    parsed = page.parse(
        body, content_type, PAGE, "foo", index_url=f"{FEED}simple/", files_base=f"{FEED}packages/"
    )
    assert parsed.dropped == ()
    return parsed.project


def _as_read(project: Project) -> Project:
    """Return the project with the URLs percent-encoded, as they come back from a page."""
    files = tuple(
        msgspec.structs.replace(file, url=file.url.replace(" ", "%20").replace("&", "%26"))
        for file in project.files
    )
    return msgspec.structs.replace(project, files=files)


def _in_html(project: Project) -> Project:
    """Return the project as HTML can say it: one digest, no version list."""
    files = tuple(
        msgspec.structs.replace(
            file, hashes={"sha256": file.hashes["sha256"]} if "sha256" in file.hashes else file.hashes
        )
        for file in project.files
    )
    return msgspec.structs.replace(project, files=files, versions=())


@settings(deadline=None)
@given(_projects())
def test_a_json_page_reads_back_as_it_was(project: Project) -> None:
    expected = _as_read(project)
    if any(file.size is None for file in project.files):
        expected = msgspec.structs.replace(expected, versions=(), api_version="1.0")
    assert _read(render_json.render(project), JSON) == expected


@settings(deadline=None)
@given(_projects())
def test_an_html_page_reads_back_as_it_was(project: Project) -> None:
    assert _read(render_html.render(project), HTML) == _in_html(_as_read(project))


@settings(deadline=None)
@given(_projects())
def test_both_forms_list_the_same_files_under_the_same_urls(project: Project) -> None:
    by_html, by_json = (
        _read(render(project), form)
        for render, form in ((render_html.render, HTML), (render_json.render, JSON))
    )
    assert [(file.filename, file.url) for file in by_html.files] == [
        (file.filename, file.url) for file in by_json.files
    ]
    assert len(by_html.files) == len(project.files)


@settings(deadline=None)
@given(_projects())
def test_an_independent_reader_sees_the_same(project: Project) -> None:
    by_html = ProjectPage.from_html("foo", render_html.render(project), base_url=PAGE)
    by_json = ProjectPage.from_json_data(msgspec.json.decode(render_json.render(project)), base_url=PAGE)
    assert by_html.repository_version == "1.4"
    for read in (by_html, by_json):
        assert [package.filename for package in read.packages] == [file.filename for file in project.files]
        for package, file in zip(read.packages, project.files, strict=True):
            assert package.url.partition("#")[0] == _as_read(Project("foo", (file,))).files[0].url
            assert bool(package.is_yanked) is file.is_yanked
            assert (
                package.yanked_reason
                == (file.yanked if isinstance(file.yanked, str) else ("" if package.is_yanked else None))
                or package.yanked_reason is None
            )
            assert package.requires_python == file.requires_python
            assert bool(package.has_metadata) is (file.core_metadata is not False)
    assert [package.size for package in by_json.packages] == [file.size for file in project.files]


@settings(deadline=None)
@given(_projects())
def test_the_stored_form_reads_back_as_it_was(project: Project) -> None:
    until = datetime(2027, 1, 31, tzinfo=UTC)
    held = Verdict(Outcome.HOLD, "min_age", "too young", "held", until, policy="strict")
    shard = Shard(
        FORMAT, project, {"packages/foo-1.0.tar.gz": held}, {"foo-1.0.tar.gz": (7, True)}, False, held
    )
    assert unpack(pack(shard)) == shard


@settings(deadline=None)
@given(_projects(), st.data())
def test_damage_to_the_stored_form_is_none_or_harmless(project: Project, data: st.DataObject) -> None:
    stored = pack(Shard(FORMAT, project))
    at = data.draw(st.integers(0, len(stored) - 1))
    damaged = data.draw(
        st.sampled_from(
            [
                stored[:at],
                *(stored[:at] + byte + stored[at + 1 :] for byte in (b"\xc1", b"\xff")),
                stored + b"\0",
                b"",
            ]
        )
    )
    shard = unpack(damaged)
    assert shard is None or isinstance(shard.project, Project)


def test_another_form_of_the_stored_bytes_is_none() -> None:
    assert unpack(pack(Shard(FORMAT + 1, Project("foo")))) is None
