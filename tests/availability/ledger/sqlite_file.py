"""Below the ledger: its connection, and the file itself."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as driver

from availability.ledger.sqlite.ledger import SqliteLedger

Opener = Callable[..., SqliteLedger]


def raw(ledger: SqliteLedger) -> Any:
    """The writer's connection, to do to it what no caller can."""
    return ledger._database._writer


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
