"""How a PostgreSQL ledger writes, and how memory follows."""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from availability.errors import AvailabilityError, RequestReused, StoreUnavailable
from availability.ledger.memory.deltas import Added, Loads, UnitsDelta, moves_of
from availability.ledger.postgres.reads import read_loads
from availability.ledger.postgres.session import STATEMENT_SECONDS, PostgresSession
from availability.ledger.postgres.views import PostgresViews
from availability.ledger.statements.commands import Changed
from availability.ledger.times import utc_day
from availability.model import Request

DRAW = "SELECT nextval('ledger_version'), pg_current_xact_id()::text::bigint"
"""Draws the version of a commit that changes something; also its transaction."""
_NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"

ResultT = TypeVar("ResultT")


class WriteResult(NamedTuple, Generic[ResultT]):
    """What a write returns, and what memory does once it is committed.

    ``xid`` is its transaction, None if it changed nothing that memory holds.
    """

    result: ResultT
    xid: int | None = None
    follow: Callable[[], None] = lambda: None


class PostgresWriter(PostgresViews):
    """Transactions of `availability.ledger.postgres.ledger.PostgresLedger`."""

    def _changed(
        self,
        session: PostgresSession,
        result: ResultT,
        changes: Sequence[Changed],
        left: Sequence[UnitsDelta],
        now: float,
        moved: Sequence[UnitsDelta] = (),
    ) -> WriteResult[ResultT]:
        """Return what memory takes over from changes of reservations.

        ``left`` comes of the changes, ``moved`` of anything else.
        """
        counts = [each.counts for each in changes if each.counts]
        counts += [moves_of(moved)] if moved else []
        left = [*left, *moved]
        version, xid = self._drawn(session, bool(left or counts))
        if xid is None:
            return WriteResult(result)
        mirror = self._memory.mirror
        loads = None
        if any(each.loads for each in changes):
            loads = read_loads(session, mirror.places, utc_day(now))
        ((network,),) = session.run("SELECT network_version FROM ledger")

        return WriteResult(
            result,
            xid,
            lambda: self._take_over(left, version, network, added=counts, loads=loads),
        )

    def _drawn(self, session: PostgresSession, changes: bool) -> tuple[int, int | None]:
        """Draw the version of a transaction that changes something."""
        if not changes:
            return self._memory.mirror.version, None
        ((drawn, xid),) = session.run(DRAW)
        return self._memory.next_version(drawn), xid

    def _take_over(
        self,
        left: Sequence[UnitsDelta],
        version: int,
        network: int,
        *,
        added: Sequence[Added] = (),
        loads: Loads | None = None,
        more_loads: Loads | None = None,
    ) -> None:
        """Let memory follow a commit, made while the network had this version."""
        mirror = self._memory.mirror
        known = network == mirror.places.network.version
        mirror.set(
            left if known else (),
            version,
            added=added,
            loads=loads,
            more_loads=more_loads,
        )
        if not known:
            self._memory.catch_up()

    def _answer(
        self,
        request: Request,
        work: Callable[[PostgresSession, float], WriteResult[bytes]],
        seconds: int = STATEMENT_SECONDS,
    ) -> bytes:
        """Do a request's transaction, or return its first reply.

        A repeat may overtake its own first try, which another server is still
        committing: then it looks for the reply in vain, waits for the rows, and is
        refused for what it did itself. So no refusal is final before the reply was
        looked for again.
        """
        try:
            return self._write(work, seconds)
        except (StoreUnavailable, RequestReused):
            raise
        except AvailabilityError:
            reply = self.replay(request)
            if reply is None:
                raise
            return reply

    def _write(
        self,
        work: Callable[[PostgresSession, float], WriteResult[ResultT]],
        seconds: int = STATEMENT_SECONDS,
    ) -> ResultT:
        """Do a transaction, then let memory follow it before anyone else writes."""

        def whole(session: PostgresSession) -> WriteResult[ResultT]:
            if self._clock is not None:
                return work(session, self._clock())
            ((now,),) = session.run(_NOW)
            return work(session, now)

        memory = self._memory
        with self._database.exclusive(), memory.in_step():
            done = self._database.transaction(whole, seconds)
            if done.xid is not None:
                memory.committed(done.xid)
            memory.follow(done.follow)
        return done.result
