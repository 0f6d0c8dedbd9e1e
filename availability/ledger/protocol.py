"""What every ledger promises, whichever database keeps it.

One contract of tests (tests/availability/ledger/contract) holds each implementation
to every sentence here. Longer than 300 lines because callers find the whole contract,
method by method, in one place.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from availability.errors import AvailabilityError
from availability.model import (
    ImportMode,
    ImportResult,
    Location,
    LocationId,
    Network,
    PutResult,
    Request,
    Sku,
    StockChange,
    StockRecord,
)
from availability.positions import Changes, Mark, Positions
from availability.reservations import (
    OPEN_STATES,
    AuditReport,
    Command,
    PlanRef,
    RecordedMovement,
    Reservation,
    ReservationRecord,
    ReservationState,
    Swap,
    Swept,
    Withdrawal,
    Withdrawals,
)
from availability.setup.setup import Setup, SetupChange, SetupResult
from availability.stock_grid import StockGrid
from availability.stock_view import RoutingView

MAX_PAGE = 10_000
"""Most records in a page of stock."""

GROUP_LIMIT = 64
"""Most reservations in one commit."""

MAX_WITHDRAWALS = 1_000
"""Most withdrawals of one SKU at one location."""

MAX_TOGETHER = 64
"""Most swaps in one commit."""

MAX_OPEN_PLANS = 500
"""Most plans in a page of those that are open."""

SWEEP_LIMIT = 100
"""Most holds, and most withdrawals, that one sweep ends: others wait meanwhile."""

MAX_DRIFTS = 1_000
"""Most drifts an audit lists."""


class StockCursor(NamedTuple):
    """The record a page ended with; the next page starts after it."""

    sku: Sku
    location_id: LocationId


@dataclass(frozen=True, slots=True)
class StockPage:
    """Stock records by SKU, then location in rank order.

    ``after`` is the cursor of the next page, None on the last; ``version`` the
    ledger's when the page was read.
    """

    records: tuple[StockRecord, ...]
    after: StockCursor | None
    version: int


class OpenPlans(NamedTuple):
    """Plans that may still change; ``after`` continues them, None on the last page."""

    records: tuple[ReservationRecord, ...]
    after: int | None


class ZoneRecord(NamedTuple):
    """What one zone of a location holds of one SKU; zone "" is the rest of it."""

    location_id: LocationId
    sku: Sku
    zone_id: str
    on_hand: int


class CapacityLeft(NamedTuple):
    """What a location may still take today (UTC); None: no limit."""

    orders: int | None
    units: int | None


def record_to_json(record: ReservationRecord) -> bytes:
    """Encode a plan's state as a reply for callers in Python."""
    return json.dumps(
        {"plan_id": record.plan_id, "state": record.state, "revision": record.revision}
    ).encode()


def version_to_json(version: int) -> bytes:
    """Encode the ledger's version as a reply for callers in Python."""
    return json.dumps({"stock_version": version}).encode()


def check_together(swaps: Sequence[tuple[PlanRef, Swap]]) -> None:
    """Raise ValueError if swaps cannot be applied together."""
    if len(swaps) > MAX_TOGETHER:
        raise ValueError(f"at most {MAX_TOGETHER} swaps together, got {len(swaps)}")
    names = {plan.plan_id for plan, _ in swaps}
    if "" in names or len(names) < len(swaps):
        raise ValueError("swaps are of different plans, each named by its id")


def check_open_plans(limit: int, states: Sequence[ReservationState] = ()) -> None:
    """Raise ValueError for a limit out of range or a state that is not open."""
    if not 1 <= limit <= MAX_OPEN_PLANS:
        raise ValueError(f"limit must be 1 to {MAX_OPEN_PLANS}, got {limit}")
    ended = [each.value for each in states if each not in OPEN_STATES]
    if ended:
        raise ValueError(f"not open: {', '.join(ended)}")


def check_limit(limit: int) -> None:
    """Raise ValueError for a limit out of range."""
    if not 1 <= limit <= MAX_PAGE:
        raise ValueError(f"limit must be 1 to {MAX_PAGE}, got {limit}")


