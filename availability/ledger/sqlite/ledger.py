"""The ledger over SQLite: embedded, durable, for one process.

``tables.py`` has the tables and what they may hold.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from availability.errors import AvailabilityError, StoreUnavailable
from availability.ledger.group_commit import Combiner, failure_of
from availability.ledger.logic.stock_import import judge
from availability.ledger.memory.deltas import UnitsDelta, moves_of
from availability.ledger.memory.mirror import Mirror
from availability.ledger.memory.places import Places
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
from availability.ledger.sqlite.database import SqliteDatabase
from availability.ledger.sqlite.locations import put_locations
from availability.ledger.sqlite.reads import (
    load_mirror,
    read_loads,
    read_page,
    read_version,
)
from availability.ledger.sqlite.reserve import reserve_group
from availability.ledger.sqlite.session import Cursor, SqliteSession
from availability.ledger.sqlite.stock_import import import_stock
from availability.ledger.statements.audit import audit, repair_drifts
from availability.ledger.statements.commands import Changed, change, swap_together
from availability.ledger.statements.locations import check_locations
from availability.ledger.statements.movements import read_movements
from availability.ledger.statements.records import (
    find,
    first_reply,
    open_plans,
    plan_reply,
    store_reply,
    waiting_plans,
)
from availability.ledger.statements.setup_items import SetupDraft
from availability.ledger.statements.sweeps import sweep
from availability.ledger.statements.withdrawals import (
    check_withdrawals,
    list_withdrawals,
    put_withdrawals,
)
from availability.ledger.statements.zones import list_zones, rezone
from availability.ledger.times import milliseconds, utc_day
from availability.model import (
    Clock,
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


@dataclass(slots=True)
class _Writing:
    """A transaction being written, and what memory does once it is committed."""

    db: Cursor
    session: SqliteSession
    mirror: Mirror
    now: float
    follow: Callable[[], None] = lambda: None
    unversioned: bool = False
    """Memory may change and the version not: a version that is as it was proves
    nothing."""


class SqliteLedger:
    """See `availability.ledger.protocol.Ledger`.

    Threads that reserve at the same time share a commit: what a commit costs is
    the disk's sync.

    Raises
    ------
    StoreTooOld
        The engine has a known fault, or the file is another application's or of
        another version.
    StoreUnavailable
        The file can not be opened, or another process has it open.
    """

    shared = False
    """The file is locked for this process."""

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self._clock = clock
        self._database = SqliteDatabase(path)
        self._doubtful = False
        self._doubts_version = False
        self._combiner: Combiner[Reservation, bytes | AvailabilityError] = Combiner(
            self._database.exclusive, self._commit, failure_of, GROUP_LIMIT
        )
        try:
            with self._database.exclusive():
                self._mirror = self._load()
        except BaseException:
            self._database.close()
            raise

    def _load(self) -> Mirror:
        with self._database.reading() as db:
            return load_mirror(db, utc_day(self._clock()))

    # Writes.

    def put_locations(
        self,
        locations: Sequence[Location],
        request: Request = Request(),
        encode: Callable[[PutResult], bytes] = PutResult.to_json,
    ) -> bytes:
        """Create or replace locations; see `Ledger.put_locations`."""
        check_locations(locations)
        with self._writing() as tx:
            session, mirror, now = tx.session, tx.mirror, tx.now
            reply = first_reply(session, request)
            if reply is not None:
                return reply
            known = mirror.places.locations
            changed = [x for x in locations if known.get(x.location_id) != x]
            version = mirror.version + bool(changed)
            places = mirror.places.with_put(changed, version)
            replaced = sum(each.location_id in known for each in locations)
            reply = encode(PutResult(len(locations) - replaced, replaced))
            store_reply(session, request, now, reply)
            if changed:
                left = rezone(session, locations, mirror.places, now)
                put_locations(tx.db, changed, places)
                tx.db.execute(_SET_NETWORK, (version,))
                tx.follow = lambda: self._moved(places, left)
        return reply

    def put_setup(
        self,
        change: SetupChange,
        locations: Sequence[Location] = (),
        request: Request = Request(),
        encode: Callable[[SetupResult], bytes] = SetupResult.to_json,
        *,
        dry_run: bool = False,
    ) -> bytes:
        """Change what is said about selling; see `Ledger.put_setup`."""
        check_locations(locations)
        request = Request() if dry_run else request
        with self._writing() as tx:
            session, mirror, now = tx.session, tx.mirror, tx.now
            reply = first_reply(session, request)
            if reply is not None:
                return reply
            known = mirror.places.locations
            moved = [x for x in locations if known.get(x.location_id) != x]
            version = mirror.version + 1
            places = mirror.places.with_put(moved, version) if moved else mirror.places
            draft = SetupDraft(mirror.setup, change, places.network, mirror.promised)
            changes = bool(moved) or draft.changes
            version = version if changes else mirror.version
            reply = encode(draft.result(locations, known, version))
            if dry_run:
                return reply
            store_reply(session, request, now, reply)
            if not changes:
                return reply
            setup = mirror.setup
            if draft.changes:
                setup = replace(draft.after, version=version)
                draft.write(session, version)
                tx.db.execute(_SET_SETUP, (version,))
            left: list[UnitsDelta] = []
            if moved:
                left = list(rezone(session, locations, mirror.places, now))
                put_locations(tx.db, moved, places)
                tx.db.execute(_SET_NETWORK, (version,))
            _set_version(tx.db, version)

            if moved:
                tx.follow = lambda: self._moved(places, left, setup)
            else:
                tx.follow = lambda: mirror.say(setup, version)
        return reply

    def _moved(
        self, places: Places, left: Sequence[UnitsDelta], setup: Setup | None = None
    ) -> None:
        """Take over locations that were put, and what their zones hold now."""
        before = self._mirror
        if places.same_columns(before.places):
            before.move(places, left, places.network.version, setup)
        else:
            self._mirror = self._load()

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
        # First: what was right when it was answered may not be any more.
        request = Request() if dry_run else request
        reply = self.replay(request)
        if reply is not None:
            return reply
        judged = judge(mode, changes, self._current().places, max_drop_permille)
        with self._writing() as tx:
            session, mirror, now = tx.session, tx.mirror, tx.now
            reply = first_reply(session, request)
            if reply is not None:
                return reply
            if judged.zones_of != mirror.places.network.version:
                judged = judge(mode, changes, mirror.places, max_drop_permille)
            done = import_stock(
                tx.db,
                judged,
                milliseconds(now),
                request.request_id,
                dry_run=dry_run,
            )
            version = mirror.version + (done.changes and not dry_run)
            reply = encode(done.result(version))
            if dry_run:
                return reply
            store_reply(session, request, now, reply)
            _set_version(tx.db, version)
            tx.unversioned = not done.changes
            moved = {}
            if done.changes and mirror.setup.channels:
                # Nobody guards a promise where no channel is declared.
                moved = moves_of(done.units)
                tx.db.executemany(_COUNT_MOVE, [(sku,) for _, sku in sorted(moved)])
            tx.follow = lambda: mirror.set(done.units, version, added=[moved])
        return reply

    def reserve(self, reservation: Reservation) -> bytes:
        """Allocate a plan's claims and store it; see `Ledger.reserve`."""
        _check_text(reservation)
        outcome = self._combiner.submit(reservation)
        if isinstance(outcome, AvailabilityError):
            raise outcome
        return outcome

    def reserve_many(
        self, reservations: Sequence[Reservation]
    ) -> list[bytes | AvailabilityError]:
        """Reserve one after another; see `Ledger.reserve_many`."""
        for reservation in reservations:
            _check_text(reservation)
        outcomes: list[bytes | AvailabilityError] = []
        for start in range(0, len(reservations), GROUP_LIMIT):
            group = reservations[start : start + GROUP_LIMIT]
            try:
                outcomes += self._commit(group)
            except StoreUnavailable as error:
                outcomes += [failure_of(error) for _ in group]
        return outcomes

    def _commit(
        self, reservations: Sequence[Reservation]
    ) -> list[bytes | AvailabilityError]:
        """Reserve in one transaction; the caller may hold the writer's lock."""
        with self._writing() as tx:
            mirror, now = tx.mirror, tx.now
            group = reserve_group(tx.db, mirror, reservations, now)
            version = mirror.version + group.promises
            if group.promises:
                _set_version(tx.db, version)
            day = utc_day(now)
            tx.follow = lambda: mirror.take(group.stored, day, version)
        return group.outcomes

    def change(
        self,
        plan: PlanRef,
        command: Command,
        request: Request = Request(),
        encode: Callable[[ReservationRecord], bytes] = record_to_json,
    ) -> bytes:
        """Do what a command says to a reservation; see `Ledger.change`."""
        with self._writing() as tx:
            session, now = tx.session, tx.now
            reply = first_reply(session, request)
            if reply is not None:
                return reply
            changed = change(session, plan, command, now)
            reply = encode(changed.record)
            store_reply(session, request, now, reply)
            self._follow(tx, [changed], changed.left)
        return reply

    def swap_together(self, swaps: Sequence[tuple[PlanRef, Swap]]) -> None:
        """Do several swaps in one transaction; see `Ledger.swap_together`."""
        check_together(swaps)
        with self._writing() as tx:
            changes = swap_together(tx.session, swaps, tx.now)
            left = [units for each in changes for units in each.left]
            self._follow(tx, changes, left)

    def sweep(self, limit: int = SWEEP_LIMIT) -> Swept:
        """End what is due; see `Ledger.sweep`."""
        with self._writing() as tx:
            done = sweep(tx.session, tx.now, limit)
            left = [units for each in done.changes for units in each.left]
            self._follow(tx, done.changes, left, done.left)
        return done.swept

    def put_withdrawals(
        self,
        changes: Sequence[Withdrawals],
        request: Request = Request(),
        encode: Callable[[int], bytes] = version_to_json,
    ) -> bytes:
        """Replace withdrawals; see `Ledger.put_withdrawals`."""
        check_withdrawals(changes, self._current().places)
        with self._writing() as tx:
            session, mirror, now = tx.session, tx.mirror, tx.now
            reply = first_reply(session, request)
            if reply is not None:
                return reply
            left = put_withdrawals(session, changes, mirror.places, now)
            reply = encode(mirror.version + bool(left))
            store_reply(session, request, now, reply)
            self._follow(tx, (), (), left)
        return reply

    def _follow(
        self,
        tx: "_Writing",
        changes: Sequence[Changed],
        left: Sequence[UnitsDelta],
        moved: Sequence[UnitsDelta] = (),
    ) -> None:
        """Raise the version by what changed, and let memory follow the commit.

        ``left`` comes of the changes, ``moved`` of anything else.
        """
        mirror = tx.mirror
        counts = [each.counts for each in changes if each.counts]
        counts += [moves_of(moved)] if moved else []
        left = [*left, *moved]
        version = mirror.version + bool(left or counts)
        if version == mirror.version:
            return
        _set_version(tx.db, version)
        loads = None
        if any(each.loads for each in changes):
            loads = read_loads(tx.db, mirror.places, utc_day(tx.now))

        tx.follow = lambda: mirror.set(left, version, added=counts, loads=loads)

    @contextlib.contextmanager
    def _writing(self) -> Iterator["_Writing"]:
        """Give a transaction, memory equal to the database, and the time.

        What the block says is to follow is done when the commit is, before anyone
        else writes. When the block fails otherwise than by saying no, memory is
        doubted: a commit that failed may have happened all the same, and an
        interruption may fall between a commit and what follows it.
        """
        with self._database.exclusive():
            self._resolve_doubt()
            unversioned = False
            try:
                with self._database.transaction() as db:
                    tx = _Writing(db, SqliteSession(db), self._mirror, self._clock())
                    yield tx
                    unversioned = tx.unversioned
                tx.follow()
            except BaseException as error:
                no = isinstance(error, AvailabilityError)
                self._doubtful = not no or isinstance(error, StoreUnavailable)
                self._doubts_version = self._doubtful and unversioned
                raise

    def _resolve_doubt(self) -> None:
        """Read memory anew if the database went another way than it."""
        if self._doubtful:
            with self._database.reading() as db:
                version = read_version(db)
            if self._doubts_version or version != self._mirror.version:
                self._mirror = self._load()
            self._doubtful = self._doubts_version = False

    # Reads.

    def replay(self, request: Request) -> bytes | None:
        """Return the reply a request was given; see `Ledger.replay`."""
        if not request.request_id:
            return None
        with self._database.reading() as db:
            return first_reply(SqliteSession(db), request)

    def plan(self, plan_id: str) -> bytes:
        """Return a plan as it is; see `Ledger.plan`."""
        with self._database.reading() as db:
            return plan_reply(SqliteSession(db), plan_id)

    def reservation(self, plan: PlanRef) -> ReservationRecord:
        """Return a plan and what became of it; see `Ledger.reservation`."""
        with self._database.snapshot() as db:
            return find(SqliteSession(db), plan).record

    def open_plans(
        self,
        states: Sequence[ReservationState] = OPEN_STATES,
        created_before_seconds: float | None = None,
        after: int = 0,
        limit: int = MAX_OPEN_PLANS,
    ) -> OpenPlans:
        """Return plans that may still change; see `Ledger.open_plans`."""
        check_open_plans(limit, states)
        with self._database.snapshot() as db:
            session = SqliteSession(db)
            return open_plans(session, states, created_before_seconds, after, limit)

    def waiting_plans(self, sku: Sku, limit: int = MAX_OPEN_PLANS) -> list[PlanRef]:
        """Return plans that wait for a SKU; see `Ledger.waiting_plans`."""
        check_open_plans(limit)
        with self._database.reading() as db:
            return waiting_plans(SqliteSession(db), sku, limit)

    def withdrawals(
        self, skus: Sequence[Sku] = (), location_ids: Sequence[LocationId] = ()
    ) -> list[Withdrawal]:
        """Return withdrawals; see `Ledger.withdrawals`."""
        with self._database.reading() as db:
            return list_withdrawals(SqliteSession(db), skus, location_ids)

    def zones(
        self, skus: Sequence[Sku], location_ids: Sequence[LocationId] = ()
    ) -> list[ZoneRecord]:
        """Return counts zone by zone; see `Ledger.zones`."""
        places = self._current().places
        with self._database.reading() as db:
            return list_zones(SqliteSession(db), places, skus, location_ids)

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
        with self._database.reading() as db:
            session = SqliteSession(db)
            return read_movements(session, sku, location_id, plan_id, after, limit)

    def queued(self) -> Mapping[tuple[str, Sku], int]:
        """Return the units queued; see `Ledger.queued`."""
        return self._current().queued

    def setup(self) -> Setup:
        """Return what is said about selling; see `Ledger.setup`."""
        return self._current().setup

    def positions(self, skus: Sequence[Sku]) -> Positions:
        """Return what is known of some SKUs; see `Ledger.positions`."""
        return self._current().positions(skus)

    def changes(self, mark: Mark | None = None) -> Changes:
        """Return which SKUs changed since a mark; see `Ledger.changes`."""
        return self._current().changes(mark)

    def audit(self, repair: bool = False) -> AuditReport:
        """Recompute every balance; see `Ledger.audit`."""
        if not repair:
            with self._database.snapshot() as db:
                return audit(SqliteSession(db))
        with self._writing() as tx:
            report = repair_drifts(tx.session, tx.now)
            if report.drifts:
                _set_version(tx.db, tx.mirror.version + 1)
                tx.follow = self._reload
        return report

    def _reload(self) -> None:
        self._mirror = self._load()

    def refresh(self) -> None:
        """Do nothing: no other process writes this file."""

    def network(self) -> Network:
        """Return all locations; see `Ledger.network`."""
        return self._current().places.network

    def grid(self) -> StockGrid:
        """Return the available units in memory; see `Ledger.grid`."""
        return self._current().grid

    def capacity_left(self) -> Mapping[LocationId, CapacityLeft]:
        """Return what is left of today's capacities; see `Ledger.capacity_left`."""
        mirror = self._current()
        if not mirror.places.capped:
            return {}
        return mirror.capacity_left(utc_day(self._clock()))

    def version(self) -> int:
        """Return the ledger's version; see `Ledger.version`."""
        return self._current().version

    def _current(self) -> Mirror:
        if self._doubtful:
            with self._database.exclusive():
                self._resolve_doubt()
        return self._mirror

    def stock(
        self,
        skus: Sequence[Sku] = (),
        location_ids: Sequence[LocationId] = (),
        after: StockCursor | None = None,
        limit: int = 1_000,
    ) -> StockPage:
        """Return a page of records; see `Ledger.stock`."""
        check_limit(limit)
        places = self._current().places
        with self._database.reading() as db:
            return read_page(db, places, skus, location_ids, after, limit)

    def close(self) -> None:
        """Close the database; see `Ledger.close`."""
        self._database.close()


_SET_NETWORK = "UPDATE ledger SET version = ?1, network_version = ?1"
_COUNT_MOVE = """
INSERT INTO queue (channel_id, sku, queued, promised) VALUES ('', ?, 0, 1)
ON CONFLICT (channel_id, sku) DO UPDATE SET promised = promised + 1
"""
_SET_SETUP = "UPDATE ledger SET setup_version = ?"


def _set_version(db: Cursor, version: int) -> None:
    db.execute("UPDATE ledger SET version = ?", (version,))


def _check_text(reservation: Reservation) -> None:
    """Refuse what can not be stored here, where it can not fail another's commit."""
    request_id = reservation.request.request_id
    for text in (reservation.plan_id, reservation.order_id, request_id):
        text.encode()
    for claim in reservation.claims:
        claim.line_id.encode()
    for queued in reservation.queued:
        (queued.channel_id + queued.sku + queued.line_id).encode()
    (reservation.channel_id + reservation.customer_id).encode()
