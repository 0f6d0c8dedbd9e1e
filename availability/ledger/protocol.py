"""What every ledger promises, whichever database keeps it.

One contract of tests (tests/ledger/contract.py) holds each implementation to
every sentence here.
"""

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
    Reservation,
    Sku,
    StockChange,
    StockGrid,
    StockRecord,
)

MAX_VIOLATIONS = 100
"""Most violations an `InvalidChange` lists."""

MAX_PAGE = 10_000
"""Most records in a page of stock."""

GROUP_LIMIT = 64
"""Most reservations in one commit."""


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


class CapacityLeft(NamedTuple):
    """What a location may still take today (UTC); None: no limit."""

    orders: int | None
    units: int | None


class Ledger(Protocol):
    """The truth about stock: thread-safe, one instance a process.

    A write is applied whole or not at all, and durable once it has returned. It
    returns its reply as bytes: ``encode(result)`` the first time, and those same
    bytes, without doing anything, for every repeat of its ``request``. The
    default encoding is JSON: ``ImportResult.from_json(reply)`` gives the typed
    result back. A request without an id stores no reply. Requests are kept for
    ever; the digest is to cover the method as well as the body.

    Every method may raise `StoreUnavailable`: the database could not be read or
    written. What became of a write that met it is learnt by repeating it with
    its request id; never is a part of it applied.
    """

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
    ) -> bytes:
        """Set or change what is on hand; see `ImportMode`.

        A count may fall below what is allocated: the difference is recorded as
        the record's deficit, and nothing more can be reserved there until it is
        made up. There is no limit on the number of changes.

        Raises
        ------
        InvalidChange
            Every violation up to `MAX_VIOLATIONS`, in the order of the changes,
            with its path in ImportStockRequest: UNKNOWN_LOCATION at
            ``changes[n].location_id``; INVALID_SKU or DUPLICATE (the pair came
            before) at ``changes[n].sku``; OUT_OF_RANGE, or in DELTA BELOW_ZERO,
            at ``changes[n].on_hand_units``; OUT_OF_RANGE at
            ``changes[n].safety_stock_units``.
        RequestReused
            The request id came with another digest.
        """
        ...

    def reserve(self, reservation: Reservation) -> bytes:
        """Allocate a plan's claims and store the plan, in one transaction.

        The plan is live, and keeps its order from being routed again, if it has
        claims; without any, only the plan and its reply are stored. Each location
        claimed counts one order and its units against its capacity of the UTC
        day. ``plan_id`` must be new.

        Raises
        ------
        OrderAlreadyRouted
            The order has a live plan.
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

    def replay(self, request: Request) -> bytes | None:
        """Return the reply this request was given, None if it never came.

        Raises
        ------
        RequestReused
            The request id came with another digest.
        """
        ...

    def plan(self, plan_id: str) -> bytes:
        """Return a plan's reply.

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
