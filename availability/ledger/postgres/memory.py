"""A process's memory of the ledger, in step with its commits and with others'."""

import contextlib
from collections.abc import Callable, Iterator

from availability.errors import AvailabilityError, StoreUnavailable
from availability.ledger.memory.mirror import Mirror
from availability.ledger.postgres.change_feed import SNAPSHOT, read_news
from availability.ledger.postgres.database import PostgresDatabase
from availability.ledger.postgres.reads import load_mirror
from availability.ledger.postgres.session import LONG_SECONDS
from availability.ledger.statements.reads import read_loads, read_setup
from availability.ledger.times import utc_day
from availability.model import Clock

MAX_OWN = 100_000
"""Most transactions that `catch_up` can recognise as this process's own."""


class Memory:
    """The mirror, and the snapshot up to which it includes others' commits.

    Changed only within `PostgresDatabase.exclusive`, read by any thread.

    Versions are drawn from a sequence, so they are the same in all processes up to
    the order of commits: one that commits late has drawn early. So that a version
    still grows with every commit a process sees, it is at least one more than before.
    """

    def __init__(self, database: PostgresDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._doubtful = False
        self._own: set[int] = set()
        self.mirror, self._seen = self.read_mirror()

    def read_mirror(self) -> tuple[Mirror, str]:
        """Read from the database all that memory holds, and the snapshot it is of."""
        with self._database.snapshot(LONG_SECONDS) as session:
            ((seen,),) = session.run(SNAPSHOT)
            return load_mirror(session, utc_day(self._clock())), seen

    def current(self) -> Mirror:
        """Return the mirror, brought up to date if a failed commit left it in doubt."""
        if self._doubtful:
            with self._database.exclusive():
                self._resolve_doubt()
        return self.mirror

    @contextlib.contextmanager
    def in_step(self) -> Iterator[Mirror]:
        """Give the mirror to a write, and doubt it when the write fails.

        A commit that failed may have happened, and an interruption may fall between a
        commit and what follows it. Only within `PostgresDatabase.exclusive`.
        """
        self._resolve_doubt()
        try:
            yield self.mirror
        except StoreUnavailable:
            self._doubtful = True
            raise
        except AvailabilityError:
            raise
        except BaseException:
            self._doubtful = True
            raise

    def next_version(self, drawn: int) -> int:
        """Return what the version is after a commit that drew this one."""
        return max(drawn, self.mirror.version + 1)

    def committed(self, xid: int) -> None:
        """Remember a transaction as this process's own."""
        if len(self._own) >= MAX_OWN:
            self._own.clear()
        self._own.add(xid)

    def follow(self, take_over: Callable[[], None]) -> None:
        """Take over a commit that has happened: what fails now is no failure of it."""
        try:
            take_over()
        except StoreUnavailable:
            self._doubtful = True

    def reload(self, version: int) -> None:
        """Load memory again, with at least this version."""
        mirror, self._seen = self.read_mirror()
        mirror.set((), max(mirror.version, version))
        self.mirror = mirror
        self._own.clear()

    def _resolve_doubt(self) -> None:
        if self._doubtful:
            self.catch_up()
            self._doubtful = False

    def catch_up(self) -> None:
        """Take over what was committed since the last look; within `exclusive`."""
        mirror, loads = self.mirror, None
        with self._database.session() as session:
            news = read_news(session, self._seen)
            if news.xids and mirror.places.capped:
                today = utc_day(self._clock())
                loads = read_loads(session, mirror.places, today)
        moved = news.network != mirror.places.network.version
        version = mirror.version
        changed = news.setup != mirror.setup.version
        if moved or changed or news.too_much or news.xids - self._own:
            version = max(news.version, version + 1)
        if moved or news.too_much:
            self.reload(version)
            return
        setup = None
        if changed:
            with self._database.snapshot(LONG_SECONDS) as session:
                setup = read_setup(session)
        # All at once: a version is one state.
        mirror.set(
            news.units,
            version,
            counts=news.counts,
            moves=news.moves,
            loads=loads,
            setup=setup,
        )
        self._seen = news.seen
        self._own.clear()
