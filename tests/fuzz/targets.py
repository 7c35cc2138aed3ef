"""The readers of texts from outside: what reads, what frames a nasty text stands in, and how a reader refuses."""

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import zstandard
from multidict import CIMultiDict
from packaging.requirements import InvalidRequirement

from proxy.conda import names as conda_names
from proxy.conda.block import Block
from proxy.conda.channeldata import BadChannelData, Visible, filter_channeldata
from proxy.conda.mend import Place, mend
from proxy.conda.origin_shards import BadShards, parse_index, parse_shard
from proxy.conda.record import joined
from proxy.conda.run_exports import BadRunExports, filter_run_exports
from proxy.conda.split import BadRepodata, split
from proxy.config.globs import normalized
from proxy.config.settings import Server
from proxy.feeds.conda.lineage import Lineage
from proxy.feeds.conda.ruling import Place as Where
from proxy.feeds.conda.ruling import facts_of_block
from proxy.feeds.pypi.facts import uploaded_at_ms
from proxy.model import key_value, redact, via
from proxy.model.problem import Problem
from proxy.policy import conda_pythons, pypi_pythons
from proxy.policy.closure import required_name
from proxy.policy.conda_version import BadVersion, read_build_matcher, spec_parts, version_key, version_test
from proxy.policy.facts import Facts, License
from proxy.policy.filename import platforms_of, python_of
from proxy.policy.judge import Judge
from proxy.policy.license import read as read_license
from proxy.policy.license_words import BadLicenseWord, Words, parse_word
from proxy.policy.parse import parse_policy
from proxy.policy.prereleases import is_prerelease
from proxy.policy.settings import Kind
from proxy.policy.spec import BadSpec, glob_matches, read_spec
from proxy.pypi import html_page, json_page, legacy_json, negotiate, project_list, xmlrpc
from proxy.pypi import names as pypi_names
from proxy.pypi.core_metadata import description_of, names_project, read_fields, same_core_metadata
from proxy.pypi.described import described, described_by_api
from proxy.pypi.distribution import Distribution
from proxy.pypi.enrich import enrich
from proxy.pypi.facts import requires_python_of, upload_time_of
from proxy.pypi.intake import BadPage
from proxy.pypi.intake import Place as Page
from proxy.pypi.links import BadLink, Links, checked_hashes, feed_path, filename_of, fragment_hashes
from proxy.pypi.names import FileKind
from proxy.pypi.project import Project
from proxy.pypi.requirements import is_met, parse_requirement
from proxy.pypi.sdist import BadSdist, _build_requires
from proxy.pypi.versions import latest, parse_version
from proxy.upstream import headers as origin_headers
from proxy.upstream import looks
from proxy.upstream.errors import UpstreamError
from proxy.upstream.guard import check_target
from proxy.upstream.redirects import follow
from proxy.upstream.sight import Sight, clock_hop
from proxy.upstream.target import parse_target as origin_target
from proxy.web import conditional, encoding, path, ranges, text
from proxy.web.api.body import parse_body
from proxy.web.api.promotions import PromotionBody
from proxy.web.credentials import presented
from proxy.web.trust import Trust

#: Where in a frame the nasty text stands.
MARK = "§"
_NOW = datetime(2026, 11, 20, tzinfo=UTC)
_PAGE = Page("demo", "https://index.example/simple/demo/", "https://index.example/simple/")
_SHA256 = "0" * 64
_RECORD = (
    '{"name":"demo","version":"1.0","build":"py311_0","build_number":0,"depends":["python >=3.11","zlib"],'
    '"license":"MIT","size":1,"timestamp":1700000000000,"subdir":"linux-64"}'
)


@dataclass(frozen=True)
class Target:
    """A reader. `size` is N, the characters of the smaller nasty text; what exceeds a bound is refused sooner."""

    read: Callable[[str], object]
    seeds: tuple[str, ...]
    frames: tuple[str, ...] = (MARK,)
    refusals: tuple[type[Exception], ...] = ()
    size: int = 8_000


def _bytes(given: str) -> bytes:
    return given.encode("utf-8", "surrogatepass")


# -- conda -----------------------------------------------------------------------------------------------------

