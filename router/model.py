"""The nouns of routing: values, frozen and correct once built.

One file, though long: the nouns refer to each other.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from availability.model import LocationId, LocationKind, Sku

MAX_LINES = 1_000
"""Most lines an order may have."""
MAX_QUANTITY = 1_000_000_000
"""Most units (or kits) a line may ask for."""


class Term(enum.StrEnum):
    """What a plan is judged by. All are minimised, save PRIMARY."""

    UNASSIGNED_UNITS = "unassigned_units"
    """Units ordered and not assigned."""
    INCOMPLETE_ORDERS = "incomplete_orders"
    """1 if anything is unassigned."""
    SPLIT_LINES = "split_lines"
    """Lines shipped by two locations or more."""
    SHIPMENTS = "shipments"
    """Distinct shipping origins."""
    PRIMARY = "primary"
    """Lines whole at the busiest location, its units; then the next; maximised."""
    RANK = "rank"
    """Sum of the places in rank order (1 is first) of the locations used."""
    MAX_RANK = "max_rank"
    """Place in rank order of the last location used."""
    DISTANCE_METERS = "distance_meters"
    """Sum over shipments of the distance to the destination."""
    COST_MICROS = "cost_micros"
    """Cost of the shipments and of the units in them."""
    LATENESS_MINUTES = "lateness_minutes"
    """Sum over shipments of the minutes after the promise."""
    WORKLOAD = "workload"
    """Sum over shipments of the work already waiting there, in minutes."""


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective of an ordered list.

    The objectives after it may make it worse than its best by
    ``tolerance_permille`` thousandths plus ``tolerance_amount``.
    """

    term: Term
    tolerance_permille: int = 0
    tolerance_amount: int = 0
    tolerant: bool = field(init=False, repr=False, compare=False)
    """Whether later objectives may cost this one anything."""

    def __post_init__(self) -> None:
        if self.tolerance_permille < 0 or self.tolerance_amount < 0:
            raise ValueError("a tolerance is not negative")
        tolerant = bool(self.tolerance_permille or self.tolerance_amount)
        if self.term is Term.PRIMARY and tolerant:
            raise ValueError("primary is many values: it takes no tolerance")
        object.__setattr__(self, "tolerant", tolerant)

    def allowance(self, best: int) -> int:
        """Return the worst value still accepted when ``best`` is the optimum."""
        return best + best * self.tolerance_permille // 1000 + self.tolerance_amount


class Walk(enum.StrEnum):
    """The peers' sequential walks: location after location, no second look."""

    PRIORITY = "priority"
    """In rank order (Magento, Saleor, Vendure, Solidus)."""
    NEAREST = "nearest"
    """By distance to the destination (Magento's distance algorithm)."""
    HIGHEST_STOCK = "highest-stock"
    """By units of the order in stock (Saleor, Spryker)."""


class SplitRung(enum.IntEnum):
    """How far an order may be split; each rung allows what those below do."""

    NO_SPLIT = 1
    """One location ships all that ships."""
    LINE_SPLIT = 2
    """Several locations, no line from more than one."""
    QUANTITY_SPLIT = 3
    """A line's quantity may be split too."""


class Incomplete(enum.StrEnum):
    """What becomes of an order that cannot be filled whole."""

    PARTIAL = "partial"
    """Keep what was found."""
    REJECT_ORDER = "reject_order"
    """Assign all of it or nothing."""
    DROP_LINE = "drop_line"
    """Assign each line whole or not at all."""


@dataclass(frozen=True, slots=True)
class LocationFilter:
    """Which locations may ship: all that is set must hold, empty means all."""

    kinds: frozenset[LocationKind] = frozenset()
    groups: frozenset[str] = frozenset()
    country_codes: frozenset[str] = frozenset()
    max_distance_meters: int = 0
    included_location_ids: frozenset[str] = frozenset()
    excluded_location_ids: frozenset[str] = frozenset()


NO_FILTER = LocationFilter()
"""Every location may ship."""


@dataclass(frozen=True, slots=True)
class RoutingPolicy:
    """How to choose among plans: an ordered list of objectives, and hard limits.

    With ``walk`` set the plan is that of a peer's walk and the objectives only
    measure it. ``max_shipments`` 0 means no limit.
    """

    name: str
    objectives: tuple[Objective, ...]
    walk: Walk | None = None
    split_rung: SplitRung = SplitRung.QUANTITY_SPLIT
    incomplete: Incomplete = Incomplete.PARTIAL
    max_shipments: int = 0
    min_split_value_micros: int = 0
    routing_floor_units: int = 0
    filter: LocationFilter = NO_FILTER
    terms: frozenset[Term] = field(init=False, repr=False, compare=False)
    """The terms of its objectives."""

    def __post_init__(self) -> None:
        terms = frozenset(objective.term for objective in self.objectives)
        if not terms:
            raise ValueError("a policy has at least one objective")
        if len(terms) != len(self.objectives):
            raise ValueError("an objective appears twice")
        object.__setattr__(self, "terms", terms)


class KitComponent(NamedTuple):
    """One part of a kit: ``quantity`` units of ``sku`` in each kit."""

    sku: Sku
    quantity: int


