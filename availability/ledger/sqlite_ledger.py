"""The ledger over SQLite: embedded, durable, for one process.

======================  ==========================================================
table                   one row for
======================  ==========================================================
``ledger``              the file: its version, and the network's
``location``            a location; keys count up in the order they were first put
``stock``               what one location holds of one SKU, and what is allocated
``plan``                a plan and its reply; ``live`` if it has claims
``claim``               what a plan holds of one SKU at one location
``location_load``       what a location with a capacity was given on one UTC day
``request``             a request id, its digest, and its reply or its plan
======================  ==========================================================

``schema.sql`` has the columns and what they may hold.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from availability.errors import (
    AvailabilityError,
    InvalidChange,
    PlanNotFound,
    RequestReused,
    StoreUnavailable,
)
from availability.ledger.combiner import Combiner
from availability.ledger.mirror import Mirror, utc_day
from availability.ledger.protocol import (
    GROUP_LIMIT,
    MAX_PAGE,
    CapacityLeft,
    StockCursor,
    StockPage,
)
from availability.ledger.sqlite import Cursor, Database
from availability.ledger.sqlite_import import import_stock, judge
from availability.ledger.sqlite_locations import check_locations, put_locations
from availability.ledger.sqlite_reads import (
    find_plan,
    find_request,
    first_reply,
    load_mirror,
    read_page,
    read_version,
)
from availability.ledger.sqlite_reserve import reserve_group, store_reply
from availability.model import (
    Clock,
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
)


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

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self._clock = clock
        self._database = Database(path)
        self._doubtful = False
        self._combiner: Combiner[Reservation, bytes | AvailabilityError] = Combiner(
            self._database.exclusive, self._commit, _failure, GROUP_LIMIT
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
        with self._database.exclusive(), self._in_step() as before:
            known = before.places.locations
            changed = [x for x in locations if known.get(x.location_id) != x]
            version = before.version + bool(changed)
            places = before.places.with_put(changed, version)
            with self._database.transaction() as db:
                reply = first_reply(find_request(db, request), request)
                if reply is not None:
                    return reply
                replaced = sum(each.location_id in known for each in locations)
                reply = encode(PutResult(len(locations) - replaced, replaced))
                store_reply(db, request, self._clock(), None, reply)
                if changed:
                    put_locations(db, changed, places)
                    db.execute(
                        "UPDATE ledger SET version = ?1, network_version = ?1",
                        (version,),
                    )
            if changed and places.same_columns(before.places):
                before.move(places)
            elif changed:
                self._mirror = self._load()
        return reply

    def import_stock(
        self,
        mode: ImportMode,
        changes: Sequence[StockChange],
        request: Request = Request(),
        encode: Callable[[ImportResult], bytes] = ImportResult.to_json,
    ) -> bytes:
        """Set or change what is on hand; see `Ledger.import_stock`."""
        judged = judge(mode, changes, self._mirror.places)
        with self._database.exclusive(), self._in_step() as mirror:
            with self._database.transaction() as db:
                reply = first_reply(find_request(db, request), request)
                if reply is not None:
                    return reply
                done = import_stock(db, judged)
                version = mirror.version + bool(done.units)
                result = ImportResult(done.changed_count, done.zeroed_count, version)
                reply = encode(result)
                store_reply(db, request, self._clock(), None, reply)
                _set_version(db, version)
            mirror.set(done.units, version)
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
                with self._database.exclusive():
                    outcomes += self._commit(group)
            except StoreUnavailable as error:
                outcomes += [_failure(error) for _ in group]
        return outcomes

    def _commit(
        self, reservations: Sequence[Reservation]
    ) -> list[bytes | AvailabilityError]:
        """Reserve in one transaction; the caller holds the writer's lock."""
        with self._in_step() as mirror:
            now = self._clock()
            with self._database.transaction() as db:
                group = reserve_group(db, mirror, reservations, now)
                version = mirror.version + group.allocates
                if group.allocates:
                    _set_version(db, version)
            mirror.take(group.stored, utc_day(now), version)
        return group.outcomes

    @contextlib.contextmanager
    def _in_step(self) -> Iterator[Mirror]:
        """Give the mirror, equal to the database; doubt it when the block fails.

        A commit that failed may have happened all the same, and an interruption
        may fall between a commit and its mirroring.
        """
        self._resolve_doubt()
        try:
            yield self._mirror
        except (InvalidChange, RequestReused):
            raise
        except BaseException:
            self._doubtful = True
            raise

    def _resolve_doubt(self) -> None:
        """Read memory anew if the database went another way than it."""
        if self._doubtful:
            with self._database.reading() as db:
                version = read_version(db)
            if version != self._mirror.version:
                self._mirror = self._load()
            self._doubtful = False

    # Reads.

    def replay(self, request: Request) -> bytes | None:
        """Return the reply a request was given; see `Ledger.replay`."""
        if not request.request_id:
            return None
        with self._database.reading() as db:
            found = find_request(db, request)
        return first_reply(found, request)

    def plan(self, plan_id: str) -> bytes:
        """Return a plan's reply; see `Ledger.plan`."""
        with self._database.reading() as db:
            reply = find_plan(db, plan_id)
        if reply is None:
            raise PlanNotFound(plan_id)
        return reply

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
        if not 1 <= limit <= MAX_PAGE:
            raise ValueError(f"limit must be 1 to {MAX_PAGE}, got {limit}")
        places = self._current().places
        with self._database.reading() as db:
            return read_page(db, places, skus, location_ids, after, limit)

    def close(self) -> None:
        """Close the database; see `Ledger.close`."""
        self._database.close()


def _set_version(db: Cursor, version: int) -> None:
    db.execute("UPDATE ledger SET version = ?", (version,))


def _check_text(reservation: Reservation) -> None:
    """Refuse what can not be stored here, where it can not fail another's commit."""
    request_id = reservation.request.request_id
    for text in (reservation.plan_id, reservation.order_id, request_id):
        text.encode()


def _failure(error: BaseException) -> StoreUnavailable:
    """Make a thread's own error of the one that struck its whole commit."""
    failure = StoreUnavailable(str(error))
    failure.__cause__ = error
    return failure
