"""Below the ledger: its connection, and the file itself."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as driver

from availability.ledger.protocol import Ledger
from availability.ledger.sqlite.store import SqliteStore
from availability.ledger.stored_ledger import StoredLedger
from availability.model import Clock

Opener = Callable[..., StoredLedger]


def open_sqlite(path: Path | None, clock: Clock) -> StoredLedger:
    return StoredLedger(SqliteStore(path, clock))


def store_of(ledger: Ledger) -> SqliteStore:
    assert isinstance(ledger, StoredLedger)
    assert isinstance(ledger.store, SqliteStore)
    return ledger.store


def raw(ledger: Ledger) -> Any:
    """The writer's connection, to do to it what no caller can."""
    return store_of(ledger).database._writer


def check_file(path: Path) -> None:
    """The file is sound, and what is promised is what the movements add up to."""
    with closing(driver.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        for balance in ("on_hand", "allocated", "held", "withdrawn", "safety_stock"):
            wrong = db.execute(
                f"SELECT sku, location_key FROM stock"
                f" LEFT JOIN movement USING (sku, location_key)"
                f" GROUP BY sku, location_key"
                f" HAVING stock.{balance} <> total(movement.{balance})"
            )
            assert wrong.fetchall() == [], balance
