"""The list of names, made in a child: the origin's root lists in, one rendered document for each form out.

The public index's root is 40 MB of HTML with a million links; a serving process neither parses nor renders it.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from proxy.feeds.ownership import matches
from proxy.pypi.project_list import parse, render_html, render_json

_CHUNK_BYTES = 1024**2


def build(sources: Sequence[dict[str, object]], html: str, json: str) -> dict[str, object]:
    """Read root lists and write the feed's own in both forms.

    Each source has `path`, `content_type`, `is_flat` and the globs `only`, `except`, `withheld`. Returns the
    digests and the number of names. Raises what the parser raises for a body that is no root list.
    """
    names: dict[str, str] = {}
    for source in sources:
        only, banned = _globs(source, "only"), _globs(source, "except") + _globs(source, "withheld")
        with Path(str(source["path"])).open("rb") as body:
            chunks = iter(lambda: body.read(_CHUNK_BYTES), b"")
            for name, spelling in parse(
                chunks, str(source["content_type"]), is_flat=bool(source.get("is_flat"))
            ):
                if (not only or matches(name, only)) and not matches(name, banned):
                    names.setdefault(name, spelling)
    listed = sorted(names.items())
    return {
        "count": len(listed),
        "html": _write(Path(html), render_html(listed)),
        "json": _write(Path(json), render_json(listed)),
    }


def _globs(source: dict[str, object], key: str) -> tuple[str, ...]:
    globs = source.get(key)
    return tuple(str(glob) for glob in globs) if isinstance(globs, list) else ()


def _write(path: Path, chunks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for chunk in chunks:
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()
