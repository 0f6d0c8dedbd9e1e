"""The nouns of a reservation's life: what may happen to what a plan holds.

A reservation is HELD for a cart or PLACED for an order; every unit of it ends
once: shipped, cancelled, rejected or expired. docs/reservations.md draws it. Longer
than 300 lines because it is the vocabulary of one noun, a few lines for each word.
"""

import enum
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from availability.model import LocationId, Request, Sku


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
    what the plan was made from, kept for planning it again. ``hold_seconds``
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


class ReservationState(enum.StrEnum):
    """Where a reservation stands as a whole."""

    NONE = "none"
    """The plan holds nothing and never did."""
    HELD = "held"
    """For a cart: until its time is over, or the order is placed."""
    PLACED = "placed"
    """For an order: some of it is still to be shipped."""
    SHIPPED = "shipped"
    """Nothing is open any more, and some of it was shipped."""
    CANCELLED = "cancelled"
    """Nothing is open any more; none of it was shipped and some was cancelled."""
    REJECTED = "rejected"
    """Locations refused all of it, and no other could take it."""
    EXPIRED = "expired"
    """The cart's time was over."""


OPEN_STATES = (ReservationState.HELD, ReservationState.PLACED)
"""Something is, or may be, still to come."""
BINDING_STATES = (*OPEN_STATES, ReservationState.SHIPPED)
"""The order must not be routed a second time."""


class Cause(enum.StrEnum):
    """Why a balance moved. Every movement has one; they are never rewritten."""

    IMPORTED = "imported"
    """An import counted, or changed, what is on hand or kept back."""
    ZONED = "zoned"
    """A zone became available, or ceased to be."""
    HELD = "held"
    ALLOCATED = "allocated"
    """Promised to a placed order."""
    QUEUED = "queued"
    """Promised on a channel, with no location yet."""
    PLACED = "placed"
    """What was held is allocated now."""
    SHIPPED = "shipped"
    FOUND = "found"
    """More was shipped than was counted: the difference was there."""
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    REROUTED = "rerouted"
    """Given up for another location, in favour of a better plan."""
    EXPIRED = "expired"
    CORRECTED = "corrected"
    """A location that rejected has less than was counted."""
    WITHDRAWN = "withdrawn"
    """Taken out of sale for a reason, usually with an end."""
    RETURNED = "returned"
    """Back in sale: the withdrawal ended."""
    REPAIRED = "repaired"
    """An audit released what a finished plan still held."""


class Movement(NamedTuple):
    """One change of the balances, signed, in units; immutable once written.

    ``location_id`` is empty where only ``queued`` moves, ``channel_id`` everywhere
    else. ``on_hand`` is the change of what counts as on hand; ``zone_units`` that
    of the count of ``zone_id``, which may be one that does not count.
    """

    cause: Cause
    sku: str
    location_id: str = ""
    zone_id: str = ""
    channel_id: str = ""
    line_id: str = ""
    on_hand: int = 0
    zone_units: int = 0
    allocated: int = 0
    held: int = 0
    withdrawn: int = 0
    safety_stock: int = 0
    queued: int = 0


class RecordedMovement(NamedTuple):
    """A movement as the ledger has it; ``reference`` says what caused it.

    ``at_seconds`` is since the epoch; ``plan_id`` empty where no plan had a part.
    """

    movement_key: int
    at_seconds: float
    plan_id: str
    reference: str
    movement: Movement


class Holding(NamedTuple):
    """What became of one line's units of one SKU at one place.

    ``location_id`` is empty for what is queued on ``channel_id``. ``open`` is still
    to be resolved; each other unit ended as its column says.
    """

    location_id: LocationId
    channel_id: str
    sku: Sku
    line_id: str
    open: int
    shipped: int = 0
    cancelled: int = 0
    rejected: int = 0
    expired: int = 0
    moved: int = 0
    """Given to another location, or from the queue to one."""


