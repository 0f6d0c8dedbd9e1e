"""A small ledger as version 0001 left it: the frozen tables, and rows written by hand.

Nothing here may depend on today's tables or on today's writes.
"""

import json
from pathlib import Path

import sqlalchemy as sa
from pysqlite3 import dbapi2 as driver
from sqlalchemy.pool import NullPool

from availability.ledger.migrations.scripts import statements_of

_BODY = {
    "kind": "warehouse",
    "active": True,
    "latitude": None,
    "longitude": None,
    "country_code": "",
    "origin_id": "",
    "groups": [],
    "shipping_methods": [],
    "channel_ids": [],
    "capacity_orders": None,
    "capacity_units": None,
    "shipment_cost_micros": 0,
    "unit_cost_micros": 0,
    "workload_minutes": 0,
    "zones": [],
    "stale_after_seconds": 0,
    "lead_time_minutes": 0,
}
_PLAN = "plan_id, order_id, state, revision, body, reply, created_ms, work, channel_id,"
_MOVED = (
    "at_ms, cause, reference, plan_key, line_id, location_key, channel_id, sku,"
    " zone_id, on_hand, zone_units, allocated, held, withdrawn, safety_stock, queued"
)

_ROWS: tuple[tuple[str, str, tuple[tuple[object, ...], ...]], ...] = (
    ("location", "location_key, location_id, rank, body", (
        (1, "a", 1, json.dumps(_BODY)),
    )),
    ("setup_item", "kind, item_key, body, number", (
        ("channel", "web", '{"channel_id": "web", "rules": []}', 1),
    )),
    ("stock", "sku, location_key, on_hand, allocated, held, withdrawn, safety_stock,"
     " deficit, counted_ms", (
        ("x", 1, 20, 3, 0, 0, 0, 0, 1_000),
        ("y", 1, 5, 0, 0, 0, 0, 0, 1_000),
    )),
    ("plan", f"{_PLAN} customer_id", (
        ("plan-1", "order-1", "placed", 0, b"1", b"reply-1", 1_000, "", "web", ""),
        ("plan-2", "order-2", "placed", 0, b"2", b"reply-2", 1_000, "", "", ""),
    )),
    ("movement", _MOVED, (
        (1_000, "imported", "", None, "", 1, "", "x", "", 20, 0, 0, 0, 0, 0, 0),
        (1_000, "imported", "", None, "", 1, "", "y", "", 5, 0, 0, 0, 0, 0, 0),
        (1_000, "allocated", "", 1, "", 1, "web", "x", "", 0, 0, 3, 0, 0, 0, 0),
        (1_000, "queued", "", 1, "", None, "web", "x", "", 0, 0, 0, 0, 0, 0, 2),
        (1_000, "queued", "", 2, "", None, "", "x", "", 0, 0, 0, 0, 0, 0, 1),
        (1_000, "queued", "", 2, "", None, "", "z", "", 0, 0, 0, 0, 0, 0, 4),
    )),
    # On channel '': units that wait without a channel, and moves as `promised`.
    ("queue", "channel_id, sku, queued, promised", (
        ("", "w", 0, 0),
        ("", "x", 1, 7),
        ("", "y", 0, 2),
        ("", "z", 4, 0),
        ("web", "x", 2, 5),
    )),
    ("request", "request_id, digest, plan_key, created_ms", (
        ("r", b"body", 1, 1_000),
    )),
)  # fmt: skip

TABLES = (
    "ledger",
    "location",
    "location_load",
    "movement",
    "plan",
    "plan_load",
    "purchase",
    "queue",
    "request",
    "setup_item",
    "stock",
    "withdrawal",
    "zone_stock",
)


def sqlite_engine(path: Path) -> sa.Engine:
    url = sa.URL.create("sqlite", database=str(path))
    return sa.create_engine(url, module=driver, poolclass=NullPool)


def build(engine: sa.Engine) -> None:
    """Create the tables of version 0001, and its rows, in an empty database."""
    with engine.begin() as db:
        for statement in statements_of("0001", db.dialect.name):
            db.exec_driver_sql(statement)
        if db.dialect.name == "sqlite":
            db.exec_driver_sql("PRAGMA application_id = 0x72707274")
            db.exec_driver_sql("PRAGMA user_version = 2")
        else:
            db.exec_driver_sql("CREATE TABLE ledger_schema (version_num text NOT NULL)")
            db.exec_driver_sql("INSERT INTO ledger_schema VALUES ('0001')")
        for table, columns, rows in _ROWS:
            insert(db, table, columns, rows)


def insert(
    db: sa.Connection, table: str, columns: str, rows: tuple[tuple[object, ...], ...]
) -> None:
    names = columns.split(", ")
    values = ", ".join(f":{name}" for name in names)
    statement = sa.text(f"INSERT INTO {table} ({columns}) VALUES ({values})")
    db.execute(statement, [dict(zip(names, row, strict=True)) for row in rows])


def contents(engine: sa.Engine) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of every table that version 0001 has."""
    with engine.connect() as db:
        return {name: _rows(db, name) for name in TABLES}


def rows_of(engine: sa.Engine, table: str) -> list[tuple[object, ...]]:
    with engine.connect() as db:
        return _rows(db, table)


def _rows(db: sa.Connection, table: str) -> list[tuple[object, ...]]:
    found = db.execute(sa.text(f"SELECT * FROM {table}"))
    return sorted((tuple(row) for row in found), key=repr)
