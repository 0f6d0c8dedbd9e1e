"""What a ledger keeps in memory, in step with its commits."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter

import numpy as np

from availability.ledger.memory.change_log import ChangeLog
from availability.ledger.memory.deltas import Added, DayLoad, Loads, UnitsDelta
from availability.ledger.memory.places import Places, is_capped
from availability.ledger.protocol import CapacityLeft
from availability.model import LocationId, Sku
from availability.positions import (
    Changes,
    Counts,
    Mark,
    Positions,
    promised_on,
)
from availability.reservations import Reservation
from availability.setup.channels import Allocation
from availability.setup.setup import Setup
from availability.stock_grid import StockGrid


class Mirror:
    """Locations, units, counts, moves, loads and setup, as the last commit left them.

    Changed by the thread that holds the writer's lock, read by any: a reader may
    see a commit a moment late. What `positions` returns is of one moment: each
    commit is taken over by one call, within a lock. ``loads`` maps (UTC day,
    location) to what was given; all days but the last two are dropped.
    """

    def __init__(
        self,
        places: Places,
        units: Iterable[UnitsDelta],
        loads: Loads,
        counts: Added,
        moves: Mapping[str, int],
        version: int,
        setup: Setup,
    ) -> None:
        self.places = places
        self.version = version
        self.setup = setup
        self.grid = StockGrid(places.network, version)
        self._lock = threading.Lock()
        self._log = ChangeLog()
        self._counts: dict[str, dict[str, Counts]] = {}
        self._moves = dict(moves)
        self._set_counts(counts)
        self._loads = dict(loads)
        self._load_day = 0
        self._columns = self._columns_of(places)
        self._set(units, version)

    @staticmethod
    def _columns_of(places: Places) -> dict[int, tuple[int, bool]]:
        """Map a location's key to its column, and whether it is active."""
        return {
            places.keys[each.location_id]: (column, each.active)
            for column, each in enumerate(places.network.locations)
        }

    def set(
        self,
        units: Iterable[UnitsDelta],
        version: int,
        *,
        network: int | None = None,
        added: Iterable[Added] = (),
        counts: Added | None = None,
        moved: Iterable[str] = (),
        moves: Mapping[str, int] | None = None,
        loads: Loads | None = None,
        more_loads: Loads | None = None,
        setup: Setup | None = None,
    ) -> bool:
        """Take over one commit, or several; return False if ``units`` do not fit.

        ``units`` are what is left of some records, and when they were counted. They
        fit if they were read at this ``network``'s version, None: they do.
        ``added`` is added to the counts, ``counts`` replaces those that it names;
        ``moved`` names a SKU once for each of its moves, ``moves`` replaces those
        that it names; ``loads`` replaces all loads, ``more_loads`` those that it
        names. ``setup`` None: it did not change.
        """
        fits = network in (None, self.places.network.version)
        with self._lock:
            if setup is not None:
                self.setup = setup
                self._log.add_everything()
            for each in added:
                self._add_counts(each)
            if counts:
                self._set_counts(counts)
            self._add_moves(moved)
            if moves:
                self._moves.update(moves)
            if loads is not None:
                self._loads = dict(loads)
            if more_loads:
                self._loads = {**self._loads, **more_loads}
            self._set(units if fits else (), version)
        return fits

    def _set(self, units: Iterable[UnitsDelta], version: int) -> None:
        grid, columns = self.grid, self._columns
        touched = []
        for sku, location_key, left, counted in units:
            column, active = columns[location_key]
            grid.set(sku, column, left if active and left > 0 else 0, counted)
            touched.append(sku)
        self._log.add(touched)
        self.version = grid.version = version

    def move(
        self,
        places: Places,
        units: Sequence[UnitsDelta],
        version: int,
        setup: Setup | None = None,
    ) -> None:
        """Take over locations that leave the grid's columns as they are.

        ``units`` moved with them; ``setup`` None: it did not change.
        """
        with self._lock:
            self.places = places
            self.grid.network = places.network
            self.setup = setup or self.setup
            self._add_moves({each.sku for each in units})
            self._set(units, version)
            self._log.add_everything()

    def say(self, setup: Setup, version: int) -> None:
        """Take over another setup."""
        self.set((), version, setup=setup)

    def take(
        self, reserved: Iterable[tuple[Reservation, Added]], day: int, version: int
    ) -> None:
        """Take over what a group of reservations allocated and counted."""
        grid, index = self.grid, self.places.network.index
        with self._lock:
            for reservation, added in reserved:
                for claim in reservation.claims:
                    grid.take(claim.sku, index[claim.location_id], claim.quantity)
                self._log.add(map(attrgetter("sku"), reservation.claims))
                if self.places.capped:
                    self._add_load(reservation, day)
                if added:
                    self._add_counts(added)
            self.version = grid.version = version

    def _add_counts(self, added: Added) -> None:
        for (channel_id, sku), (queued, promised) in added.items():
            of_sku = self._counts.setdefault(sku, {})
            before = of_sku.get(channel_id, Counts())
            of_sku[channel_id] = Counts(
                before.queued + queued, before.promised + promised
            )
            self._log.add((sku,))

    def _set_counts(self, counts: Added) -> None:
        for (channel_id, sku), count in counts.items():
            self._counts.setdefault(sku, {})[channel_id] = count
            self._log.add((sku,))

    def _add_moves(self, moved: Iterable[str]) -> None:
        for sku in moved:
            self._moves[sku] = self._moves.get(sku, 0) + 1

    @property
    def queued(self) -> Mapping[tuple[str, Sku], int]:
        """What is queued, by (channel, SKU); none are 0."""
        with self._lock:
            return {
                (channel_id, Sku(sku)): count.queued
                for sku, of_sku in self._counts.items()
                for channel_id, count in of_sku.items()
                if count.queued
            }

    def promised(self, allocation: Allocation) -> int:
        """Return what the channels of an allocation have promised of its SKU."""
        of_sku = self._counts.get(allocation.sku, {})
        return promised_on(of_sku, allocation.channel_ids)

    def positions(self, skus: Sequence[Sku]) -> Positions:
        """Return what is known of some SKUs, all of one moment."""
        grid, counts = self.grid, self._counts
        # A row stays where it is: looked up before, others write meanwhile.
        find = grid.rows.get
        rows: list[int | None] = list(map(find, skus))
        missing = (
            [n for n, row in enumerate(rows) if row is None] if None in rows else []
        )
        with self._lock:
            for n in missing:
                rows[n] = find(skus[n], -1)
            places = np.array(rows, np.intp)
            units, counted = grid.read(places), grid.read_counted(places)
            found = {sku: dict(counts[sku]) for sku in skus if sku in counts}
            moves = {sku: self._moves[sku] for sku in skus if sku in self._moves}
            setup, version, network = self.setup, self.version, grid.network
        # A SKU without a row has read the last one's.
        nowhere = [n for n in missing if rows[n] == -1]
        units[nowhere] = 0
        counted[nowhere] = 0
        return Positions(
            tuple(skus), network, setup, units, counted, found, version, moves
        )

    def changes(self, mark: Mark | None) -> Changes:
        """Return which SKUs changed since a mark."""
        with self._lock:
            return self._log.since(mark)

    def _add_load(self, reservation: Reservation, day: int) -> None:
        if day > self._load_day:
            # Yesterday stays: a clock may step back over midnight.
            self._load_day = day
            self._loads = {
                at: load for at, load in self._loads.items() if at[0] >= day - 1
            }
        for location_id, units in self.load_of(reservation).items():
            before = self._loads.get((day, location_id), DayLoad())
            after = DayLoad(before.orders + 1, before.units + units)
            self._loads[day, location_id] = after

    def load_of(self, reservation: Reservation) -> dict[LocationId, int]:
        """Return the units a reservation brings to each location with a capacity."""
        units: dict[LocationId, int] = {}
        for claim in reservation.claims:
            if is_capped(self.places.locations[claim.location_id]):
                before = units.get(claim.location_id, 0)
                units[claim.location_id] = before + claim.quantity
        return units

    def capacity_left(self, day: int) -> dict[LocationId, CapacityLeft]:
        """Return what the locations with a capacity may still take that day."""
        loads = self._loads
        left = {}
        for each in self.places.capped:
            load = loads.get((day, each.location_id), DayLoad())
            left[each.location_id] = CapacityLeft(
                _left(each.capacity_orders, load.orders),
                _left(each.capacity_units, load.units),
            )
        return left


def _left(capacity: int | None, load: int) -> int | None:
    return None if capacity is None else max(0, capacity - load)
