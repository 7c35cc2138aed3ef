"""Small pages and files to test with; the hosts are invented."""

import json

import msgspec

from proxy.pypi import page
from proxy.pypi.distribution import Distribution
from proxy.pypi.names import FileKind, kind_of, projects_of, version_of
from proxy.pypi.page import Parsed
from proxy.pypi.project import Project

INDEX = "https://index.example/simple/"
FILES = "https://files.example/packages/"
SHA = "a1" * 32
JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html"


def blake_path(filename: str, letter: str = "b") -> str:
    """Return a path of the content-addressed layout below packages/."""
    return f"{letter * 2}/{letter * 2}/{letter * 60}/{filename}"


def html(*anchors: str, head: str = "", title: str = "Links for foo") -> bytes:
    lines = "\n".join(f"{anchor}<br/>" for anchor in anchors)
    return (
        f"<!DOCTYPE html>\n<html>\n<head>{head}<title>{title}</title></head>\n"
        f"<body>\n<h1>{title}</h1>\n{lines}\n</body>\n</html>\n"
    ).encode()


def anchor(href: str, attributes: str = "") -> str:
    return f'<a href="{href}" {attributes}>x</a>'


def file_entry(filename: str, **keys: object) -> dict[str, object]:
    entry: dict[str, object] = {
        "filename": filename,
        "url": f"{FILES}{blake_path(filename)}",
        "hashes": {"sha256": SHA},
    }
    entry.update({key[0] + key[1:].replace("_", "-"): value for key, value in keys.items()})
    return entry


def json_page(*files: object, **keys: object) -> bytes:
    body: dict[str, object] = {"meta": {"api-version": "1.4"}, "name": "foo", "files": list(files)}
    body.update({key.replace("_", "-"): value for key, value in keys.items()})
    return json.dumps(body).encode()


def parse_html(
    body: bytes, name: str = "foo", url: str = f"{INDEX}foo/", files_base: str | None = None, *,
    charset: str | None = None, is_framed: bool = True,
) -> Parsed:  # fmt: skip
    kind = HTML if charset is None else f"{HTML}; charset={charset}"
    return page.parse(body, kind, url, name, index_url=INDEX, files_base=files_base, is_framed=is_framed)


def parse_json(
    body: bytes, name: str = "foo", url: str = f"{INDEX}foo/", files_base: str | None = None
) -> Parsed:
    return page.parse(body, JSON, url, name, index_url=INDEX, files_base=files_base)


def one_html(attributes: str = "", filename: str = "foo-1.0-py3-none-any.whl") -> Distribution:
    """Return the file that an anchor with these attributes becomes."""
    (file,) = parse_html(
        html(anchor(f"{FILES}{blake_path(filename)}#sha256={SHA}", attributes))
    ).project.files
    return file


def one_json(**keys: object) -> Distribution:
    """Return the file that an entry with these keys becomes."""
    (file,) = parse_json(json_page(file_entry("foo-1.0-py3-none-any.whl", **keys))).project.files
    return file


def distribution(filename: str, **fields: object) -> Distribution:
    plain = Distribution(
        filename=filename,
        url=f"{FILES}{blake_path(filename)}",
        path=f"packages/{blake_path(filename)}",
        hashes={"sha256": SHA},
        kind=kind_of(filename) or FileKind.OTHER,
        version=version_of(filename, projects_of(filename)[0]),
    )
    return msgspec.structs.replace(plain, **fields)


def project(*files: Distribution, name: str = "foo", **fields: object) -> Project:
    return msgspec.structs.replace(Project(name=name, files=files), **fields)
