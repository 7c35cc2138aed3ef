"""The catalogs of one channel: one for each of its upstreams and subdirs, made when somebody asks."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator

from proxy.conda.names import KNOWN_SUBDIRS
from proxy.config.settings import Upstream
from proxy.feeds.conda.catalog import Catalog

#: Anybody may ask for subdirs that nobody has; of so many it is remembered that they are absent.
MOST_ABSENT = 256
#: ((upstream, subdir), stem) of the generations that are held.
Stems = list[tuple[tuple[str, str], str]]


class Catalogs:
    """`named` are the subdirs of the settings."""

    def __init__(self, catalog_of: Callable[[Upstream, str], Catalog], named: Collection[str]) -> None:
        self._catalog_of = catalog_of
        self._named = named
        self._made: dict[tuple[str, str], Catalog] = {}
        #: The subdirs that were not found, the last one at the end.
        self._absent: OrderedDict[str, None] = OrderedDict()

    def of(self, upstream: Upstream, subdir: str) -> Catalog:
        """Return an upstream's catalog of a subdir."""
        catalog = self._made.get((upstream.id, subdir))
        if catalog is None:
            catalog = self._made[upstream.id, subdir] = self._catalog_of(upstream, subdir)
        return catalog

    def get(self, upstream: str, subdir: str) -> Catalog | None:
        """Return the catalog if there is one by now."""
        return self._made.get((upstream, subdir))

    def __iter__(self) -> Iterator[Catalog]:
        return iter(tuple(self._made.values()))

    def in_subdir(self, subdir: str) -> list[Catalog]:
        """Return every upstream's catalog of a subdir."""
        return [catalog for (_, other), catalog in self._made.items() if other == subdir]

    def stems(self) -> Stems:
        """Return what is held of every subdir of every upstream: all that an edition may be made of."""
        return [(key, stem) for key, catalog in self._made.items() if (stem := catalog.stem()) is not None]

    def bound(self, subdir: str, *, is_there: bool) -> None:
        """Forget the oldest of the subdirs that are not there, or anonymous clients could fill the memory."""
        self._absent.pop(subdir, None)
        if is_there or subdir in KNOWN_SUBDIRS or subdir in self._named:
            return
        self._absent[subdir] = None
        for oldest in list(self._absent)[: max(0, len(self._absent) - MOST_ABSENT)]:
            if not any(each.is_busy() for each in self.in_subdir(oldest)):
                del self._absent[oldest]
                self._made = {key: each for key, each in self._made.items() if key[1] != oldest}
