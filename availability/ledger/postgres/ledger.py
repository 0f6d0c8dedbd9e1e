"""The ledger over PostgreSQL: many processes, one truth.

``tables.py`` has the tables and what they may hold. A process keeps what it needs to
plan in memory, in step with its own commits and, by `PostgresLedger.refresh`, with
those of others; nothing is promised from memory.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from availability.errors import AvailabilityError, StoreUnavailable
from availability.ledger.group_commit import Combiner, failure_of
from availability.ledger.logic.stock_import import judge
from availability.ledger.memory.deltas import moves_of
from availability.ledger.postgres.locations import read_places, write_locations
from availability.ledger.postgres.reads import read_promised, read_setup
from availability.ledger.postgres.reserve import (
    RESERVE,
    GroupOutcome,
    arguments,
    check_text,
)
from availability.ledger.postgres.session import (
    LONG_SECONDS,
    WHOLE_TABLES,
    PostgresSession,
)
from availability.ledger.postgres.stock_import import import_stock
from availability.ledger.postgres.writer import DRAW, PostgresWriter, WriteResult
from availability.ledger.protocol import (
    GROUP_LIMIT,
    SWEEP_LIMIT,
    check_together,
    record_to_json,
    version_to_json,
)
from availability.ledger.statements.audit import repair_drifts
from availability.ledger.statements.commands import change, swap_together
from availability.ledger.statements.locations import check_locations
from availability.ledger.statements.records import first_reply, store_reply
from availability.ledger.statements.setup_items import SetupDraft
from availability.ledger.statements.sweeps import sweep
from availability.ledger.statements.withdrawals import (
    check_withdrawals,
    put_withdrawals,
)
from availability.ledger.statements.zones import rezone
from availability.ledger.times import milliseconds
from availability.model import (
    Clock,
    ImportMode,
    ImportResult,
    Location,
    PutResult,
    Request,
    StockChange,
)
from availability.positions import counted_by
from availability.reservations import (
    AuditReport,
    Command,
    PlanRef,
    Reservation,
    ReservationRecord,
    Swap,
    Swept,
    Withdrawals,
)
from availability.setup.setup import SetupChange, SetupResult

_SHARE_NETWORK = "SELECT network_version FROM ledger FOR SHARE"
_LOCK_NETWORK = "SELECT network_version FROM ledger FOR UPDATE"
_COUNT_MOVES = """
INSERT INTO queue AS old (channel_id, sku, queued, promised)
SELECT '', k.sku, 0, 1 FROM unnest(%(skus)s::text[]) WITH ORDINALITY AS k(sku, n)
ORDER BY k.n
ON CONFLICT (channel_id, sku) DO UPDATE SET promised = old.promised + 1
"""
_SET_SETUP = "UPDATE ledger SET version = %(version)s, setup_version = %(version)s"
_SET_NETWORK = """
UPDATE ledger SET version = %(version)s, network_version = %(version)s
"""
# Nobody may move a balance between the look at it and its repair.
_LOCK_BALANCES = """
LOCK TABLE plan, stock, zone_stock, queue, withdrawal, location_load, plan_load,
  movement IN EXCLUSIVE MODE
