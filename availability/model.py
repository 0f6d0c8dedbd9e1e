"""The nouns of stock: values, frozen and correct once built."""

import enum
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import NewType, Self

import numpy as np
import numpy.typing as npt

Sku = NewType("Sku", str)
LocationId = NewType("LocationId", str)
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
SecondsArray = npt.NDArray[np.int32]
"""Seconds since the epoch: half the room of `IntArray`, until January 2038."""

MAX_SECONDS = 2**31 - 1
"""The latest second of a `SecondsArray`."""

UNRANKED = 2**31 - 1
"""The rank of a location that was given none: after all others."""

MAX_ID_CHARACTERS = 128
"""Longest id: of a location, a SKU, a channel, an order, a request."""

MAX_STOCK_UNITS = 10**12
"""Most units a stock record may hold."""


class LocationKind(enum.StrEnum):
    """What kind of place holds the stock."""

    WAREHOUSE = "warehouse"
    """Central stock."""
    STORE = "store"
    """A store that also ships."""
    SUPPLIER = "supplier"
    """Drop-ship: the supplier announces a quantity and may sell it to others."""
    MANUFACTURING = "manufacturing"
    """Made to order."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A part of a location that is counted by itself; only available ones sell."""

    zone_id: str
    available: bool = True

    def __post_init__(self) -> None:
        if not self.zone_id:
            raise ValueError("zone_id must not be empty")


@dataclass(frozen=True, slots=True)
class Location:
    """A place that holds stock and can ship it.

    Empty collections mean "no restriction": a location without channels feeds
    all of them. A count older than ``stale_after_seconds`` is not trusted (0: any
    is). What it ships can leave ``lead_time_minutes`` after the order (0: at once).
    Costs are in millionths of the merchant's currency, capacities per UTC day
    (``None``: no limit), coordinates in degrees.
    """

    location_id: LocationId
    rank: int = UNRANKED
    kind: LocationKind = LocationKind.WAREHOUSE
    active: bool = True
    latitude: float | None = None
    longitude: float | None = None
    country_code: str = ""
    origin_id: str = ""
    groups: frozenset[str] = frozenset()
    shipping_methods: frozenset[str] = frozenset()
    channel_ids: frozenset[str] = frozenset()
    capacity_orders: int | None = None
    capacity_units: int | None = None
    shipment_cost_micros: int = 0
    unit_cost_micros: int = 0
    workload_minutes: int = 0
    zones: tuple[Zone, ...] = ()
    stale_after_seconds: int = 0
    lead_time_minutes: int = 0

    def __post_init__(self) -> None:
        if not self.location_id:
            raise ValueError("location_id must not be empty")
        if len({zone.zone_id for zone in self.zones}) != len(self.zones):
            raise ValueError("a zone_id appears twice")
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude come together")
        for value, limit in ((self.latitude, 90.0), (self.longitude, 180.0)):
            if value is not None and not (math.isfinite(value) and abs(value) <= limit):
                raise ValueError(f"coordinate out of range: {value}")

    @property
    def origin(self) -> str:
        """Where its shipments leave from: its site, or itself."""
        return self.origin_id or self.location_id


@dataclass(frozen=True, slots=True)
class Network:
    """All locations, in rank order; ties by when they were first put.

    A column of every array of the engine is a place in ``locations``.
    ``version`` grows with every change of a location.
    """

    locations: tuple[Location, ...]
    version: int = 0
    index: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        ranks = [location.rank for location in self.locations]
        if ranks != sorted(ranks):
            raise ValueError("locations must be in rank order")
        index = {loc.location_id: n for n, loc in enumerate(self.locations)}
        if len(index) != len(self.locations):
            raise ValueError("a location_id appears twice")
        object.__setattr__(self, "index", index)

    @classmethod
    def of(cls, locations: Iterable[Location], version: int = 0) -> "Network":
        """Build from locations in the order they were put."""
        return cls(tuple(sorted(locations, key=lambda each: each.rank)), version)


@dataclass(frozen=True, slots=True)
class StockRecord:
    """What one location holds of one SKU, in units.

    ``on_hand`` counts the zones that are available, ``withdrawn`` what is out of
    sale for a dated reason, ``held`` what carts hold, ``allocated`` what placed
    orders were promised. ``counted_seconds`` since the epoch is when an import last
    said what is there; 0: there is no count, the quantity is unknown.
    """

    location_id: LocationId
    sku: Sku
    on_hand: int
    allocated: int = 0
    safety_stock: int = 0
    held: int = 0
    withdrawn: int = 0
    counted_seconds: int = 0

    @property
    def available(self) -> int:
        """Units that may be promised, never less than 0.

        on_hand - withdrawn - allocated - held - safety_stock.
        """
        promised = self.allocated + self.held
        return max(0, self.on_hand - self.withdrawn - promised - self.safety_stock)


class ImportMode(enum.Enum):
    """How the quantities of an import are meant: always given, never guessed."""

    SET = "set"
    """Replaces what was on hand; records not named stay."""
    SNAPSHOT = "snapshot"
    """As SET, and every other SKU of the locations named goes to zero."""
    DELTA = "delta"
    """Added to what was on hand."""
    DELETE = "delete"
    """Forgotten: nothing on hand in any zone, and not counted. What is promised there
    stays promised; safety stock and withdrawals stay as they were."""


@dataclass(frozen=True, slots=True)
class StockChange:
    """One line of an import; ``safety_stock`` None leaves it as it was.

    ``zone_id`` empty means the part of the location that is in no zone, which
    always sells.
    """

    location_id: LocationId
    sku: Sku
    on_hand: int
    safety_stock: int | None = None
    zone_id: str = ""


@dataclass(frozen=True, slots=True)
class StoredResult:
    """What a write did, as a ledger keeps it for a repeated request."""

    def to_json(self) -> bytes:
        """Encode as a reply for callers in Python."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, reply: bytes) -> Self:
        """Decode what `to_json` encoded."""
        return cls(**json.loads(reply))


@dataclass(frozen=True, slots=True)
class ImportResult(StoredResult):
    """What an import did: records changed, records zeroed, version after it.

    Of a SNAPSHOT also what it took from the locations named, in records and units:
    of ``known_count`` records with more than 0 on hand ``dropped_count`` have 0 now,
    and of their ``known_units`` there are ``dropped_units`` fewer, increases
    elsewhere not set against them.
    """

    changed_count: int
    zeroed_count: int
    stock_version: int
    dropped_count: int = 0
    known_count: int = 0
    dropped_units: int = 0
    known_units: int = 0


@dataclass(frozen=True, slots=True)
class PutResult(StoredResult):
    """What a put of locations did."""

    created_count: int
    replaced_count: int


@dataclass(frozen=True, slots=True)
class Request:
    """A write's identity: repeat it and the first reply comes back.

    ``request_id`` empty means the caller does not repeat. ``digest`` is a hash
    of the body, so that a reused id with another body is found.
    """

    request_id: str = ""
    digest: bytes = b""


Clock = Callable[[], float]
"""Seconds since the epoch; passed in, so that tests can step it."""