class OrderLine(NamedTuple):
    """One line: ``quantity`` units, or kits where ``components`` are given."""

    line_id: str
    sku: Sku
    quantity: int
    indivisible: bool = False
    ship_together: str = ""
    unit_value_micros: int = 0
    components: tuple[KitComponent, ...] = ()


class Destination(NamedTuple):
    """Where an order goes; coordinates in degrees."""

    latitude: float | None = None
    longitude: float | None = None
    country_code: str = ""


class Lane(NamedTuple):
    """What one location asks for this order; None: the location's own."""

    location_id: LocationId
    shipment_cost_micros: int | None = None
    unit_cost_micros: int | None = None
    arrival_minutes: int | None = None


class Frozen(NamedTuple):
    """Units already picked: they stay where they are."""

    line_id: str
    location_id: LocationId
    quantity: int


class Order(NamedTuple):
    """What a customer ordered. ``rejected`` are (line_id, location_id) pairs."""

    order_id: str
    lines: tuple[OrderLine, ...]
    destination: Destination = Destination()
    channel_id: str = ""
    shipping_method: str = ""
    lanes: tuple[Lane, ...] = ()
    promised_minutes: int | None = None
    frozen: tuple[Frozen, ...] = ()
    rejected: frozenset[tuple[str, str]] = frozenset()
    customer_id: str = ""


class PlanStatus(enum.StrEnum):
    """How much of an order a plan ships."""

    FULL = "full"
    PARTIAL = "partial"
    NONE = "none"


class UnassignedReason(enum.StrEnum):
    """Why units are not assigned; see plan.proto for each."""

    OUT_OF_STOCK = "out_of_stock"
    INSUFFICIENT_STOCK = "insufficient_stock"
    LOCATIONS_ELIMINATED = "locations_eliminated"
    CAPACITY = "capacity"
    SPLIT_LIMIT = "split_limit"
    INDIVISIBLE = "indivisible"
    MIN_SPLIT_VALUE = "min_split_value"
    INCOMPLETE_POLICY = "incomplete_policy"
    COMBINED_LIMITS = "combined_limits"
    TIME_LIMIT = "time_limit"
    WALK = "walk"
    BACKORDERED = "backordered"
    PREORDERED = "preordered"
    NOT_FOR_SALE = "not_for_sale"


WAITING = frozenset({UnassignedReason.BACKORDERED, UnassignedReason.PREORDERED})
"""Why units that are not assigned are still promised."""


class EliminationFilter(enum.StrEnum):
    """Why a location could not be chosen, in the order of asking."""

    INACTIVE = "inactive"
    CHANNEL = "channel"
    KIND = "kind"
    GROUP = "group"
    COUNTRY = "country"
    DISTANCE = "distance"
    SHIPPING_METHOD = "shipping_method"
    NOT_INCLUDED = "not_included"
    EXCLUDED = "excluded"
    CAPACITY = "capacity"
    REJECTED = "rejected"


class Assignment(NamedTuple):
    """Units of one line from one location; ``shipment`` is an index."""

    line_id: str
    sku: Sku
    location_id: LocationId
    quantity: int
    shipment: int


class Shipment(NamedTuple):
    """What leaves one origin together, and why, in a sentence."""

    origin_id: str
    location_ids: tuple[LocationId, ...]
    line_count: int
    unit_count: int
    reason: str


class Unassigned(NamedTuple):
    """Units of one line that no location ships."""

    line_id: str
    sku: Sku
    quantity: int
    reason: UnassignedReason


class ObjectiveValue(NamedTuple):
    """What a plan is worth under one objective; see ``optimize.problem``."""

    name: str
    maximize: bool
    value: int
    bound: int
    proven: bool


@dataclass(frozen=True, slots=True)
class NextBest:
    """The best plan from another set of locations, and where it lost."""

    assignments: tuple[Assignment, ...]
    objectives: tuple[ObjectiveValue, ...]
    lost_at: str
    value: int
    plan_value: int
    proven: bool


@dataclass(frozen=True, slots=True)
class StockChangeNeeded:
    """The least stock that would let one location ship everything."""

    location_id: LocationId
    missing: Mapping[Sku, int]

    @property
    def total_units(self) -> int:
        """Units of all SKUs together."""
        return sum(self.missing.values())


@dataclass(frozen=True, slots=True)
class Counterfactuals:
    """What it would have taken for another answer."""

    next_best: NextBest | None = None
    one_shipment: StockChangeNeeded | None = None


@dataclass(frozen=True, slots=True)
class RoutingPlan:
    """Which location ships what of one order, why, and how good that is.

    ``plan_id`` is empty until the plan is stored.
    """

    order_id: str
    status: PlanStatus
    assignments: tuple[Assignment, ...]
    shipments: tuple[Shipment, ...]
    unassigned: tuple[Unassigned, ...]
    objectives: tuple[ObjectiveValue, ...]
    eliminated: Mapping[LocationId, EliminationFilter]
    stock_version: int
    engine: str
    solve_micros: int
    policy: str
    plan_id: str = ""
    conflict_count: int = 0
    counterfactuals: Counterfactuals | None = None
    proven: bool = field(init=False, repr=False, compare=False)
    """Whether no plan that the limits allow is better."""

    def __post_init__(self) -> None:
        proven = all(map(attrgetter("proven"), self.objectives))
        object.__setattr__(self, "proven", proven)
