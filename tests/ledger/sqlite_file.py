"""Below the ledger: its connection, and the file itself."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as driver

from availability.ledger.sqlite_ledger import SqliteLedger

Opener = Callable[..., SqliteLedger]


def raw(ledger: SqliteLedger) -> Any:
    """The writer's connection, to do to it what no caller can."""
    return ledger._database._writer


def check_file(path: Path) -> None:
    """The file is sound, and what is allocated is what plans claim."""
    with closing(driver.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        wrong = db.execute(
            "SELECT sku, location_key, allocated, total(quantity) FROM stock"
            " LEFT JOIN claim USING (sku, location_key)"
            " GROUP BY sku, location_key HAVING allocated <> total(quantity)"
        )
        assert wrong.fetchall() == []
