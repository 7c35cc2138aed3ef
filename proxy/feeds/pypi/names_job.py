"""The list of names, made in a child: the origin's root lists in, one rendered document for each form out.

The public index's root is 40 MB of HTML with a million links; a serving process neither parses nor renders it.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from proxy.feeds.ownership import matches
from proxy.policy.closure import NeededNames
from proxy.policy.judge import Judge
from proxy.policy.settings import Policy
from proxy.pypi.page import BadPage
from proxy.pypi.project_list import Listed, parse, render_html, render_json
from proxy.upstream.decode import decode
from proxy.upstream.errors import UpstreamError

_CHUNK_BYTES = 1024**2


def build(
    sources: Sequence[dict[str, object]], html: str, json: str, judging: dict[str, object] | None = None
) -> dict[str, object]:
    """Read root lists and write the feed's own in both forms.

    Each source has `path`, `content_type`, `is_flat`, `is_framed` and the globs `only`, `except`, `withheld`; `judging`
    is what `judging` makes of the feed's policy. Returns the digests, the number of names, and in `bad` why a source is
    no root list. Raises what the parser raises where none is one.
    """
    is_hidden = _hiding(judging) if judging is not None else lambda name: False
    names: dict[str, str] = {}
    bad: dict[str, str] = {}
    for source in sources:
        only, banned = _globs(source, "only"), _globs(source, "except") + _globs(source, "withheld")
        try:
            found = _names_of(source)
        except BadPage as error:
            bad[str(source["path"])] = str(error)
            if len(bad) == len(sources):
                raise
            continue
        for name, spelling in found:
            if (not only or matches(name, only)) and not matches(name, banned):
                names.setdefault(name, spelling)
    listed = sorted((name, spelling) for name, spelling in names.items() if not is_hidden(name))
    return {
        "bad": bad,
        "count": len(listed),
        "html": _write(Path(html), render_html(listed)),
        "json": _write(Path(json), render_json(listed)),
    }


def _names_of(source: dict[str, object]) -> list[Listed]:
    with Path(str(source["path"])).open("rb") as body:
        chunks = iter(lambda: body.read(_CHUNK_BYTES), b"")
        return parse(
            chunks, str(source["content_type"]), is_flat=bool(source.get("is_flat")),
            is_framed=bool(source["is_framed"]),
        )  # fmt: skip


def examine(order: dict[str, Any]) -> dict[str, Any]:
    """Read one root list for the doctor; return {"count", "what", "dropped"}, or {"bad": why} for what is none."""
    try:
        body = decode(Path(order["source"]).read_bytes(), order["coding"], max_bytes=order["most_bytes"])
        names = parse([body], order["content_type"], is_flat=order["is_flat"], is_framed=order["is_framed"])
    except BadPage as bad:
        return {"bad": f"not a list of names: {bad}"}
    except UpstreamError as bad:
        return {"bad": f"not a list of names: {bad.detail}"}
    return {"count": len(names), "what": "projects", "dropped": 0}


def judging(policy: Policy, tick_ms: int, needed: NeededNames | None) -> dict[str, object]:
    """Return a policy, a tick and what the policy's list needs as a child is handed them."""
    return {
        "policy": msgspec.to_builtins(policy), "tick_ms": tick_ms,
        "needed": sorted(needed.names) if needed is not None else None,
    }  # fmt: skip


def _hiding(judging: Mapping[str, object]) -> Callable[[str], bool]:
    """Return what tells whether a name is hidden whatever is behind it."""
    names = msgspec.convert(judging["needed"], list[str] | None)
    needed = NeededNames(dict.fromkeys(names, "")) if names is not None else None
    judge = Judge(msgspec.convert(judging["policy"], Policy), "pypi", needed)
    tick_ms = msgspec.convert(judging["tick_ms"], int)

    def is_hidden(name: str) -> bool:
        verdict = judge.judge_name(name, tick_ms)
        return verdict is not None and not verdict.is_visible

    return is_hidden


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
