"""The nouns of stock: values, frozen and correct once built."""

import enum
import itertools
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple, NewType, Self

import numpy as np
import numpy.typing as npt

Sku = NewType("Sku", str)
LocationId = NewType("LocationId", str)
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
SecondsArray = npt.NDArray[np.int32]
"""Seconds since the epoch: half the room of `IntArray`, until January 2038."""

MAX_SECONDS = 2**31 - 1
"""The latest second of a `SecondsArray`."""

UNRANKED = 2**31 - 1
"""The rank of a location that was given none: after all others."""

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
    """How the quantities of an import are meant: always said, never guessed."""

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
class ImportResult:
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

    def to_json(self) -> bytes:
        """Encode as a reply for callers in Python."""
        return _to_json(self)

    @classmethod
    def from_json(cls, reply: bytes) -> Self:
        """Decode what `to_json` encoded."""
        return cls(**json.loads(reply))


@dataclass(frozen=True, slots=True)
class PutResult:
    """What a put of locations did."""

    created_count: int
    replaced_count: int

    def to_json(self) -> bytes:
        """Encode as a reply for callers in Python."""
        return _to_json(self)

    @classmethod
    def from_json(cls, reply: bytes) -> Self:
        """Decode what `to_json` encoded."""
        return cls(**json.loads(reply))


def _to_json(result: ImportResult | PutResult) -> bytes:
    return json.dumps(asdict(result)).encode()


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """Units of one SKU wanted from one location, for one line of the order.

    Ordered by ``(location_id, sku, line_id)``. Quantities are stock units: a kit's
    line has a claim for each component.
    """

    location_id: LocationId
    sku: Sku
    line_id: str = field(default="", kw_only=True)
    quantity: int

    def __post_init__(self) -> None:
        if self.quantity <= 0:
            raise ValueError(f"quantity must be positive, got {self.quantity}")


@dataclass(frozen=True, slots=True)
class Request:
    """A write's identity: repeat it and the first reply comes back.

    ``request_id`` empty means the caller does not repeat. ``digest`` is a hash
    of the body, so that an id with another body is told apart.
    """

    request_id: str = ""
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Queued:
    """Units promised on a channel that no location was given yet."""

    channel_id: str
    sku: Sku
    line_id: str
    quantity: int

    def __post_init__(self) -> None:
        if self.quantity <= 0:
            raise ValueError(f"quantity must be positive, got {self.quantity}")


class Guard(NamedTuple):
    """How far a promise may take one SKU on some channels together.

    With the reservation no more than ``most_units`` may be promised there, or with
    ``queued`` be waiting for a location; ``channel_ids`` are in order, each once.
    With ``moves`` the stock of the SKU must not have moved since there were so many:
    not otherwise than by what is promised on channels.
    """

    sku: Sku
    channel_ids: tuple[str, ...]
    most_units: int
    queued: bool = False
    moves: int | None = None


class Purchase(NamedTuple):
    """A line as it counts against what its customer may buy.

    One unit of ``sku`` is ``size_units`` of stock. With ``max_units`` the customer
    may have no more of the SKU within the last ``window_seconds``, this line included.
    """

    line_id: str
    sku: Sku
    size_units: int = 1
    max_units: int | None = None
    window_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Reservation:
    """A plan's stock, to be promised in one transaction with the plan.

    ``claims`` are in order, each (location, SKU, line) once; without claims and
    ``queued`` only the reply is stored. ``reply`` is what a repeat returns, ``body``
    what the plan was made from, kept for those who make it anew. ``hold_seconds``
    None means that the order is placed at once: its units are allocated. Otherwise
    they are held for so long, and released unless it is placed by then.

    With ``channel_id`` all of it counts as promised on that channel, and ``guards``
    say how far that may go; with ``customer_id`` the ``purchases`` are counted.
    """

    plan_id: str
    order_id: str
    claims: tuple[Claim, ...]
    reply: bytes
    request: Request = Request()
    hold_seconds: int | None = None
    queued: tuple[Queued, ...] = ()
    body: bytes = b""
    channel_id: str = ""
    customer_id: str = ""
    guards: tuple[Guard, ...] = ()
    purchases: tuple[Purchase, ...] = ()

    def __post_init__(self) -> None:
        keys = [(each.location_id, each.sku, each.line_id) for each in self.claims]
        if any(a >= b for a, b in itertools.pairwise(keys)):
            raise ValueError("claims must be in (location, sku, line) order, each once")
        if self.hold_seconds is not None and self.hold_seconds <= 0:
            raise ValueError(f"hold_seconds must be positive, got {self.hold_seconds}")


class StockGrid:
    """Available units in memory: one row a SKU, one column a location.

    Beside them, when each was counted, in seconds since the epoch (0: there is no
    count). Columns are in the network's rank order. Rows are found by ``rows[sku]``.
    The ledger's owner keeps it in step; a reader may see it a moment late, which
    can cost a conflict, never an oversell.
    """

    __slots__ = ("_counted", "_units", "network", "rows", "version")

    def __init__(self, network: Network, version: int = 0) -> None:
        self.network = network
        self.version = version
        self.rows: dict[str, int] = {}
        self._units: IntArray = np.zeros((16, len(network.locations)), np.int64)
        self._counted: SecondsArray = np.zeros(self._units.shape, np.int32)

    @property
    def nbytes(self) -> int:
        """Bytes of all cells, the room kept for new SKUs included."""
        return self._units.nbytes + self._counted.nbytes

    def set(
        self, sku: str, column: int, units: int, counted_seconds: int | None = None
    ) -> None:
        """Set the available units of one SKU at one location.

        ``counted_seconds`` None leaves when it was counted as it was: 0 if it never
        was. What is beyond `MAX_SECONDS` is taken for that.
        """
        row = self.rows.get(sku)
        if row is None:
            row = len(self.rows)
            if row == len(self._units):
                # Doubling keeps the cost of a new SKU constant on average.
                self._units = np.concatenate([self._units, np.zeros_like(self._units)])
                more = np.zeros_like(self._counted)
                self._counted = np.concatenate([self._counted, more])
            self.rows[sku] = row
        self._units[row, column] = units
        if counted_seconds is not None:
            self._counted[row, column] = min(counted_seconds, MAX_SECONDS)

    def take(self, sku: str, column: int, units: int) -> None:
        """Lower the available units of a SKU that has a row."""
        self._units[self.rows[sku], column] -= units

    def read(self, rows: Sequence[int] | npt.NDArray[np.intp]) -> IntArray:
        """Copy the rows of some SKUs: shape (len(rows), locations), in units."""
        return self._units.take(rows, axis=0)

    def read_counted(self, rows: Sequence[int] | npt.NDArray[np.intp]) -> SecondsArray:
        """Copy when some SKUs were counted: as `read`, in seconds, 0 if never."""
        return self._counted.take(rows, axis=0)


Clock = Callable[[], float]
"""Seconds since the epoch; passed in, so that tests can step it."""