class Ledger(Protocol):
    """The truth about stock: thread-safe, one instance a process.

    A write is applied whole or not at all, and durable once it has returned. It
    returns its reply as bytes: ``encode(result)`` the first time, and those same
    bytes, without doing anything, for every repeat of its ``request``. The
    default encoding is JSON: ``ImportResult.from_json(reply)`` gives the typed
    result back. A request without an id stores no reply. Requests are kept for
    ever; the digest is to cover the method as well as the body.

    Every method may raise `StoreUnavailable`: the database could not be read or
    written. Repeating a write with its request id shows whether it was applied; it
    is never applied in part.
    """

    @property
    def shared(self) -> bool:
        """Whether other processes may write the same database: see `refresh`."""
        ...

    def put_locations(
        self,
        locations: Sequence[Location],
        request: Request = Request(),
        encode: Callable[[PutResult], bytes] = PutResult.to_json,
    ) -> bytes:
        """Create locations, or replace those that exist, by ``location_id``.

        Raises
        ------
        InvalidChange
            DUPLICATE at ``locations[n].location_id``.
        RequestReused
            The request id came with another digest.
        """
        ...

    def import_stock(
        self,
        mode: ImportMode,
        changes: Sequence[StockChange],
        request: Request = Request(),
        encode: Callable[[ImportResult], bytes] = ImportResult.to_json,
        *,
        dry_run: bool = False,
        max_drop_permille: int | None = None,
    ) -> bytes:
        """Set or change what is on hand; see `ImportMode`.

        A count may fall below what is promised: the difference is recorded as
        the record's deficit, and nothing more can be reserved there until it is
        made up. There is no limit on the number of changes. A change of a zone
        counts that zone alone; a SNAPSHOT zeroes the other SKUs of the locations
        named in all their zones, and the SKUs named in the zones not named.

        A record is counted, now, by every change that names it, also one that leaves
        its quantity as it was and so changes nothing; a SNAPSHOT counts all records
        of the locations named that were counted before, or that it zeroes.

        ``dry_run``: check and reply as usual, with the current version, and change
        nothing; the request id is ignored and no reply is stored.
        ``max_drop_permille``: refuse a SNAPSHOT that drops more than this share of
        the records, or of the units, of the locations named; see `ImportResult` for
        what is counted.

        Raises
        ------
        InvalidChange
            Every violation up to `MAX_VIOLATIONS`, in the order of the changes,
            with its path in ImportStockRequest: UNKNOWN_LOCATION at
            ``changes[n].location_id``; UNKNOWN_ZONE at ``changes[n].zone_id``;
            INVALID_SKU or DUPLICATE (location, SKU and zone came before) at
            ``changes[n].sku``; OUT_OF_RANGE, or in DELTA BELOW_ZERO, at
            ``changes[n].on_hand_units``; OUT_OF_RANGE, or CONFLICT with a change
            of the same record, at ``changes[n].safety_stock_units``. In DELETE
            NOT_ALLOWED at ``changes[n].safety_stock_units`` and
            ``changes[n].zone_id``. First of all NOT_ALLOWED (outside SNAPSHOT) or
            OUT_OF_RANGE (0..1000) at ``max_drop_permille``.
        SnapshotDrops
            More than ``max_drop_permille`` would be dropped; nothing was changed.
        RequestReused
            The request id came with another digest.
        """
        ...

    def put_setup(
        self,
        change: SetupChange,
        locations: Sequence[Location] = (),
        request: Request = Request(),
        encode: Callable[[SetupResult], bytes] = SetupResult.to_json,
        *,
        dry_run: bool = False,
    ) -> bytes:
        """Change channels, settings, kits and locations, all or nothing.

        The result is checked as a whole by `availability.setup.setup.check_setup`.
        Promises made from then on consume a new allocation; an allocation put again
        keeps its consumed units. ``dry_run``: reply with the current version and
        write nothing.

        Raises
        ------
        InvalidChange
            The resulting setup is invalid; every violation up to `MAX_VIOLATIONS`.
        RequestReused
            The request id came with another digest.
        """
        ...

    def setup(self) -> Setup:
        """Return channels, allocations, kits and settings, from memory.

        The same object until it changes.
        """
        ...

    def positions(self, skus: Sequence[Sku]) -> Positions:
        """Return the stock and promises of some SKUs in memory, at one moment."""
        ...

    def changes(self, mark: Mark | None = None) -> Changes:
        """Return which SKUs changed in memory since a mark, and a new one.

        ``everything`` if the log does not reach back to the mark: without a mark,
        with one of another process or from too long ago, and after a change of a
        location or the setup.
        """
        ...

    def reserve(self, reservation: Reservation) -> bytes:
        """Promise a plan's claims and store the plan, in one transaction.

        The plan keeps its order from being routed again if it claims or queues
        anything, until all of it was cancelled, rejected or expired; else only
        the plan and its reply are stored. Claims are allocated, or with
        ``hold_seconds`` held. Each location claimed counts one order and its units
        against its capacity of the UTC day. ``plan_id`` must be new.

        Raises
        ------
        OrderAlreadyRouted
            The order has a plan that holds, or has shipped, something.
        StockConflict
            Units or a day's capacity are gone, or the location is inactive.
        RequestReused
            The request id came with another digest.
        """
        ...

    def reserve_many(
        self, reservations: Sequence[Reservation]
    ) -> list[bytes | AvailabilityError]:
        """Reserve one after another, in one commit for every `GROUP_LIMIT`.

        Each has its own outcome, in the order given, and it is what `reserve`
        would have returned or raised. Only `StoreUnavailable` strikes a whole
        commit's reservations together.
        """
        ...

    def change(
        self,
        plan: PlanRef,
        command: Command,
        request: Request = Request(),
        encode: Callable[[ReservationRecord], bytes] = record_to_json,
    ) -> bytes:
        """Apply a command to a plan's reservation, in one transaction.

        ``encode`` gets the record as it is afterwards. See
        `availability.reservations` for each command.

        Raises
        ------
        PlanNotFound
            There is no such plan.
        ReservationResolved
            The reservation's state does not allow it.
        UnitsNotOpen
            More units are named than are open.
        PlanChanged
            The command was made from an earlier revision.
        StockConflict
            A Swap claims units or capacity that are gone, or an inactive location.
        RequestReused
            The request id came with another digest.
        """
        ...

    def swap_together(self, swaps: Sequence[tuple[PlanRef, Swap]]) -> None:
        """Apply several swaps, each of another plan, in one transaction.

        All units are released before any are claimed: plans may exchange units, in a
        circle as well. No plan loses its units without getting the new ones. Swaps
        have no request id: a repeat is refused by its revision.

        Raises
        ------
        ValueError
            More than `MAX_TOGETHER`, or one plan twice, or not named by its id.
        PlanNotFound, ReservationResolved, UnitsNotOpen, PlanChanged, StockConflict
            As `change` for one of them; nothing was done.
        """
        ...

    def open_plans(
        self,
        states: Sequence[ReservationState] = OPEN_STATES,
        created_before_seconds: float | None = None,
        after: int = 0,
        limit: int = MAX_OPEN_PLANS,
    ) -> OpenPlans:
        """Return plans that may still change, in the order they were made.

        Each page is one consistent state; a plan that is made meanwhile is on a
        later page.

        Raises
        ------
        ValueError
            ``limit`` is not in 1..`MAX_OPEN_PLANS`, or a state is not open.
        """
        ...

    def waiting_plans(self, sku: Sku, limit: int = MAX_OPEN_PLANS) -> list[PlanRef]:
        """Return plans of which units of a SKU are queued, the first promised first.

        Raises
        ------
        ValueError
            ``limit`` is not in 1..`MAX_OPEN_PLANS`.
        """
        ...

    def reservation(self, plan: PlanRef) -> ReservationRecord:
        """Return a plan and its reservation.

        Raises
        ------
        PlanNotFound
            There is no such plan.
        """
        ...

    def sweep(self, limit: int = SWEEP_LIMIT) -> Swept:
        """Expire due holds, and begin or end due withdrawals.

        A hold with open ``work`` is extended by its ``hold_seconds`` instead, until
        it is `MAX_HOLD_SECONDS` old. At most ``limit`` holds and as many
        withdrawals, the oldest first; several servers may sweep at once.
        """
        ...

    def put_withdrawals(
        self,
        changes: Sequence[Withdrawals],
        request: Request = Request(),
        encode: Callable[[int], bytes] = version_to_json,
    ) -> bytes:
        """Replace all withdrawals of each (location, SKU) named.

        Those that are due count at once. ``encode`` gets the ledger's version.

        Raises
        ------
        InvalidChange
            UNKNOWN_LOCATION at ``changes[n].location_id``; UNKNOWN_SKU (there is
            no stock record) or DUPLICATE at ``changes[n].sku``; TOO_MANY at
            ``changes[n].withdrawals``; DUPLICATE at
            ``changes[n].withdrawals[m].withdrawal_id``; INVALID_PERIOD at
            ``changes[n].withdrawals[m].end_time``: it is not after the start.
        RequestReused
            The request id came with another digest.
        """
        ...

    def withdrawals(
        self, skus: Sequence[Sku] = (), location_ids: Sequence[LocationId] = ()
    ) -> list[Withdrawal]:
        """Return withdrawals that have not ended, by SKU, location and id.

        At most `MAX_PAGE`; empty ``skus`` or ``location_ids`` mean all.
        """
        ...

    def zones(
        self, skus: Sequence[Sku], location_ids: Sequence[LocationId] = ()
    ) -> list[ZoneRecord]:
        """Return the counts zone by zone, at locations that have zones.

        By SKU, location and zone; at most `MAX_PAGE`.
        """
        ...

    def movements(
        self,
        sku: Sku | None = None,
        location_id: LocationId | None = None,
        plan_id: str | None = None,
        after: int = 0,
        limit: int = 1_000,
    ) -> list[RecordedMovement]:
        """Return movements in the order of their keys, from the one after ``after``.

        Raises
        ------
        ValueError
            ``limit`` is not in 1..`MAX_PAGE`.
        """
        ...

    def queued(self) -> Mapping[tuple[str, Sku], int]:
        """Return the units queued, by (channel_id, SKU): from memory, none are 0."""
        ...

    def audit(self, repair: bool = False) -> AuditReport:
        """Recompute every balance from the movements; name, and repair, any drift.

        One consistent state is judged. A repair sets balances to what the movements
        add up to, and releases what finished plans still hold, with a movement.
        """
        ...

    def refresh(self) -> None:
        """Bring memory in step with what other processes committed.

        Does nothing where no other process can write. Servers call it often: stale
        memory costs a conflict, never an oversell.
        """
        ...

    def replay(self, request: Request) -> bytes | None:
        """Return the reply this request was given, None if it never came.

        Raises
        ------
        RequestReused
            The request id came with another digest.
        """
        ...

    def plan(self, plan_id: str) -> bytes:
        """Return the current plan: its reply, or that of its last Swap.

        Raises
        ------
        PlanNotFound
            No plan has this id.
        """
        ...

    def network(self) -> Network:
        """Return all locations: an immutable snapshot, from memory."""
        ...

    def grid(self) -> StockGrid:
        """Return the available units in memory, in step with every commit.

        ``grid().network`` is the network of its columns. Inactive locations have
        0 units. A SKU has a row once it was imported. When locations come, go
        inactive or change their order, a new grid takes its place.
        """
        ...

    def routing_view(self) -> RoutingView:
        """Return the setup, the grid and the capacities, from memory."""
        ...

    def capacity_left(self) -> Mapping[LocationId, CapacityLeft]:
        """Return what each location with a capacity may still take today (UTC).

        Locations without one are left out: where none has a capacity, this is an
        empty mapping and costs nothing. From memory, in step with every commit.
        """
        ...

    def stock(
        self,
        skus: Sequence[Sku] = (),
        location_ids: Sequence[LocationId] = (),
        after: StockCursor | None = None,
        limit: int = 1_000,
    ) -> StockPage:
        """Return a page of records by SKU (in code point order), then rank order.

        Empty ``skus`` or ``location_ids`` mean all; unknown ones have no records.

        Raises
        ------
        ValueError
            ``limit`` is not in 1..`MAX_PAGE`.
        """
        ...

    def version(self) -> int:
        """Return the ledger's version.

        It grows with every commit that changes stock or a location; the
        network's version is its value when a location last changed.
        """
        ...

    def close(self) -> None:
        """Close the database: what needs it from now on raises `StoreUnavailable`."""
        ...
