"""What changes by time alone: pre-orders, expected receipts, counts that go stale."""

import bisect
from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from availability.ledger.protocol import Ledger
from availability.model import Network, Sku
from availability.setup.settings import Settings
from availability.setup.setup import Setup

GRID_ROWS = 10_000
"""Records of so many SKUs are looked at in one go: what is copied stays small."""

EVERYTHING = None
"""In the place of some SKUs: any may have changed."""


class Timers:
    """Which SKUs' offers change in a span of time, by time alone.

    A setup is read once until it changes; streams that ask for the same seconds share
    the answer.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known = _SetupTimes(Setup(), Network(()))

    @property
    def running(self) -> bool:
        """Whether anything changes by time alone."""
        times = self._current()
        return bool(times.instants or times.stale_columns)

    def with_kits(self, skus: Iterable[Sku]) -> set[Sku]:
        """Add the kits that have them as components."""
        found = set(skus)
        kits = self._current().kits
        if kits:
            for sku in tuple(found):
                found.update(kits.get(sku, ()))
        return found

    def due(self, after: int, until: int) -> frozenset[Sku] | None:
        """Return what changed after one instant and until another, or EVERYTHING.

        Seconds since the epoch. Kits are not included.
        """
        times = self._current()
        if until == after or not (times.instants or times.stale_columns):
            return frozenset()
        if until < after:
            return EVERYTHING  # The clock was set.
        asked, found = times.last_due
        if asked != (after, until):
            found = times.due(after, until)
            if found is not EVERYTHING:
                found |= self._stale(times, after, until)
            times.last_due = (after, until), found
        return found

    def _current(self) -> "_SetupTimes":
        setup, network = self._ledger.setup(), self._ledger.network()
        if self._known.setup is not setup or self._known.network is not network:
            self._known = _SetupTimes(setup, network)
        return self._known

    def _stale(self, times: "_SetupTimes", after: int, until: int) -> frozenset[Sku]:
        if not times.stale_columns:
            return frozenset()
        grid = self._ledger.grid()
        # A grid may be newer than the network: then everything is computed again soon.
        places = [
            (grid.network.index[each], seconds)
            for each, seconds in times.stale_columns.items()
            if each in grid.network.index
        ]
        columns = [column for column, _ in places]
        ages = np.array([seconds for _, seconds in places], np.int64)
        names = list(grid.rows)
        found: set[Sku] = set()
        for start in range(0, len(names), GRID_ROWS):
            rows = range(start, min(start + GRID_ROWS, len(names)))
            counted = grid.read_counted(rows)[:, columns].astype(np.int64)
            # As old as is trusted is not stale yet: a second later it is. What was
            # never counted is long past.
            stale_at = counted + ages + 1
            hit = (after < stale_at) & (stale_at <= until)
            found.update(Sku(names[start + n]) for n in np.flatnonzero(hit.any(axis=1)))
        return frozenset(found)


class _SetupTimes:
    """Instants at which a setting or a receipt starts or stops to apply."""

    def __init__(self, setup: Setup, network: Network) -> None:
        self.setup = setup
        self.network = network
        self.kits = _kits_of(setup)
        self.stale_columns = {
            each.location_id: each.stale_after_seconds
            for each in network.locations
            if each.stale_after_seconds > 0
        }
        book = setup.book
        found = [
            *_instants("", book.everything),
            *(at for each in book.channels.values() for at in _instants("", each)),
            *(at for sku, each in book.skus.items() for at in _instants(sku, each)),
            *(
                at
                for (_, sku), each in book.channel_skus.items()
                for at in _instants(sku, each)
            ),
            *(
                (each.available_from_seconds, str(each.sku))
                for each in setup.supplies.values()
            ),
        ]
        found.sort()
        self.instants = [seconds for seconds, _ in found]
        self._skus = [sku for _, sku in found]
        none: tuple[tuple[int, int], frozenset[Sku] | None] = (0, 0), frozenset()
        self.last_due = none
        """What was last asked, and the answer: of one value, for several threads."""

    def due(self, after: int, until: int) -> frozenset[Sku] | None:
        """Return whose instants are after the one and not after the other."""
        start = bisect.bisect_right(self.instants, after)
        end = bisect.bisect_right(self.instants, until)
        skus = self._skus[start:end]
        return EVERYTHING if "" in skus else frozenset(map(Sku, skus))


def _instants(sku: str, settings: Settings) -> Iterable[tuple[int, str]]:
    for each in settings.preorders or ():
        yield each.starts_seconds, sku
        yield each.release_seconds, sku


def _kits_of(setup: Setup) -> Mapping[Sku, list[Sku]]:
    found: dict[Sku, list[Sku]] = defaultdict(list)
    for sku, kit in setup.kits.items():
        for each in kit:
            found[each.sku].append(sku)
    return dict(found)