_POLICY = parse_policy(
    "corp",
    {
        "python_versions": ["3.11", "3.12"], "block_licenses": ["GPL3", "AGPL-3.0-only"], "block": ["other"],
        "prereleases": False, "keep_versions": 3, "min_age": 86400, "max_size": 10**9, "unknown_license": "hold",
    },
).policy  # fmt: skip
assert _POLICY is not None


def _judge(kind: Kind, files: list[Facts]) -> None:
    assert _POLICY is not None
    judge = Judge(_POLICY, kind)
    for name in {each.name for each in files}:
        judge.judge(name, [each for each in files if each.name == name], int(_NOW.timestamp() * 1000))


def _mended(name: str, extension: str, files: Mapping[str, bytes | msgspec.Raw]) -> bytes:
    of_name = dict(sorted(files.items()))
    return mend(Place(name, extension, "linux-64"), of_name, joined(of_name)).members


def _read_repodata(given: str) -> None:
    found = split(_bytes(given))
    for name, sections in found.names.items():
        tar, conda = _mended(name, ".tar.bz2", sections.tar), _mended(name, ".conda", sections.conda)
        block = Block(name, tar, conda, tuple(sections.removed))
        _judge(
            "conda", facts_of_block(block, Where("linux-64", Lineage("up", "https://c.example")), None, {})
        )


def _repodata(record: str, more: str = "") -> str:
    files = f'{{"demo-1.0-py311_0.conda":{record}{more}}}'
    return f'{{"info":{{"subdir":"linux-64"}},"packages":{{}},"packages.conda":{files}}}'


def _framed_record(old: str, new: str) -> str:
    assert old in _RECORD
    return _repodata(_RECORD.replace(old, new), f',"demo-1.1-py311_0.conda":{_RECORD.replace("1.0", "1.1")}')


def _packed(value: Any) -> bytes:
    return zstandard.ZstdCompressor(level=1).compress(msgspec.msgpack.encode(value))


