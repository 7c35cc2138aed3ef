"""What a feed publishes of a file, the same in every form it is rendered in (sheet, sections 8, 9 and 17).

Links lead into the feed: a prefix that the document's place gives, then the file's own path, percent-encoded.
The last segment always decodes to the file name, because uv and Poetry take it as the name. An attestation
link is https below the feed's public URL, else relative inside the feed; the origin's is never passed on
(design, law 8).
"""

import re
from urllib.parse import quote

from proxy.pypi.distribution import Distribution

#: From `<feed>/simple/<project>/` up to `<feed>/`.
PAGE_PREFIX = "../../"
_PLAIN = re.compile(r"[A-Za-z0-9._~!+=@,:()/-]*\Z")


def href(file: Distribution, prefix: str) -> str:
    """Return the link to a file, without a fragment."""
    return f"{prefix}{_encoded(file.path)}"


def provenance_href(project: str, file: Distribution, base: str | None, prefix: str) -> str | None:
    """Return the link to the file's attestations, or None where the origin has none.

    `base` is the feed's public URL with a trailing slash; it is used only when it is https (PEP 740).
    """
    if file.provenance is None or file.version is None:
        return None
    start = base if base is not None and base.startswith("https://") else prefix
    return f"{start}integrity/{project}/{file.version}/{file.filename}/provenance"


def _encoded(text: str) -> str:
    """Return a path percent-encoded; `+` and `!` stay, as the origin's file host spells them."""
    return text if _PLAIN.match(text) else quote(text, safe="/+!~=@,:()")
