"""The lines that people paste to use a feed, for each client of its kind: on the terminal and on the page.

The texts are the ecosystems' own (`pypi/snippets.py`, `conda/snippets.py`); this is where a feed's kind chooses.
"""

from collections.abc import Mapping

from proxy.conda.snippets import snippets as conda_snippets
from proxy.config.settings import Feed
from proxy.config.urls import is_folder
from proxy.model.placeholders import KEY_PLACEHOLDER
from proxy.pypi.snippets import WARNING as PYPI_WARNING
from proxy.pypi.snippets import snippets as pypi_snippets

#: Kind -> what would get around the feed.
WARNINGS = {
    "conda": "No other channel beside it, `defaults` included, or packages get around the feed's policy.",
    "pypi": PYPI_WARNING,
}
#: Kind -> the clients that the page shows, the usual one first.
SHOWN = {"conda": ("conda", "mamba", "pixi"), "pypi": ("pip", "uv", "poetry", "pdm")}


def why(feed: Feed, base_url: str) -> str:
    """Return where a person reads why a package is missing or refused: clients show little of what they are told."""
    page = f"{base_url}/why/{feed.name}/PACKAGE"
    if feed.kind == "pypi":
        page = f"{page} or {base_url}/pypi/{feed.name}/simple/PACKAGE/"
    return f"Missing or refused? A browser shows why at {page}"


def once(texts: Mapping[str, str], *notes: str) -> Mapping[str, str]:
    """Return the texts for showing together: without the notes, which then stand above them all."""
    shown = dict(texts)
    for note in notes:
        shown = {client: text.replace(f"# {note}\n", "") for client, text in shown.items()}
    return shown


def pastes(feed: Feed, base_url: str) -> Mapping[str, str]:
    """Return client -> lines, the usual client first. `base_url` is the server's, without a slash at its end.

    Each text can stand alone in a file, with the warning and where to read why as its comments. A closed feed's have a
    placeholder where a person puts a key; a real one is in no text.
    """
    if feed.kind == "conda":
        texts = _conda(feed, base_url)
    else:
        url = f"{base_url}/pypi/{feed.name}/simple/"
        texts = pypi_snippets(url, feed.name, with_key=not feed.anonymous)
    return {client: f"{text}# {why(feed, base_url)}\n" for client, text in texts.items()}


def first_line(feed: Feed, base_url: str) -> str:
    """Return the one line that does it for the usual client."""
    text = next(iter(pastes(feed, base_url).values()))
    return next(line for line in text.splitlines() if not line.startswith("#"))


def _conda(feed: Feed, base_url: str) -> Mapping[str, str]:
    """Return one text per tool: the ways to do it, each under its title."""
    texts: dict[str, list[str]] = {}
    for one in conda_snippets(base_url, feed.name, key=_key(feed), origins=_origins(feed)):
        texts.setdefault(one.tool, []).append(f"# {one.title}\n{one.text}\n")
    return {tool: "\n".join(parts) for tool, parts in texts.items()}


def _key(feed: Feed) -> str | None:
    """Return what stands where a person puts a key, None for a feed that needs none."""
    return None if feed.anonymous else KEY_PLACEHOLDER


def _origins(feed: Feed) -> list[str]:
    """Return the channels that pixi shall take from the feed; a company's own names are nobody else's business."""
    public = [one for one in feed.upstreams if not (one.private or one.allow_private)]
    return [str(url) for one in public for url in one.urls if not is_folder(url)]
