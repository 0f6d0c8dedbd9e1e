"""The ledger's tables, the same in every database. Quantities are whole units.

The migrations make them, `metadata` describes the result; a test compares the two.
Statements off the hot path are built from these objects. Longer than 300 lines because
all tables, with their constraints, are read together.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    ForeignKeyConstraint,
    FromClause,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TextClause,
    and_,
    bindparam,
    text,
)
from sqlalchemy.dialects.postgresql import BYTEA

from availability.model import MAX_STOCK_UNITS
from availability.reservations import (
    BINDING_STATES,
    OPEN_STATES,
    Cause,
    ReservationState,
)

metadata = MetaData()

# SQLite has one integer type, and only under this name is a key its row id.
INT = BigInteger().with_variant(Integer, "sqlite")
BYTES = LargeBinary().with_variant(BYTEA, "postgresql")
# Strings compare by code point, as Python's do, whatever the database's language.
STRING = Text().with_variant(Text(collation="C"), "postgresql")

_SMALL: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}
"""Small rows, looked up by their key: clustered by it in SQLite."""
_LOG: dict[str, Any] = {"sqlite_strict": True}
"""Rows that are only ever added, in the order they came."""


def _listed(values: type[Cause] | type[ReservationState]) -> str:
    return ", ".join(f"'{each.value}'" for each in values)


def _number(name: str) -> Column[int]:
    return Column(name, INT, nullable=False)


def _string(name: str, *, unique: bool = False) -> Column[str]:
    return Column(name, STRING, nullable=False, unique=unique)


def _in(states: Iterable[ReservationState]) -> TextClause:
    return text("state IN ({})".format(", ".join(f"'{each}'" for each in states)))


BINDING = _in(BINDING_STATES)
"""The order has a plan that holds, or has shipped, something."""
OPEN = _in(OPEN_STATES)
"""Something of the plan may still be to come."""
ENDED = _in(each for each in ReservationState if each not in BINDING_STATES)


def _partial(
    name: str, *columns: str, where: TextClause, unique: bool = False
) -> Index:
    return Index(
        name, *columns, unique=unique, sqlite_where=where, postgresql_where=where
    )


def at_key(table: Table, *names: str) -> list[ColumnElement[bool]]:
    """Return that columns are what the parameters ``at_<column>`` say."""
    return [table.c[name] == bindparam(f"at_{name}") for name in names]


def same(one: FromClause, other: FromClause, *names: str) -> ColumnElement[bool]:
    """Return that columns are the same in both."""
    return and_(*(one.c[name] == other.c[name] for name in names))


ledger = Table(
    "ledger",
    metadata,
    Column(
        "one", INT, CheckConstraint("one = 1"), primary_key=True, autoincrement=False
    ),
    # Grows with every commit that changes stock or a location (SQLite only: in
    # PostgreSQL a sequence does that, since one row would make commits queue).
    _number("version"),
    # What the version was when a location last changed.
    _number("network_version"),
    # And when the setup last changed.
    _number("setup_version"),
    **_LOG,
)

location = Table(
    "location",
    metadata,
    # 1, 2, 3… in the order the locations were first put, which breaks ties of rank.
    Column("location_key", INT, primary_key=True, autoincrement=False),
    _string("location_id", unique=True),
    _number("rank"),
    # Every other field, as JSON.
    _string("body"),
    CheckConstraint("location_id <> ''"),
    **_LOG,
)

# Clustered by SKU: one SKU's records, at all locations, are read together.
stock = Table(
    "stock",
    metadata,
    Column("sku", STRING, CheckConstraint("sku <> ''"), primary_key=True),
    Column("location_key", INT, ForeignKey(location.c.location_key), primary_key=True),
    # Physical units in the zones that are available.
    _number("on_hand"),
    _number("allocated"),
    _number("held"),
    _number("withdrawn"),
    _number("safety_stock"),
    # Units promised beyond what a later count, or a rejection, found. It is set in
    # the statement that sets on_hand; so nothing else can promise above on_hand.
    _number("deficit"),
    # When an import last counted it; 0: it was never counted, the record is
    # unknown. Promises and shipments leave it alone.
    _number("counted_ms"),
    CheckConstraint(f"on_hand BETWEEN 0 AND {MAX_STOCK_UNITS}"),
    CheckConstraint("allocated >= 0 AND held >= 0 AND withdrawn >= 0"),
    CheckConstraint(f"safety_stock BETWEEN 0 AND {MAX_STOCK_UNITS}"),
    CheckConstraint("counted_ms >= 0"),
    CheckConstraint(
        "deficit = CASE WHEN allocated + held > on_hand"
        " THEN allocated + held - on_hand ELSE 0 END",
        name="stock_deficit",
    ),
    # For a snapshot, which zeroes whatever else a location holds.
    Index("stock_by_location", "location_key"),
    # Room for a new version of a row on its page, with no index to change.
    postgresql_with={"fillfactor": 50},
    **_SMALL,
)

zone_stock = Table(
    "zone_stock",
    metadata,
    Column("sku", STRING, primary_key=True),
    Column("location_key", INT, primary_key=True),
    Column("zone_id", STRING, CheckConstraint("zone_id <> ''"), primary_key=True),
    _number("on_hand"),
    CheckConstraint(f"on_hand BETWEEN 0 AND {MAX_STOCK_UNITS}"),
    ForeignKeyConstraint(["sku", "location_key"], ["stock.sku", "stock.location_key"]),
    **_SMALL,
)

withdrawal = Table(
    "withdrawal",
    metadata,
    Column("sku", STRING, primary_key=True),
    Column("location_key", INT, primary_key=True),
    Column("withdrawal_id", STRING, primary_key=True),
    _number("quantity"),
    _string("reason"),
    Column("starts_ms", INT),
    Column("ends_ms", INT),
    # 1 while it counts in stock.withdrawn; a row is deleted when it has ended.
    _number("active"),
    CheckConstraint("quantity > 0"),
    CheckConstraint("active IN (0, 1)"),
    ForeignKeyConstraint(["sku", "location_key"], ["stock.sku", "stock.location_key"]),
    **_SMALL,
)

plan = Table(
    "plan",
    metadata,
    Column("plan_key", INT, Identity(always=False), primary_key=True),
    _string("plan_id", unique=True),
    _string("order_id"),
    _string("state"),
    _number("revision"),
    # What the plan was made from; the first answer; the plan as it is, if it changed.
    Column("body", BYTES, nullable=False),
    Column("reply", BYTES, nullable=False),
    Column("current_reply", BYTES),
    _number("created_ms"),
    # Only while HELD.
    Column("hold_seconds", INT),
    Column("expires_ms", INT),
    _string("work"),
    # Empty: none.
    _string("channel_id"),
    _string("customer_id"),
    CheckConstraint("plan_id <> ''"),
    CheckConstraint(f"state IN ({_listed(ReservationState)})", name="plan_state"),
    CheckConstraint(
        "(state = 'held') = (expires_ms IS NOT NULL AND hold_seconds IS NOT NULL)"
    ),
    # Two indexes by order and not one: a new plan pays for its own alone.
    _partial("plan_binding_order", "order_id", where=BINDING, unique=True),
    _partial("plan_ended_order", "order_id", "plan_key", where=ENDED),
    # For those who look at all orders that are still to be shipped.
    _partial("plan_open", "plan_key", where=OPEN),
    _partial("plan_by_expiry", "expires_ms", where=text("expires_ms IS NOT NULL")),
    **_LOG,
)


# At any instant every balance is the sum of its movements. Append-only.
movement = Table(
    "movement",
    metadata,
    Column("movement_key", INT, Identity(always=False), primary_key=True),
    _number("at_ms"),
    _string("cause"),
    # What caused it: an import's request, a withdrawal; empty for plans.
    _string("reference"),
    Column("plan_key", INT, ForeignKey(plan.c.plan_key)),
    _string("line_id"),
    # NULL where only `queued` moves.
    Column("location_key", INT),
    # Of the plan; of what is queued, its own.
    _string("channel_id"),
    _string("sku"),
    _string("zone_id"),
    # Changes of the balances of the same names; `zone_units` is that of zone_stock.
    _number("on_hand"),
    _number("zone_units"),
    _number("allocated"),
    _number("held"),
    _number("withdrawn"),
    _number("safety_stock"),
    _number("queued"),
    CheckConstraint(f"cause IN ({_listed(Cause)})", name="movement_cause"),
    _partial("movement_by_plan", "plan_key", where=text("plan_key IS NOT NULL")),
    Index("movement_by_sku", "sku", "location_key"),
    **_LOG,
)

# Units promised on a channel: those that no location was given yet, and all that were
# not given up again. What is shipped stays promised.
queue = Table(
    "queue",
    metadata,
    Column("channel_id", STRING, primary_key=True),
    Column("sku", STRING, primary_key=True),
    _number("queued"),
    _number("promised"),
    CheckConstraint("queued >= 0"),
    # Without a channel, units can wait, but promises are not counted.
    CheckConstraint("channel_id <> '' OR promised = 0"),
    **_SMALL,
)

# How often the stock of a SKU changed other than by promises. Not a balance: an audit
# cannot recompute it. A SKU without a row has not moved.
stock_moves = Table(
    "stock_moves",
    metadata,
    Column("sku", STRING, primary_key=True),
    _number("moves"),
    CheckConstraint("moves >= 0"),
    **_SMALL,
)

# What customers bought, line by line: `units` of stock, of which `size` make one.
purchase = Table(
    "purchase",
    metadata,
    Column("plan_key", INT, ForeignKey(plan.c.plan_key), primary_key=True),
    Column("line_id", STRING, primary_key=True),
    _string("customer_id"),
    _string("sku"),
    _number("size"),
    _number("units"),
    _number("at_ms"),
    CheckConstraint("size > 0"),
    Index("purchase_by_customer", "customer_id", "sku", "at_ms"),
    **_SMALL,
)

# Channels, settings and kits: items of `availability.setup.setup.Setup`, as JSON.
setup_item = Table(
    "setup_item",
    metadata,
    Column("kind", STRING, primary_key=True),
    Column("item_key", STRING, primary_key=True),
    _string("body"),
    # In the order they were first put.
    _number("number"),
    **_SMALL,
)

# What a location was given each UTC day (days since 1970-01-01); only while it has
# a capacity. What each plan had of it is in plan_load.
location_load = Table(
    "location_load",
    metadata,
    Column("day", INT, primary_key=True),
    Column("location_key", INT, ForeignKey(location.c.location_key), primary_key=True),
    _number("orders"),
    _number("units"),
    CheckConstraint("orders >= 0 AND units >= 0"),
    **_SMALL,
)

plan_load = Table(
    "plan_load",
    metadata,
    Column("plan_key", INT, ForeignKey(plan.c.plan_key), primary_key=True),
    Column("location_key", INT, primary_key=True),
    Column("day", INT, primary_key=True),
    _number("units"),
    CheckConstraint("units > 0"),
    **_SMALL,
)

# The first reply of every request with an id: a plan's first answer, or its own.
request = Table(
    "request",
    metadata,
    Column("request_id", STRING, CheckConstraint("request_id <> ''"), primary_key=True),
    Column("digest", BYTES, nullable=False),
    Column("plan_key", INT, ForeignKey(plan.c.plan_key)),
    Column("reply", BYTES),
    _number("created_ms"),
    CheckConstraint("(plan_key IS NULL) <> (reply IS NULL)"),
    **_SMALL,
)