"""


class PostgresLedger(PostgresWriter):
    """See `availability.ledger.protocol.Ledger`.

    Threads that reserve at the same time share a commit, and a process has one write
    under way at a time: what all want is waited for by as many connections as there
    are processes. ``clock`` None takes the time from the database: all agree on it.

    Raises
    ------
    StoreTooOld
        The server is too old, or the tables are another application's or another
        version's.
    StoreUnavailable
        The driver is not installed, or there is no such database.
    """

    shared = True
    """Other servers, and other programs, may write the same tables."""

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        super().__init__(url, clock)
        self._combiner: Combiner[Reservation, bytes | AvailabilityError] = Combiner(
            self._database.exclusive, self._commit, failure_of, GROUP_LIMIT
        )

    def put_locations(
        self,
        locations: Sequence[Location],
        request: Request = Request(),
        encode: Callable[[PutResult], bytes] = PutResult.to_json,
    ) -> bytes:
        """Create or replace locations; see `Ledger.put_locations`."""
        check_locations(locations)

        def work(session: PostgresSession, now: float) -> WriteResult[bytes]:
            reply = first_reply(session, request)
            if reply is not None:
                return WriteResult(reply)
            session.run(_LOCK_NETWORK)
            before = read_places(session)
            known = before.locations
            changed = [x for x in locations if known.get(x.location_id) != x]
            replaced = sum(each.location_id in known for each in locations)
            reply = encode(PutResult(len(locations) - replaced, replaced))
            store_reply(session, request, now, reply)
            if not changed:
                return WriteResult(reply)
            ((drawn, xid),) = session.run(DRAW)
            places = before.with_put(changed, drawn)
            left = rezone(session, locations, before, now)
            write_locations(session, changed, places)
            session.run(_SET_NETWORK, {"version": drawn})
            version = self._memory.next_version(drawn)

            def follow() -> None:
                mirror = self._memory.mirror
                if places.same_columns(mirror.places):
                    mirror.move(places, left, version)
                else:
                    self._memory.reload(version)

            return WriteResult(reply, xid, follow)

        return self._answer(request, work)

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

        def work(session: PostgresSession, now: float) -> WriteResult[bytes]:
            reply = first_reply(session, request)
            if reply is not None:
                return WriteResult(reply)
            session.run(_LOCK_NETWORK)
            before, setup = read_places(session), read_setup(session)
            moved = [x for x in locations if before.locations.get(x.location_id) != x]
            network = before.with_put(moved, before.network.version + 1).network
            counts = read_promised(session, change, setup)
            draft = SetupDraft(setup, change, network, counts)
            changes = bool(moved) or draft.changes
            if dry_run or not changes:
                version = self._memory.mirror.version
                reply = encode(draft.result(locations, before.locations, version))
                store_reply(session, request, now, reply)
                return WriteResult(reply)
            ((drawn, xid),) = session.run(DRAW)
            version = self._memory.next_version(drawn)
            reply = encode(draft.result(locations, before.locations, version))
            store_reply(session, request, now, reply)
            if draft.changes:
                draft.write(session, drawn)
                session.run(_SET_SETUP, {"version": drawn})
            if moved:
                rezone(session, locations, before, now)
                write_locations(session, moved, before.with_put(moved, drawn))
                session.run(_SET_NETWORK, {"version": drawn})

            def follow() -> None:
                if moved:
                    self._memory.reload(version)
                else:
                    mirror = self._memory.mirror
                    mirror.say(replace(draft.after, version=drawn), version)

            return WriteResult(reply, xid, follow)

        return self._answer(request, work, LONG_SECONDS)

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
        self.refresh()  # another process may have put the locations a moment ago
        places = self._memory.current().places
        judged = judge(mode, changes, places, max_drop_permille)

        def work(session: PostgresSession, now: float) -> WriteResult[bytes]:
            reply = first_reply(session, request)
            if reply is not None:
                return WriteResult(reply)
            ((network,),) = session.run(_SHARE_NETWORK)  # no zone opens or closes now
            fair = judged
            if fair.zones_of != network:
                fair = judge(mode, changes, read_places(session), max_drop_permille)
            done = import_stock(
                session,
                fair,
                milliseconds(now),
                request.request_id,
                dry_run=dry_run,
            )
            version, xid = self._drawn(session, done.changes and not dry_run)
            reply = encode(done.result(version))
            if dry_run:
                return WriteResult(reply)
            store_reply(session, request, now, reply)
            units, moved = done.units, {}
            if done.changes and self._memory.mirror.setup.channels:
                # Nobody guards a promise where no channel is declared.
                moved = moves_of(units)
                session.run(_COUNT_MOVES, {"skus": [sku for _, sku in sorted(moved)]})
            return WriteResult(
                reply,
                xid,
                lambda: self._take_over(units, version, network, added=[moved]),
            )

        return self._answer(request, work, LONG_SECONDS)

    def reserve(self, reservation: Reservation) -> bytes:
        """Allocate a plan's claims and store it; see `Ledger.reserve`."""
        check_text(reservation)
        outcome = self._combiner.submit(reservation)
        if isinstance(outcome, AvailabilityError):
            raise outcome
        return outcome

    def reserve_many(
        self, reservations: Sequence[Reservation]
    ) -> list[bytes | AvailabilityError]:
        """Reserve one after another; see `Ledger.reserve_many`."""
        for reservation in reservations:
            check_text(reservation)
        outcomes: list[bytes | AvailabilityError] = []
        for start in range(0, len(reservations), GROUP_LIMIT):
            group = reservations[start : start + GROUP_LIMIT]
            try:
                with self._database.exclusive():
                    outcomes += self._commit(group)
            except StoreUnavailable as error:
                outcomes += [failure_of(error) for _ in group]
        return outcomes

    def _commit(
        self, reservations: Sequence[Reservation]
    ) -> list[bytes | AvailabilityError]:
        """Reserve in one round trip; the caller holds the writer's lock."""
        memory = self._memory
        with memory.in_step() as mirror:
            now = None if self._clock is None else milliseconds(self._clock())
            values = arguments(reservations, now)
            (row,) = self._database.once(RESERVE, values)
            done = GroupOutcome.of(reservations, values, row)
            version = mirror.version
            if done.version is not None and done.xid is not None:
                version = memory.next_version(done.version)
                memory.committed(done.xid)

            def follow() -> None:
                self._take_over(
                    done.units,
                    version,
                    done.network,
                    added=[counted_by(each) for each in done.stored],
                    more_loads=done.loads,
                )

            memory.follow(follow)
            if done.guarded:
                # The next attempt is to know what this one did not.
                memory.follow(memory.catch_up)
        return done.outcomes

    def change(
        self,
        plan: PlanRef,
        command: Command,
        request: Request = Request(),
        encode: Callable[[ReservationRecord], bytes] = record_to_json,
    ) -> bytes:
        """Do what a command says to a reservation; see `Ledger.change`."""

        def work(session: PostgresSession, now: float) -> WriteResult[bytes]:
            reply = first_reply(session, request)
            if reply is not None:
                return WriteResult(reply)
            session.run(_SHARE_NETWORK)  # no zone opens or closes now
            changed = change(session, plan, command, now)
            reply = encode(changed.record)
            store_reply(session, request, now, reply)
            return self._changed(session, reply, [changed], changed.left, now)

        return self._answer(request, work)

    def swap_together(self, swaps: Sequence[tuple[PlanRef, Swap]]) -> None:
        """Do several swaps in one transaction; see `Ledger.swap_together`."""
        check_together(swaps)

        def work(session: PostgresSession, now: float) -> WriteResult[None]:
            session.run(_SHARE_NETWORK)  # no zone opens or closes now
            changes = swap_together(session, swaps, now)
            left = [units for each in changes for units in each.left]
            return self._changed(session, None, changes, left, now)

        self._write(work)

    def sweep(self, limit: int = SWEEP_LIMIT) -> Swept:
        """End what is due; see `Ledger.sweep`.

        One hold and one withdrawal to a transaction: holds fall due in no order of
        their stock rows, and many at once would deadlock with what is reserved.
        """

        def work(session: PostgresSession, now: float) -> WriteResult[Swept]:
            done = sweep(session, now, 1)
            left = [units for each in done.changes for units in each.left]
            return self._changed(
                session, done.swept, done.changes, left, now, done.left
            )

        total = Swept(0, 0, 0, 0)
        for _ in range(limit):
            swept = self._write(work)
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
        self.refresh()  # another process may have put the locations a moment ago
        places = self._memory.current().places
        check_withdrawals(changes, places)

        def work(session: PostgresSession, now: float) -> WriteResult[bytes]:
            reply = first_reply(session, request)
            if reply is not None:
                return WriteResult(reply)
            left = put_withdrawals(session, changes, places, now)
            version, xid = self._drawn(session, bool(left))
            reply = encode(version)
            store_reply(session, request, now, reply)
            network, moved = places.network.version, moves_of(left)
            return WriteResult(
                reply,
                xid,
                lambda: self._take_over(left, version, network, added=[moved]),
            )

        return self._answer(request, work)

    def audit(self, repair: bool = False) -> AuditReport:
        """Recompute every balance; see `Ledger.audit`."""
        if not repair:
            return self._audited()

        def work(session: PostgresSession, now: float) -> WriteResult[AuditReport]:
            session.run(_LOCK_BALANCES)
            session.run(WHOLE_TABLES)
            report = repair_drifts(session, now)
            if not report.drifts:
                return WriteResult(report)
            ((drawn, xid),) = session.run(DRAW)
            # A repaired balance has no movement that others could hear of.
            session.run("INSERT INTO news DEFAULT VALUES")
            version = self._memory.next_version(drawn)
            return WriteResult(report, xid, lambda: self._memory.reload(version))

        return self._write(work, LONG_SECONDS)
