"""The ledger, over whichever database a `Store` keeps it in.

Longer than 300 lines because it has every method of `Ledger`, with its parameters;
what a write does in its transaction is in `availability.ledger.writes`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from availability.errors import AvailabilityError, RequestReused, StoreUnavailable
from availability.ledger import writes
from availability.ledger.group_commit import Combiner, failure_of
from availability.ledger.logic.stock_import import judge
from availability.ledger.protocol import (
    GROUP_LIMIT,
    MAX_OPEN_PLANS,
    SWEEP_LIMIT,
    CapacityLeft,
    OpenPlans,
    StockCursor,
    StockPage,
    ZoneRecord,
    check_limit,
    check_open_plans,
    check_together,
    record_to_json,
    version_to_json,
)
from availability.ledger.statements.audit import audit
from availability.ledger.statements.commands import change, swap_together
from availability.ledger.statements.locations import check_locations
from availability.ledger.statements.movements import read_movements
from availability.ledger.statements.reads import page_query, stock_page
from availability.ledger.statements.records import (
    find,
    first_reply,
    open_plans,
    plan_reply,
    store_reply,
    waiting_plans,
)
from availability.ledger.statements.sweeps import sweep
from availability.ledger.statements.withdrawals import (
    check_withdrawals,
    list_withdrawals,
    put_withdrawals,
)
from availability.ledger.statements.zones import list_zones
from availability.ledger.store import Extent, Store, Write
from availability.ledger.times import utc_day
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
from availability.stock_view import CapacitiesLeft, RoutingView

ResultT = TypeVar("ResultT")


class StoredLedger:
    """See `availability.ledger.protocol.Ledger`.

    Threads that reserve at the same time share a commit, whose cost is the disk's
    sync. ``store`` is closed with the ledger.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._combiner: Combiner[Reservation, bytes | AvailabilityError] = Combiner(
            store.exclusive, store.reserve_group, failure_of, GROUP_LIMIT
        )

    @property
    def shared(self) -> bool:
        """Whether other processes may write the same database."""
        return self.store.shared

    # Writes.

    def put_locations(
        self,
        locations: Sequence[Location],
        request: Request = Request(),
        encode: Callable[[PutResult], bytes] = PutResult.to_json,
    ) -> bytes:
        """Create or replace locations; see `Ledger.put_locations`."""
        check_locations(locations)
        return self._answer(
            request,
            lambda tx: writes.put_locations(self.store, tx, locations, encode),
        )

    def put_setup(
        self,
        change: SetupChange,
        locations: Sequence[Location] = (),
        request: Request = Request(),
        encode: Callable[[SetupResult], bytes] = SetupResult.to_json,
        *,
        dry_run: bool = False,
    ) -> bytes:
        """Change channels, settings, kits and locations; see `Ledger.put_setup`."""
        check_locations(locations)
        return self._answer(
            Request() if dry_run else request,
            lambda tx: writes.put_setup(
                self.store, tx, change, locations, encode, dry_run=dry_run
            ),
            Extent.MANY,
        )

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
        """Set or change what is on hand; see `Ledger.import_stock`."""
        request = Request() if dry_run else request
        # Before the changes are judged: a repeat may be wrong by now.
        reply = self.replay(request)
        if reply is not None:
            return reply
        self.store.news()  # another process may have put the locations a moment ago
        places = self.store.mirror().places
        judged = judge(mode, changes, places, max_drop_permille)
        return self._answer(
            request,
            lambda tx: writes.import_stock(
                self.store,
                tx,
                judged,
                changes,
                request.request_id,
                encode,
                dry_run=dry_run,
            ),
            Extent.MANY,
        )

    def reserve(self, reservation: Reservation) -> bytes:
        """Allocate a plan's claims and store it; see `Ledger.reserve`."""
        self.store.check_reservation(reservation)
        outcome = self._combiner.submit(reservation)
        if isinstance(outcome, AvailabilityError):
            raise outcome
        return outcome

    def reserve_many(
        self, reservations: Sequence[Reservation]
    ) -> list[bytes | AvailabilityError]:
        """Reserve one after another; see `Ledger.reserve_many`."""
        for reservation in reservations:
            self.store.check_reservation(reservation)
        outcomes: list[bytes | AvailabilityError] = []
        for start in range(0, len(reservations), GROUP_LIMIT):
            group = reservations[start : start + GROUP_LIMIT]
            try:
                with self.store.exclusive():
                    outcomes += self.store.reserve_group(group)
            except StoreUnavailable as error:
                outcomes += [failure_of(error) for _ in group]
        return outcomes

    def change(
        self,
        plan: PlanRef,
        command: Command,
        request: Request = Request(),
        encode: Callable[[ReservationRecord], bytes] = record_to_json,
    ) -> bytes:
        """Apply a command to a reservation; see `Ledger.change`."""

        def work(tx: Write) -> bytes:
            network = writes.share_network(tx.session)
            changed = change(tx.session, plan, command, tx.now)
            writes.follow_changes(self.store, tx, [changed], network=network)
            return encode(changed.record)

        return self._answer(request, work)

    def swap_together(self, swaps: Sequence[tuple[PlanRef, Swap]]) -> None:
        """Apply several swaps in one transaction; see `Ledger.swap_together`."""
        check_together(swaps)

        def work(tx: Write) -> None:
            network = writes.share_network(tx.session)
            changes = swap_together(tx.session, swaps, tx.now)
            writes.follow_changes(self.store, tx, changes, network=network)

        self.store.write(work)

    def sweep(self, limit: int = SWEEP_LIMIT) -> Swept:
        """End what is due; see `Ledger.sweep`."""
        # Holds fall due in no order of their stock rows: many in one transaction
        # would deadlock with the reservations of other processes.
        together = 1 if self.shared else max(1, limit)

        def work(tx: Write) -> Swept:
            done = sweep(tx.session, tx.now, together)
            writes.follow_changes(self.store, tx, done.changes, done.left)
            return done.swept

        total = Swept(0, 0, 0, 0)
        for _ in range(0, limit, together):
            swept = self.store.write(work)
            if not any(swept):
                break
            total = Swept(*map(sum, zip(total, swept, strict=True)))
        return total

    def put_withdrawals(
        self,
        changes: Sequence[Withdrawals],
        request: Request = Request(),
        encode: Callable[[int], bytes] = version_to_json,
    ) -> bytes:
        """Replace withdrawals; see `Ledger.put_withdrawals`."""
        self.store.news()  # another process may have put the locations a moment ago
        places = self.store.mirror().places
        check_withdrawals(changes, places)

        def work(tx: Write) -> bytes:
            left = put_withdrawals(tx.session, changes, places, tx.now)
            return encode(writes.follow_changes(self.store, tx, (), left))

        return self._answer(request, work)

    def audit(self, repair: bool = False) -> AuditReport:
        """Recompute every balance; see `Ledger.audit`."""
        if repair:
            return self.store.write(
                lambda tx: writes.repair(self.store, tx), Extent.ALL
            )
        with self.store.snapshot(Extent.ALL) as session:
            return audit(session)

    def _answer(
        self,
        request: Request,
        work: Callable[[Write], bytes],
        extent: Extent = Extent.FEW,
    ) -> bytes:
        """Write and store the reply, or return the first reply of a repeat.

        A repeat may overtake its own first try, which another process is still
        committing: it finds no reply, waits for the rows, and is refused because the
        first try took the units. So every refusal looks for the reply once more.
        """

        def whole(tx: Write) -> bytes:
            reply = first_reply(tx.session, request)
            if reply is None:
                reply = work(tx)
                store_reply(tx.session, request, tx.now, reply)
            return reply

        try:
            return self.store.write(whole, extent)
        except (StoreUnavailable, RequestReused):
            raise
        except AvailabilityError:
            reply = self.replay(request) if self.shared else None
            if reply is None:
                raise
            return reply

    # Reads of the database.

    def replay(self, request: Request) -> bytes | None:
        """Return the reply a request was given; see `Ledger.replay`."""
        if not request.request_id:
            return None
        with self.store.reading() as session:
            return first_reply(session, request)

    def plan(self, plan_id: str) -> bytes:
        """Return the current plan; see `Ledger.plan`."""
        with self.store.reading() as session:
            return plan_reply(session, plan_id)

    def reservation(self, plan: PlanRef) -> ReservationRecord:
        """Return a plan and its reservation; see `Ledger.reservation`."""
        with self.store.snapshot() as session:
            return find(session, plan).record

    def open_plans(
        self,
        states: Sequence[ReservationState] = OPEN_STATES,
        created_before_seconds: float | None = None,
        after: int = 0,
        limit: int = MAX_OPEN_PLANS,
    ) -> OpenPlans:
        """Return plans that may still change; see `Ledger.open_plans`."""
        check_open_plans(limit, states)
        with self.store.snapshot() as session:
            return open_plans(session, states, created_before_seconds, after, limit)

    def waiting_plans(self, sku: Sku, limit: int = MAX_OPEN_PLANS) -> list[PlanRef]:
        """Return plans that wait for a SKU; see `Ledger.waiting_plans`."""
        check_open_plans(limit)
        with self.store.reading() as session:
            return waiting_plans(session, sku, limit)

    def withdrawals(
        self, skus: Sequence[Sku] = (), location_ids: Sequence[LocationId] = ()
    ) -> list[Withdrawal]:
        """Return withdrawals; see `Ledger.withdrawals`."""
        with self.store.reading() as session:
            return list_withdrawals(session, skus, location_ids)

    def zones(
        self, skus: Sequence[Sku], location_ids: Sequence[LocationId] = ()
    ) -> list[ZoneRecord]:
        """Return counts zone by zone; see `Ledger.zones`."""
        places = self.store.mirror().places
        with self.store.reading() as session:
            return list_zones(session, places, skus, location_ids)

    def movements(
        self,
        sku: Sku | None = None,
        location_id: LocationId | None = None,
        plan_id: str | None = None,
        after: int = 0,
        limit: int = 1_000,
    ) -> list[RecordedMovement]:
        """Return movements; see `Ledger.movements`."""
        check_limit(limit)
        with self.store.reading() as session:
            return read_movements(session, sku, location_id, plan_id, after, limit)

    def stock(
        self,
        skus: Sequence[Sku] = (),
        location_ids: Sequence[LocationId] = (),
        after: StockCursor | None = None,
        limit: int = 1_000,
    ) -> StockPage:
        """Return a page of records; see `Ledger.stock`."""
        check_limit(limit)
        mirror = self.store.mirror()
        query = page_query(
            mirror.places, mirror.version, skus, location_ids, after, limit
        )
        version, rows = self.store.page(query)
        return stock_page(rows, limit, version)

    # Reads of memory.

    def queued(self) -> Mapping[tuple[str, Sku], int]:
        """Return the units queued; see `Ledger.queued`."""
        return self.store.mirror().queued

    def routing_view(self) -> RoutingView:
        """Return what planning an order reads; see `StockView.routing_view`."""
        mirror = self.store.mirror()
        capacities: CapacitiesLeft = {}
        if mirror.places.capped:
            capacities = mirror.capacity_left(utc_day(self.store.seconds()))
        return RoutingView(mirror.setup, mirror.grid, capacities)

    def setup(self) -> Setup:
        """Return channels, allocations, kits and settings; see `Ledger.setup`."""
        return self.store.mirror().setup

    def positions(self, skus: Sequence[Sku]) -> Positions:
        """Return the stock and promises of some SKUs; see `Ledger.positions`."""
        return self.store.mirror().positions(skus)

    def changes(self, mark: Mark | None = None) -> Changes:
        """Return which SKUs changed since a mark; see `Ledger.changes`."""
        return self.store.mirror().changes(mark)

    def refresh(self) -> None:
        """Take over what other processes committed; see `Ledger.refresh`."""
        self.store.news()

    def network(self) -> Network:
        """Return all locations; see `Ledger.network`."""
        return self.store.mirror().places.network

    def grid(self) -> StockGrid:
        """Return the available units in memory; see `Ledger.grid`."""
        return self.store.mirror().grid

    def capacity_left(self) -> Mapping[LocationId, CapacityLeft]:
        """Return what is left of today's capacities; see `Ledger.capacity_left`."""
        mirror = self.store.mirror()
        if not mirror.places.capped:
            return {}
        return mirror.capacity_left(utc_day(self.store.seconds()))

    def version(self) -> int:
        """Return the ledger's version; see `Ledger.version`."""
        return self.store.mirror().version

    def close(self) -> None:
        """Close the database; see `Ledger.close`."""
        self.store.close()