@dataclass(frozen=True, slots=True)
class ReservationRecord:
    """A plan and what became of what it holds.

    ``revision`` counts the changes; ``reply`` is the plan as it is now, ``body``
    what it was made from. ``expires_seconds`` (since the epoch) is None unless
    HELD. ``work`` names what keeps a hold alive beyond its time.
    """

    plan_id: str
    order_id: str
    state: ReservationState
    revision: int
    body: bytes
    reply: bytes
    created_seconds: float
    hold_seconds: int | None
    expires_seconds: float | None
    work: str
    holdings: tuple[Holding, ...]

    @property
    def open_units(self) -> int:
        """Units that are still to be resolved."""
        return sum(each.open for each in self.holdings)


@dataclass(frozen=True, slots=True)
class PlanRef:
    """Which reservation is meant: by plan, or by the order's latest plan."""

    plan_id: str = ""
    order_id: str = ""

    def __post_init__(self) -> None:
        if bool(self.plan_id) == bool(self.order_id):
            raise ValueError("either a plan_id or an order_id")


@dataclass(frozen=True, slots=True)
class Place:
    """The cart became an order: what was held is allocated.

    A hold whose time is over, but that was not swept yet, can still be placed.
    """


@dataclass(frozen=True, slots=True)
class Extend:
    """Hold for ``hold_seconds`` from now, and beyond that while ``work`` is open.

    Something is still being done for the cart (a payment, a check for fraud), and
    to let it go would sell what may be paid for.
    """

    hold_seconds: int
    work: str = ""

    def __post_init__(self) -> None:
        if self.hold_seconds <= 0:
            raise ValueError(f"hold_seconds must be positive, got {self.hold_seconds}")


@dataclass(frozen=True, slots=True)
class Ship:
    """These units left; None: all that is open at locations."""

    units: tuple[Claim, ...] | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """These units are not wanted any more; None: all that is open.

    With ``units`` or ``queued`` given, the record must still have ``revision``, and
    ``body`` takes the place of what the plan was made from.
    """

    units: tuple[Claim, ...] | None = None
    queued: tuple[Queued, ...] = ()
    revision: int | None = None
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Expire:
    """The hold's time is over: nothing happens if it is not."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What a rejection says of a location's stock of one SKU.

    ``on_hand`` units are taken off the count (never below 0; None: all of it);
    ``withdrawn`` units are taken out of sale without an end, under ``reason``.
    """

    location_id: LocationId
    sku: Sku
    on_hand: int | None = 0
    withdrawn: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Swap:
    """Some units change their place, all in one transaction.

    The ``released`` are given up (``cause`` says why) and ``dequeued`` leave the
    queue; then ``corrections`` are made; then ``claims`` and ``queued`` are taken.
    The record must still have ``revision``: the new plan was made from it.
    """

    revision: int
    released: tuple[Claim, ...]
    cause: Cause
    claims: tuple[Claim, ...]
    reply: bytes
    body: bytes
    corrections: tuple[Correction, ...] = ()
    dequeued: tuple[Queued, ...] = ()
    queued: tuple[Queued, ...] = ()


Command = Place | Extend | Ship | Cancel | Expire | Swap


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Units of a SKU out of sale at a location: on display, damaged and so on.

    Times are seconds since the epoch: it counts from ``starts_seconds`` on (None:
    at once) and returns by itself at ``ends_seconds`` (None: never).
    """

    withdrawal_id: str
    location_id: LocationId
    sku: Sku
    quantity: int
    reason: str = ""
    starts_seconds: float | None = None
    ends_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.quantity <= 0:
            raise ValueError(f"quantity must be positive, got {self.quantity}")


@dataclass(frozen=True, slots=True)
class Withdrawals:
    """All withdrawals of one SKU at one location; they replace those there were."""

    location_id: LocationId
    sku: Sku
    withdrawals: Sequence[Withdrawal]


class Swept(NamedTuple):
    """What a sweep did."""

    expired_count: int
    extended_count: int
    withdrawals_started: int
    withdrawals_ended: int


class Drift(NamedTuple):
    """A balance that is not what the movements add up to.

    ``subject`` names it (``stock a/shirt``), ``balance`` the column; ``found`` is in
    the table, ``expected`` the sum. ``repaired`` once it was put right.
    """

    subject: str
    balance: str
    found: int
    expected: int
    repaired: bool = False


class AuditReport(NamedTuple):
    """Every drift, and what was looked at: unequal lengths mean there are more."""

    drifts: tuple[Drift, ...]
    drift_count: int
    stock_count: int
    reservation_count: int
    movement_count: int
