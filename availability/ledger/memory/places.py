"""Locations as the mirror has them: their order, and which have a capacity."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from availability.model import Location, LocationId, Network


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
