"""What a ledger keeps in memory, in step with its commits."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from availability.ledger.protocol import CapacityLeft
from availability.model import (
    Location,
    LocationId,
    Network,
    Reservation,
    Sku,
    StockGrid,
)

DAY_SECONDS = 86_400
"""A UTC day, as capacities count it."""


def utc_day(seconds: float) -> int:
    """Return the UTC day of a time, in days since 1970-01-01."""
    return int(seconds // DAY_SECONDS)


class Units(NamedTuple):
    """What may still be promised of one record, signed.

    ``left`` is on_hand - allocated - held - withdrawn - safety_stock.
    """

    sku: str
    location_key: int
    left: int


@dataclass(frozen=True, slots=True)
class Places:
    """The locations, in the order they were first put, and their database keys."""

    locations: Mapping[LocationId, Location]
    network: Network
    keys: Mapping[LocationId, int]
    capped: tuple[Location, ...]

    @classmethod
    def of(
        cls,
        locations: Mapping[LocationId, Location],
        keys: Mapping[LocationId, int],
        version: int,
    ) -> "Places":
        """Build from the locations in the order of their keys."""
        capped = tuple(each for each in locations.values() if is_capped(each))
        return cls(locations, Network.of(locations.values(), version), keys, capped)

    def with_put(self, put: Iterable[Location], version: int) -> "Places":
        """Return these places after locations were created or replaced."""
        locations, keys = dict(self.locations), dict(self.keys)
        next_key = max(keys.values(), default=0) + 1
        for each in put:
            if each.location_id not in keys:
                keys[each.location_id] = next_key
                next_key += 1
            locations[each.location_id] = each
        return Places.of(locations, keys, version)

    def same_columns(self, other: "Places") -> bool:
        """Tell whether a grid of the one holds for the other."""
        return [(each.location_id, each.active) for each in self.network.locations] == [
            (each.location_id, each.active) for each in other.network.locations
        ]


def is_capped(location: Location) -> bool:
    """Tell whether a location has a capacity."""
    return location.capacity_orders is not None or location.capacity_units is not None


@dataclass(frozen=True, slots=True)
class Load:
    """What a location was given on one day."""

    orders: int = 0
    units: int = 0


class Mirror:
    """Locations, available units, queues and loads, as the last commit left them.

    Changed by the thread that holds the writer's lock, read by any: a reader may
    see a commit a moment late. ``loads`` maps (UTC day, location) to what was
    given; all days but the last two are dropped.
    """

    def __init__(
        self,
        places: Places,
        units: Iterable[Units],
        loads: Mapping[tuple[int, LocationId], Load],
        queued: Mapping[tuple[str, Sku], int],
        version: int,
    ) -> None:
        self.places = places
        self.version = version
        self.grid = StockGrid(places.network, version)
        self.queued: Mapping[tuple[str, Sku], int] = dict(queued)
        self._loads = dict(loads)
        self._load_day = 0
        self._columns = self._columns_of(places)
        self.set(units, version)

    @staticmethod
    def _columns_of(places: Places) -> dict[int, tuple[int, bool]]:
        """Map a location's key to its column, and whether it is active."""
        return {
            places.keys[each.location_id]: (column, each.active)
            for column, each in enumerate(places.network.locations)
        }

    def set(self, units: Iterable[Units], version: int) -> None:
        """Take over what an import left of the records it changed."""
        grid, columns = self.grid, self._columns
        for sku, location_key, left in units:
            column, active = columns[location_key]
            grid.set(sku, column, left if active and left > 0 else 0)
        self.version = grid.version = version

    def move(self, places: Places) -> None:
        """Take over locations that leave the grid's columns as they are."""
        self.places = places
        self.grid.network = places.network
        self.version = self.grid.version = places.network.version

    def take(self, reservations: Iterable[Reservation], day: int, version: int) -> None:
        """Take over what a group of reservations allocated."""
        grid, index = self.grid, self.places.network.index
        for reservation in reservations:
            for claim in reservation.claims:
                grid.take(claim.sku, index[claim.location_id], claim.quantity)
            if self.places.capped:
                self._add_load(reservation, day)
            if reservation.queued:
                self.add_queued(queued_by(reservation))
        self.version = grid.version = version

    def add_queued(self, added: Mapping[tuple[str, str], int]) -> None:
        """Take over what was added to queues; readers have the old or the new map."""
        queued = dict(self.queued)
        for (channel_id, sku), units in added.items():
            key = (channel_id, Sku(sku))
            queued[key] = queued.get(key, 0) + units
            if not queued[key]:
                del queued[key]
        self.queued = queued

    def set_loads(self, loads: Mapping[tuple[int, LocationId], Load]) -> None:
        """Take over all loads anew."""
        self._loads = dict(loads)

    def add_loads(self, loads: Mapping[tuple[int, LocationId], Load]) -> None:
        """Take over some loads; readers have the old or the new map."""
        self._loads = {**self._loads, **loads}

    def _add_load(self, reservation: Reservation, day: int) -> None:
        if day > self._load_day:
            # Yesterday stays: a clock may step back over midnight.
            self._load_day = day
            self._loads = {
                at: load for at, load in self._loads.items() if at[0] >= day - 1
            }
        for location_id, units in self.load_of(reservation).items():
            before = self._loads.get((day, location_id), Load())
            after = Load(before.orders + 1, before.units + units)
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
            load = loads.get((day, each.location_id), Load())
            left[each.location_id] = CapacityLeft(
                _left(each.capacity_orders, load.orders),
                _left(each.capacity_units, load.units),
            )
        return left


def queued_by(reservation: Reservation) -> dict[tuple[str, str], int]:
    """Return what a reservation adds to the queues, by (channel, SKU)."""
    added: dict[tuple[str, str], int] = {}
    for each in reservation.queued:
        key = (each.channel_id, each.sku)
        added[key] = added.get(key, 0) + each.quantity
    return added


def _left(capacity: int | None, load: int) -> int | None:
    return None if capacity is None else max(0, capacity - load)
