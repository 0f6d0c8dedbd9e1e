"""Locations as arrays: those of a network, and those that may ship an order."""

from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np
import numpy.typing as npt

from availability.model import BoolArray, FloatArray, IntArray, Network

EARTH_RADIUS_METERS = 6_371_008.8
"""The Earth's mean radius (IUGG)."""
FARTHEST_METERS = 20_015_115
"""Half way round the Earth: the distance of a location with no coordinates."""


class Columns:
    """A network's locations as arrays ``(N,)``, in rank order.

    Each is worked out when it is first asked for, and kept: many orders share it,
    so it cannot be written to.
    """

    def __init__(self, network: Network) -> None:
        self.network = network

    @cached_property
    def names(self) -> npt.NDArray[np.object_]:
        """The location ids."""
        names = [each.location_id for each in self.network.locations]
        return np.array(names, np.object_)

    @cached_property
    def origins(self) -> IntArray | None:
        """A number for each location's origin; None: no two share one."""
        numbers: dict[str, int] = {}
        origins = [
            numbers.setdefault(each.origin, len(numbers))
            for each in self.network.locations
        ]
        return None if len(numbers) == len(origins) else _integers(origins)

    @cached_property
    def shipment_cost_micros(self) -> IntArray:
        """The locations' own costs of a shipment."""
        return _integers(each.shipment_cost_micros for each in self.network.locations)

    @cached_property
    def unit_cost_micros(self) -> IntArray:
        """The locations' own costs of a unit."""
        return _integers(each.unit_cost_micros for each in self.network.locations)

    @cached_property
    def workload_minutes(self) -> IntArray:
        """Work waiting at the locations."""
        return _integers(each.workload_minutes for each in self.network.locations)

    @cached_property
    def lead_time_minutes(self) -> IntArray:
        """Minutes from an order until what the locations ship can leave."""
        return _integers(each.lead_time_minutes for each in self.network.locations)

    @cached_property
    def has_coordinates(self) -> BoolArray:
        """Whether it is known where a location is."""
        known: BoolArray = ~np.isnan(self._radians[0])
        return known

    @cached_property
    def _radians(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Latitudes, longitudes (NaN where there are none), cosines of latitudes."""
        pairs = [(each.latitude, each.longitude) for each in self.network.locations]
        degrees = np.array(pairs, np.float64).reshape(-1, 2)
        latitudes, longitudes = np.radians(degrees).T
        return latitudes, longitudes, np.cos(latitudes)

    def meters_to(self, latitude: float, longitude: float) -> IntArray:
        """Return great-circle distances to a place in degrees, in whole meters.

        By the haversine formula on a sphere, which is about half a per cent off
        the real Earth at most. Unknown places are farthest.
        """
        latitudes, longitudes, cosines = self._radians
        latitude, longitude = np.radians((latitude, longitude))
        half = np.sin((latitudes - latitude) / 2) ** 2
        half += cosines * (np.cos(latitude) * np.sin((longitudes - longitude) / 2) ** 2)
        angles = 2 * np.arcsin(np.sqrt(np.minimum(half, 1.0)))
        meters = np.nan_to_num(angles * EARTH_RADIUS_METERS, nan=FARTHEST_METERS)
        whole: IntArray = np.rint(meters).astype(np.int64)
        return whole


class Pool:
    """The locations that may ship, in rank order: the columns of a problem.

    ``places`` are their places in the network.
    """

    def __init__(self, of: Columns, places: IntArray) -> None:
        self.of = of
        self.network = of.network
        self.places = places
        self.whole = len(places) == len(self.network.locations)
        if self.whole:
            self.locations = self.network.locations
        else:
            self.locations = tuple([self.network.locations[n] for n in places.tolist()])

    @cached_property
    def index(self) -> Mapping[str, int]:
        """The column of each location by its id."""
        if self.whole:
            return self.network.index
        return {each.location_id: n for n, each in enumerate(self.locations)}

    @cached_property
    def origin(self) -> IntArray | None:
        """(N,) origins, numbered as they first come; None: each is its own."""
        if self.of.origins is None:
            return None
        numbers = self.of.origins[self.places]
        found, first, origin = np.unique(
            numbers, return_index=True, return_inverse=True
        )
        if len(found) == len(numbers):
            return None
        as_they_come: IntArray = np.argsort(np.argsort(first))[origin]
        return as_they_come

    @property
    def origin_ids(self) -> tuple[str, ...]:
        """The shipping origins, in the order of their numbers."""
        return tuple(dict.fromkeys(each.origin for each in self.locations))

    def take(self, values: IntArray) -> IntArray:
        """Return those of a network's values that are the pool's."""
        return values if self.whole else values[self.places]


def _integers(values: Iterable[int]) -> IntArray:
    column = np.array(list(values), np.int64)
    column.flags.writeable = False
    return column
