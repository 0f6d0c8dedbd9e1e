"""A database of version 0001 is upgraded when it is opened, and loses nothing."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

from availability.errors import StockConflict
from availability.ledger.postgres.store import PostgresStore
from availability.ledger.protocol import Ledger
from availability.ledger.stored_ledger import StoredLedger
from availability.model import Sku
from availability.positions import Counts
from availability.reservations import Guard
from tests.availability.ledger.contract.selling import on
from tests.availability.ledger.migrations import version_0001
from tests.availability.ledger.sqlite_file import open_sqlite
from tests.availability.ledger.world import (
    Clock,
    change,
    check_books,
    check_grid,
    import_set,
    request,
    reservation,
)

Old = tuple[sa.Engine, Callable[[], Ledger]]
X = Sku("x")


@pytest.fixture(params=["sqlite", "postgresql"])
def old(
    request: pytest.FixtureRequest, path: Path
) -> Iterator[tuple[sa.Engine, Callable[[], Ledger]]]:
    """A database of version 0001, and what opens a ledger on it."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            engine = version_0001.sqlite_engine(path)

            def open_store() -> StoredLedger:
                return open_sqlite(path, Clock())
        else:
            url = request.getfixturevalue("fresh_url")
            assert isinstance(url, str)
            address = url.replace("postgresql://", "postgresql+psycopg://")
            engine = sa.create_engine(address, poolclass=NullPool)

            def open_store() -> StoredLedger:
                return StoredLedger(PostgresStore(url, Clock()))

        def opener() -> Ledger:
            ledger = open_store()
            stack.callback(ledger.close)
            return ledger

        version_0001.build(engine)
        yield engine, opener


def test_everything_is_carried_over(old: Old) -> None:
    engine, open_ledger = old
    before = version_0001.contents(engine)

    ledger = open_ledger()

    after = version_0001.contents(engine)
    assert after.pop("queue") == [("", "x", 1, 0), ("", "z", 4, 0), ("web", "x", 2, 5)]
    del before["queue"]
    assert after == before
    assert version_0001.rows_of(engine, "stock_moves") == [("x", 7), ("y", 2)]

    positions = ledger.positions([X, Sku("y"), Sku("z"), Sku("w")])
    assert positions.moves == {"x": 7, "y": 2}
    assert positions.counts == {
        "x": {"": Counts(1, 0), "web": Counts(2, 5)},
        "z": {"": Counts(4, 0)},
    }
    assert ledger.replay(request("r")) == ledger.plan("plan-1") == b"reply-1"
    report = ledger.audit()
    assert (report.drifts, report.drift_count) == ((), 0)
    assert (report.stock_count, report.movement_count) == (2, 6)
    check_books(ledger)
    check_grid(ledger)


def test_the_ledger_goes_on_from_there(old: Old) -> None:
    _, open_ledger = old
    ledger = open_ledger()

    def sell(name: str, moves: int) -> None:
        guard = Guard(X, ("web",), 100, moves=moves)
        ledger.reserve(on("web", reservation(name, ("a", "x", 1)), guard))

    with pytest.raises(StockConflict):
        sell("3", 6)
    sell("3", 7)
    import_set(ledger, change("a", "x", 30))
    with pytest.raises(StockConflict):
        sell("4", 7)
    sell("4", 8)

    ledger.close()
    ledger = open_ledger()  # and a second time there is nothing to upgrade
    assert ledger.positions([X]).moves == {"x": 8}
    assert ledger.positions([X]).counts[X]["web"] == Counts(2, 7)
    assert ledger.audit().drifts == ()


def test_moves_in_the_old_place_are_refused(old: Old) -> None:
    """So a server of the older version fails, and does not lose moves."""
    engine, open_ledger = old
    open_ledger().close()

    write = sa.text("INSERT INTO queue VALUES ('', 'y', 0, 1)")
    with engine.connect() as db, pytest.raises(IntegrityError):
        db.execute(write)
