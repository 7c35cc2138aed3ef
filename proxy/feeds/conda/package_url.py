"""Where a package is fetched: in its channel, or where the channel's index says that its packages lie (CEP 15).

Clients never see such an address. Whether it may be asked at all is the outbound door's to say: another origin gets
no credential, and private addresses are refused unless the upstream is configured so (design, law 2).
"""

from urllib.parse import quote, urljoin

from proxy.conda.names import FileName
from proxy.feeds.conda.edition import Edition


def package_url(channel: str, edition: Edition, file: FileName) -> str:
    """Return the URL of a file; `channel` is the owner's, without a slash at the end."""
    folder = f"{channel}/{quote(edition.subdir)}/"
    base = edition.generation.snapshot.top.bases.get(edition.place_of(file.name), "")
    if base:
        folder = urljoin(folder, base if base.endswith("/") else f"{base}/")
    return f"{folder}{quote(file.file, safe='+!~=._-')}"
