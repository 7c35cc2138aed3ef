"""Waiting for an answer that takes long: what is waited for, and what the server does for it meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager

from proxy.cli.asking import Api, Asked, Reply, segment
from proxy.cli.progress import Progress, progress


@contextmanager
def waiting(api: Api, feed: str, what: str, *, is_quiet: bool) -> Iterator[Progress]:
    """Show what is waited for until the end of the block, and what is under way for the feed."""
    with progress(what, is_quiet=is_quiet) as bar:
        if is_quiet:
            yield bar
            return

        def told(reply: Reply) -> None:
            bar.tell(more="; ".join(map(str, reply.document.get("under_way", ()))))

        with api.beside(Asked(f"/feeds/{segment(feed)}"), told):
            yield bar