def _read_shards(given: str) -> None:
    raw = given.encode("latin-1", "replace")
    text = given.encode("utf-8", "replace").decode()
    record = msgspec.json.decode(_RECORD) | {"depends": [text], "license": text, text[:300]: text}
    for data in (
        zstandard.ZstdCompressor(level=1).compress(raw),
        zstandard.ZstdCompressor(level=1).compress(b"\x91" * len(raw)),
        zstandard.ZstdCompressor(level=1).compress(b"\x81\xa4info" * (len(raw) // 6)),
        _packed(
            {"info": {"shards_base_url": text, "base_url": text}, "shards": {text: b"0" * 32}, "version": 1}
        ),
        _packed({"packages.conda": {text: record, "demo-1.0-py311_0.conda": record}, "removed": [text]}),
        raw,
    ):
        try:
            index = parse_index(data)
            for name in index.digests:
                index.url("https://c.example/linux-64/", name)
        except (BadShards, ValueError):
            pass
        try:
            sections = parse_shard(data, hashlib.sha256(data).digest())
        except BadShards:
            continue
        block = Block("demo", b"", _mended("demo", ".conda", sections.conda))
        _judge("conda", facts_of_block(block, Where("linux-64", Lineage()), None, {}))


def _read_side_files(given: str) -> None:
    with contextlib.suppress(BadRunExports):
        filter_run_exports(_bytes(given), "linux-64", {"demo-1.0-py311_0.conda"})
    with contextlib.suppress(BadChannelData):
        filter_channeldata(_bytes(given), {"demo": Visible("1.0", {"1.0"}, {"linux-64"})}, ["linux-64"])


def _read_conda_version(given: str) -> None:
    is_prerelease("conda", given)
    version_key(given)


def _read_dependency(given: str) -> None:
    name, rest = spec_parts(given)
    facts = Facts(file="a", name="demo", depends=[given, f"python {given}"], build=given[:64])
    for part in (conda_pythons.part(facts), conda_pythons.otherwise(facts)):
        conda_pythons.read(part, ("3.11", "3.12"))
    version_test(given)("3.11.4")
    read_build_matcher(rest).matches("3.11.4", "0", 0)
    redact.redact(name)


def _read_spec(kind: Kind) -> Callable[[str], None]:
    facts = Facts(
        file="demo-1.0-0.conda", name="demo", version="1.0", build="0", license=License("MIT", "MIT")
    )

    def read(given: str) -> None:
        read_spec(kind, given).matches(facts)

    return read


def _read_glob(given: str) -> None:
    pattern = given[:500]
    glob_matches(pattern, "a" * 200)
    glob_matches(pattern, given[:500])
    normalized([given], "pypi")


def _read_license(kind: Kind) -> Callable[[str], None]:
    words = Words(["GPL3", "AGPL-3.0-only", "BSD"])

    def read(given: str) -> None:
        parts = given.split("\n")[:50]
        for said in (
            License(given), License(None, given), License(given, given), License(expression=given),
            License(classifiers=tuple(f"License :: {part}" for part in parts)),
        ):  # fmt: skip
            words.judge(read_license(kind, said.bounded()))
            words.judge(read_license(kind, said))

    return read


# -- PyPI ------------------------------------------------------------------------------------------------------

_METADATA = (
    "Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nLicense-Expression: MIT\nClassifier: License :: OSI Approved\n"
    "Requires-Dist: numpy>=1; extra == 'x'\nRequires-Python: >=3.9\n\nwords\n"
)
_FILE = (
    '{"filename":"demo-1.0-py3-none-any.whl","url":"../../f/demo-1.0-py3-none-any.whl","hashes":{"sha256":"'
    + _SHA256
    + '"},"requires-python":">=3.9","size":1,"upload-time":"2024-01-01T00:00:00Z","yanked":false}'
)
_JSON = '{"meta":{"api-version":"1.1"},"name":"demo","versions":["1.0"],"files":[' + _FILE + "]}"
_HTML = (
    '<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.1"><title>Links for demo</title>'
    f'</head><body><a href="../../f/demo-1.0-py3-none-any.whl#sha256={_SHA256}" data-requires-python="&gt;=3.9">'
    "demo</a></body></html>"
)
_DISTRIBUTION = Distribution(
    filename="demo-1.0-py3-none-any.whl", url="https://index.example/f/demo-1.0-py3-none-any.whl", path="p", hashes={},
    kind=FileKind.WHEEL, version="1.0",
)  # fmt: skip


def _facts_of_page(parsed: Any) -> None:
    files = [
        Facts(
            file=each.filename, name="demo", version=each.version, requires_python=each.requires_python,
            uploaded_ms=uploaded_at_ms(each.upload_time),
        )
        for each in parsed.project.files
    ]  # fmt: skip
    _judge("pypi", files)


def _read_metadata(given: str) -> None:
    data = _bytes(given)
    fields = read_fields(data)
    for line in fields.requirements:
        required_name(line)
    description_of(data)
    described(data)
    names_project(data, "demo")
    same_core_metadata(data, _METADATA.encode())
    legacy_json.render(Project("demo", (_DISTRIBUTION,)), "", legacy_json.Sources(None, data))


def _read_json_api(given: str) -> None:
    data = _bytes(given)
    described_by_api(data, "1.0")
    project = Project("demo", (_DISTRIBUTION,))
    legacy_json.render(project, "", legacy_json.Sources(data, None))
    enrich(project, data)


def _read_roots(content_type: str) -> Callable[[str], None]:
    def read(given: str) -> None:
        data = _bytes(given)
        with contextlib.suppress(BadPage):
            project_list.parse([data[:1000], data[1000:]], content_type, is_flat=True)
        project_list.parse([data], content_type)

    return read


def _read_requirement(given: str) -> None:
    required_name(given)
    parsed = parse_requirement(given)
    environment = {
        "extra": "x",
        "python_version": "3.11",
        "python_full_version": "3.11.4",
        "os_name": "posix",
    }
    if parsed.marker is not None:
        is_met(parsed.marker, environment)
    parsed.specifier.contains("1.0")


def _read_requires_python(given: str) -> None:
    kept = requires_python_of(given)
    for file in ("demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"):
        pypi_pythons.read(pypi_pythons.part(Facts(file=file, name="demo", requires_python=kept)), ("3.11",))


def _read_pypi_version(given: str) -> None:
    parse_version(given)
    latest([(given, False), ("1.0", False)])
    is_prerelease("pypi", given)


def _read_file_name(given: str) -> None:
    for file in (
        given,
        f"demo-{given}.whl",
        f"demo-1.0-{given}.whl",
        f"{given}.tar.gz",
        f"{given}.exe",
        f"a-1-0{given}.conda",
    ):
        pypi_names.projects_of(file)
        pypi_names.kind_of(file)
        conda_names.parse_file(file)
        if pypi_names.is_safe_filename(file):
            pypi_names.belongs(file, "demo")
            platforms_of(file)
            python_of(file)
            _judge("pypi", [Facts(file=file, name="demo", version=pypi_names.version_of(file, "demo"))])


def _read_link(given: str) -> None:
    with contextlib.suppress(BadLink):
        checked_hashes({"sha256": given, given: given})
    upload_time_of(given)
    fragment_hashes(given)
    url = Links("https://user:pw@index.example/a/b/c/", None).absolute(given)
    filename_of(url)
    feed_path(
        url, None, index_url="https://index.example/simple/", files_base="https://files.example/packages/"
    )
    Links(url).absolute("../x")


# -- HTTP ------------------------------------------------------------------------------------------------------

_TRUST = Trust(Server(trusted_proxies=("127.0.0.1",)))


def _read_request_target(given: str) -> None:
    found = path.parse_target(given)
    text.printable_target(given)
    if isinstance(found, path.Target):
        text.mask_keys(path.render(found.segments))
        path.query_values(found.query, "q")
    text.mask_keys(given[: path.MAX_TARGET_CHARS])


def _read_request_headers(given: str) -> None:
    date = "Mon, 01 Jan 2024 00:00:00 GMT"
    names = (
        "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Authorization",
        "X-ApiKey", "X-Forwarded-For", "Forwarded", "X-Forwarded-Host", "Host", "X-Forwarded-Proto", "Via",
    )  # fmt: skip
    for name in names:
        fields = CIMultiDict({name: given})
        conditional.evaluate(fields, "abc", date)
        presented(fields, {})
        _TRUST.judge("127.0.0.1", "http://127.0.0.1", fields)
    conditional.range_still_holds(given, "abc", date)
    ranges.select_range(given, 1000)
    encoding.negotiate(given)
    negotiate.negotiate(given, given)
    via.came([given])
    via.through("x")
    text.escape_ascii(given)
    text.escape_line(given)


def _read_origin_headers(given: str) -> None:
    names = (
        "etag",
        "content-length",
        "content-range",
        "retry-after",
        "last-modified",
        "content-type",
        "date",
    )
    for fields in (dict.fromkeys(names, given), origin_headers.passed(dict.fromkeys(names, given))):
        origin_headers.strong_etag(fields)
        origin_headers.length(fields)
        origin_headers.content_range(fields)
        origin_headers.retry_after_s(fields, _NOW)
        clock_hop(Sight(200, b"", fields.get("date")), _NOW)


def _read_location(given: str) -> None:
    at = origin_target("https://index.example/simple/demo/")
    check_target(follow(at, given, allowed_hosts=("*.example",)), allow_private=False)


def _read_looks(given: str) -> None:
    head = _bytes(given)[: looks.HEAD_BYTES]
    for kind, where in (("conda", "repodata.json"), ("pypi", "simple/")):
        looks.why_wrong(kind, where, head)


def _read_words(given: str) -> None:
    redact.redact(given)
    redact.redact(f"https://{given}")
    key_value.is_key(given)
    xmlrpc.fault(_bytes(given))


def _read_policy(given: str) -> None:
    words = [given, *given.split(",")[:20]]
    table: dict[str, object] = {
        given[:300]: given, "platforms": words, "python_versions": words, "block_licenses": words, "block": words,
        "only": words, "unknown_license": given,
        "exemptions": [{"spec": given, "rules": words, "expires": given, "reason": given}],
    }  # fmt: skip
    for kind in ("conda", "pypi"):
        parse_policy("corp", table, (kind,))


def _framed(*frames: str) -> tuple[str, ...]:
    """Return the frames, and none: the nasty text alone."""
    return (MARK, *frames)


TARGETS: Mapping[str, Target] = {
    "repodata": Target(
        _read_repodata,
        (
            _repodata(_RECORD),
            '"removed":["demo-1.0-0.conda"]',
            "null",
            "{}",
            "[]",
            "1e400",
            "-0",
            "99999999999999999999",
            '"revoked":true,',
        ),
        _framed(
            _repodata(MARK),
            '{"info":' + MARK + "}",
            '{"packages.conda":{"demo-1.0-py311_0.conda":' + MARK + "}}",
            _framed_record('"zlib"', f'"{MARK}"'),
            _framed_record('"python >=3.11"', f'"python {MARK}"'),
            _framed_record('"MIT"', f'"{MARK}"'),
            _framed_record('"size":1', f'"x":{MARK}'),
            _framed_record('"size":1', f'"{MARK}":1'),
            _framed_record('"version":"1.0"', f'"version":"{MARK}"'),
            _repodata(_RECORD, f',"{MARK}-1.0-0.conda":{_RECORD}'),
        ),
        (BadRepodata,),
        size=6_000,
    ),
    "shards": Target(_read_shards, (_RECORD, "demo"), size=6_000),
    "side files": Target(
        _read_side_files,
        (_RECORD, '{"packages":{"demo":{"version":"1.0"}}}'),
        _framed('{"packages":{"demo-1.0-py311_0.conda":' + MARK + "}}"),
    ),
    "conda version": Target(_read_conda_version, ("1.0", "1!2.3rc1+local", "2024a"), refusals=(BadVersion,)),
    "conda dependency": Target(
        _read_dependency,
        ("python >=3.11,<3.12.0a0", "numpy 1.26.* py311_0", "a >=1|<2", "python[version='>=3']"),
        _framed(f"python {MARK}"),
        (BadVersion,),
    ),
    "conda spec": Target(
        _read_spec("conda"),
        (
            "numpy >=1.26",
            "conda-forge/linux-64::a 1.0 py*",
            "a[version='>=1',build='*']",
            "demo[license='G*']",
        ),
        _framed(f"demo {MARK}", f"demo[license='{MARK}']"),
        (BadSpec, ValueError),
    ),
    "glob": Target(_read_glob, ("*numpy?", "a*b*c", "[!a-z]*")),
    "conda licence": Target(
        _read_license("conda"),
        ("MIT OR GPL-3.0-or-later", "GPL (>= 2)", "BSD-like", "Apache-2.0 WITH LLVM-exception"),
    ),
    "licence word": Target(parse_word, ("GPL3", "AGPL-3.0-only", "BSD"), refusals=(BadLicenseWord,)),
    "HTML page": Target(
        lambda given: _facts_of_page(html_page.parse(_bytes(given), _PAGE, "utf-8")),
        (_HTML,),
        _framed(
            f"<html><body>{MARK}</body></html>",
            _HTML.replace("../../f/", MARK),
            _HTML.replace("&gt;=3.9", MARK),
            _HTML.replace("<a ", f"{MARK}<a "),
        ),
        (BadPage,),
    ),
    "JSON page": Target(
        lambda given: _facts_of_page(json_page.parse(_bytes(given), _PAGE)),
        (_JSON, _FILE),
        _framed(
            _JSON.replace(">=3.9", MARK),
            _JSON.replace('"size":1', f'"x":{MARK}'),
            _JSON.replace("../../f/", MARK),
            _JSON.replace('"demo-1.0-', f'"demo-{MARK}'),
            _JSON.replace(_FILE, MARK),
            _JSON.replace('["1.0"]', f'["{MARK}"]'),
        ),
        (BadPage,),
    ),
    "HTML list": Target(
        _read_roots("text/html"),
        ('<a href="/simple/demo/">demo</a></html>', "</body></html>"),
        _framed(
            f'<html><a href="demo/">demo</a>{MARK}</html>',
            f'<a {MARK} href="demo/">demo</a></html>',
            f'<a href="demo/" {MARK}</html>',
        ),
        (BadPage,),
    ),
    "JSON list": Target(
        _read_roots("application/vnd.pypi.simple.v1+json"),
        ('{"meta":{"api-version":"1.0"},"projects":[{"name":"demo"}]}',),
        _framed(
            '{"meta":{"api-version":"1.0"},"projects":[{"name":"' + MARK + '"}]}',
            '{"projects":[' + MARK + "]}",
        ),
        (BadPage,),
    ),
    "METADATA": Target(
        _read_metadata,
        (_METADATA, "Classifier: License :: OSI Approved\n"),
        _framed(
            _METADATA.replace("numpy>=1; extra == 'x'", MARK),
            _METADATA.replace("words", MARK),
            f"Name: demo\n{MARK}\n\n",
            f"License: {MARK}\n\n",
        ),
        (),
    ),
    "JSON API": Target(
        _read_json_api,
        (
            '{"info":{"name":"demo","version":"1.0","license":"MIT"},"releases":{"1.0":[]},"urls":[],"last_serial":1}',
        ),
        _framed(
            '{"info":{"name":"demo","version":"1.0","license":"' + MARK + '"}}',
            '{"info":{"version":"1.0","x":' + MARK + '},"releases":{"1.0":' + MARK + "}}",
        ),
        (BadPage, ValueError),
    ),
    "pyproject.toml": Target(
        lambda given: _build_requires(_bytes(given)),
        ('[build-system]\nrequires = ["setuptools>=40"]\n', "a.b.c = 1\n", "a = '''x'''\n"),
        _framed(
            f'[build-system]\nrequires = ["{MARK}"]', f"[build-system]\nrequires = {MARK}", f"{MARK} = 1"
        ),
        (BadSdist,),
        size=4_000,
    ),
    "requirement": Target(
        _read_requirement,
        ("numpy[fast]>=1.26,<3; python_version >= '3.9' and extra == 'x'", "a @ https://x.example/a.whl"),
        _framed(f"a; {MARK}", f"a {MARK}", f"a[{MARK}]"),
        (InvalidRequirement,),
    ),
    "requires-python": Target(
        _read_requires_python, (">=3.9,!=3.10.*", "~=3.8", "==3.11.*"), _framed(f">={MARK}")
    ),
    "PyPI version": Target(_read_pypi_version, ("1.0", "1!2.0rc1.post2.dev3+local.1")),
    "PyPI spec": Target(
        _read_spec("pypi"),
        ("requests >=2,<3", "zope.*", "a==1.0"),
        _framed(f"demo {MARK}"),
        (BadSpec, ValueError),
    ),
    "PyPI licence": Target(_read_license("pypi"), ("MIT OR GPL-3.0-or-later", "OSI Approved :: MIT License")),
    "file name": Target(
        _read_file_name, ("demo-1.0-py3-none-any", "demo-1.0.win-amd64-py3.9", "a-b-c-1.0.post1")
    ),
    "link": Target(
        _read_link,
        ("../../f/demo-1.0.tar.gz#sha256=" + _SHA256, "https://x.example:8080/a?b#c", "//h/p"),
        _framed(f"https://{MARK}/x", f"#sha256={MARK}"),
        (BadLink,),
    ),
    "request target": Target(
        _read_request_target,
        ("/pypi/main/simple/demo/", "/t/KEY12345/conda/x", "http://h/a?b=c#d"),
        _framed(f"/{MARK}", f"/a?{MARK}", f"http://{MARK}"),
    ),
    "request headers": Target(
        _read_request_headers,
        (
            'W/"abc", "def"',
            "Mon, 01 Jan 2024 00:00:00 GMT",
            "bytes=0-1",
            "Basic dTpw",
            "gzip;q=0.5, *",
            "for=1.2.3.4",
            "1.1 feedgate-0123456789",
        ),
        _framed(f"Basic {MARK}", f"Mon, 01 Jan {MARK} 00:00:00 GMT", f"bytes={MARK}", f"text/html;q={MARK}"),
        size=4_000,
    ),
    "origin headers": Target(
        _read_origin_headers,
        ('"abc"', "bytes 0-1/2", "120", "Mon, 01 Jan 2024 00:00:00 GMT"),
        _framed(f"bytes {MARK}", f"Mon, 01 Jan 2024 {MARK}"),
        size=4_000,
    ),
    "redirect": Target(
        _read_location,
        ("https://files.example/a", "../x", "//h/p", "http://[::1]/"),
        _framed(f"https://{MARK}/", f"https://a.example/{MARK}"),
        (UpstreamError,),
    ),
    "first bytes": Target(_read_looks, ("<!doctype html><form>", '{"meta":{}}', "<a href=x>"), size=16_000),
    "words": Target(
        _read_words,
        ("https://u:p@h/t/KEY/x?y#z", "fg-abc", "<methodName>search</methodName>"),
        _framed(f"<methodName>{MARK}"),
    ),
    "body of a promotion": Target(
        lambda given: parse_body(_bytes(given), PromotionBody),
        ('{"from":"pypi","specs":["a"]}',),
        _framed('{"from":"pypi","specs":[' + MARK + "]}"),
        (Problem,),
    ),
    "policy": Target(_read_policy, ("linux-64", "3.11", "GPL3", "numpy >=1,<2", "2027-01-01"), size=4_000),
}
