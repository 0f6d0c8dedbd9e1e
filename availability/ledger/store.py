"""What a database must do for `availability.ledger.stored_ledger.StoredLedger`.

A third database is one more `Store`.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol, TypeVar

from availability.errors import AvailabilityError
from availability.ledger.logic.stock_import import CheckedImport, Imported
from availability.ledger.memory.mirror import Mirror
from availability.ledger.statements.reads import PageQuery
from availability.ledger.statements.session import Row, Session
from availability.ledger.statements.setup_items import Promised
from availability.model import Location
from availability.reservations import Reservation
from availability.setup.setup import Setup, SetupChange

ResultT = TypeVar("ResultT")


class Extent(Enum):
    """How much of the tables a transaction reaches."""

    FEW = "few"
    """A few rows."""
    MANY = "many"
    """As many rows as an import or a setup names: it may take minutes."""
    ALL = "all"
    """All balances, which no other write changes meanwhile."""


class Version(NamedTuple):
    """The version of a commit: as the database stores it, and as memory counts it.

    They differ where several processes draw versions: memory's grows with every
    commit, though a later commit may have drawn earlier.
    """

    stored: int
    known: int


@dataclass(slots=True)
class Write:
    """A transaction under way.

    ``mirror`` is the memory before it and ``now`` the time, seconds since the epoch.
    ``draw`` raises the ledger's version, once in a transaction, and sets ``version``.
    ``follow`` is what memory takes over after the commit, before any other write.
    """

    session: Session
    mirror: Mirror
    now: float
    draw: Callable[[], Version]
    follow: Callable[[], None] | None = None
    version: Version | None = None


class Store(Protocol):
    """One database and the memory of it, `mirror`, in step with its commits.

    Every method may raise `StoreUnavailable`. Reads see committed data; `write` and
    `reserve_group` run one at a time in a process. When a commit's outcome is
    unknown, memory is compared with the database before it is used again.
    """

    @property
    def shared(self) -> bool:
        """Whether other processes may write the same database."""
        ...

    def seconds(self) -> float:
        """Return the time since the epoch, which decides the UTC day."""
        ...

    def mirror(self) -> Mirror:
        """Return the memory, loaded again if a failed commit left it in doubt."""
        ...

    def load(self, version: int, /) -> None:
        """Fill the memory again, with at least this version; within `exclusive`."""
        ...

    def news(self) -> None:
        """Take over what other processes committed."""
        ...

    def exclusive(self) -> AbstractContextManager[None]:
        """Keep this process's other writes out."""
        ...

    def reading(self) -> AbstractContextManager[Session]:
        """Run statements that each see what is committed."""
        ...

    def snapshot(
        self, extent: Extent = Extent.FEW, /
    ) -> AbstractContextManager[Session]:
        """Run statements that all see one consistent state."""
        ...

    def write(
        self, work: Callable[[Write], ResultT], extent: Extent = Extent.FEW, /
    ) -> ResultT:
        """Commit what ``work`` does, or on any exception none of it; then follow it.

        ``work`` may run several times and must have no effect outside its session.
        """
        ...

    def announce_repair(self, session: Session, /) -> None:
        """Make other processes load again: no movement shows them this commit."""
        ...

    def check_reservation(self, reservation: Reservation) -> None:
        """Raise ValueError for what this database cannot store.

        It is checked before the group commit, where it would fail others as well.
        """
        ...

    def check_location(self, location: Location, /) -> None:
        """Raise ValueError for what this database cannot store."""
        ...

    def reserve_group(
        self, reservations: Sequence[Reservation]
    ) -> list[bytes | AvailabilityError]:
        """Reserve one after another in one commit; within `exclusive`."""
        ...

    def import_stock(
        self,
        session: Session,
        judged: CheckedImport,
        now_ms: int,
        reference: str,
        *,
        dry_run: bool,
        count_moves: bool,
    ) -> Imported:
        """Write an import within the caller's transaction, or only compute it.

        ``count_moves``: also count each SKU whose stock moved, for the guards of
        reservations.

        Raises
        ------
        InvalidChange
            Every violation, up to `MAX_VIOLATIONS`, in the order of the changes.
        SnapshotDrops
            A snapshot would take away more than its guard allows.
        """
        ...

    def promised(self, write: Write, change: SetupChange, setup: Setup, /) -> Promised:
        """Return what was promised on the allocations that a change names.

        The counts stay as they are until the transaction ends.
        """
        ...

    def page(self, query: PageQuery) -> tuple[int, Iterable[Row]]:
        """Return the ledger's version and the rows of a page of stock."""
        ...

    def close(self) -> None:
        """Close the database; twice is once."""
        ...
