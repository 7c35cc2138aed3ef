"""The HTML form of a project page, written (PEP 503, 592, 714, 792, 833; sheet, section 8).

The classic shape, because regular expressions and XML readers consume it: one anchor a line, `href` first,
double quotes, one space between attributes, `<br />`, no newline inside a tag. ASCII only, so that no charset
can spoil it. Sizes and upload times go out in attributes that no standard knows and uv reads. Deterministic.
"""

from functools import lru_cache
from html import escape

from proxy.pypi.distribution import Distribution, metadata_hashes
from proxy.pypi.project import Project
from proxy.pypi.published import PAGE_PREFIX, href, provenance_href

#: uv refuses the whole page for a fragment of another kind.
_FRAGMENTS = ("sha256", "sha512", "sha384", "md5")


def render(project: Project, prefix: str = PAGE_PREFIX, provenance_base: str | None = None) -> bytes:
    """Return the page, its files in the order given. 4,400 files take 10 to 20 ms of CPU."""
    lines = [
        "<!DOCTYPE html>\n<html>\n  <head>",
        '    <meta name="pypi:repository-version" content="1.4">',
        *_status(project),
        f"    <title>Links for {project.name}</title>",
        "  </head>\n  <body>",
        f"    <h1>Links for {project.name}</h1>",
        *[_anchor(project.name, file, prefix, provenance_base) for file in project.files],
        "  </body>\n</html>\n",
    ]
    return "\n".join(lines).encode("ascii", "xmlcharrefreplace")


def _status(project: Project) -> list[str]:
    lines = []
    if project.status is not None:
        lines.append(f'    <meta name="pypi:project-status" content="{_value(project.status)}">')
        if project.status_reason is not None:
            lines.append(
                f'    <meta name="pypi:project-status-reason" content="{_value(project.status_reason)}">'
            )
    return lines


def _anchor(project: str, file: Distribution, prefix: str, provenance_base: str | None) -> str:
    attributes = f'href="{_value(href(file, prefix)) + _fragment(file)}"'
    if file.requires_python is not None:
        attributes += f' data-requires-python="{_value(file.requires_python)}"'
    if file.yanked is not False:
        attributes += f' data-yanked="{"" if file.yanked is True else _value(file.yanked)}"'
    if file.core_metadata is not False:
        digest = _metadata_digest(file)
        attributes += f' data-core-metadata="{digest}" data-dist-info-metadata="{digest}"'
    if file.size is not None:
        attributes += f' data-size="{file.size}"'
    if file.upload_time is not None:
        attributes += f' data-upload-time="{file.upload_time}"'
    if file.provenance is not None:
        link = provenance_href(project, file, provenance_base, prefix)
        attributes += "" if link is None else f' data-provenance="{_value(link)}"'
    return f"    <a {attributes}>{file.filename}</a><br />"


def _fragment(file: Distribution) -> str:
    for algorithm in _FRAGMENTS:
        if (digest := file.hashes.get(algorithm)) is not None:
            return f"#{algorithm}={digest}"
    return ""


def _metadata_digest(file: Distribution) -> str:
    hashes = metadata_hashes(file.core_metadata)
    for algorithm in _FRAGMENTS:
        if algorithm in hashes:
            return f"{algorithm}={hashes[algorithm]}"
    return "true"


@lru_cache(maxsize=1024)
def _escaped(text: str) -> str:
    return escape(text, quote=True)


def _value(text: str) -> str:
    # Short texts repeat from file to file; long ones would only fill the memory.
    return _escaped(text) if len(text) < 200 else escape(text, quote=True)
