"""What runs within one PostgreSQL connection, and what every connection is set to."""

from typing import Any

from sqlalchemy.dialects.postgresql import psycopg as dialects

from availability.ledger.statements.session import Compiler, CursorSession

OLDEST_SERVER = 14_00_00
"""First version that reports read-only servers at once; 13 was the first with xid8."""

STATEMENT_SECONDS = 30
"""Longest statement."""

LONG_SECONDS = 600
"""Longest statement of an import, an audit, and of what opening reads."""

WHOLE_TABLES = "SET LOCAL enable_nestloop = off"
"""Until the transaction ends, whole tables are joined by hashing or sorting.

Statistics taken while the first import was under way hold no row of it. Trusting
them, the planner compares every record with every movement: hours, not seconds."""

SETTINGS = {
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    # Another process's group holds a row for milliseconds.
    "lock_timeout": "5s",
    # A process that was stopped within a transaction must not hold its rows.
    "idle_in_transaction_session_timeout": "10s",
    # A commit that has returned survives a crash, whatever the server's default.
    "synchronous_commit": "on",
    # Row locks and conditional updates are what the ledger relies on.
    "default_transaction_isolation": "read committed",
    "jit": "off",
}
"""What every connection is set to. A server whose ``synchronous_commit`` waits for
replicas as well keeps it."""

DEFAULTS: dict[str, Any] = {
    "application_name": "repartir",
    "client_encoding": "utf8",
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    # Of several hosts, the one that writes.
    "target_session_attrs": "read-write",
}
"""Parameters of the connection that the address does not give itself."""


class PostgresSession(CursorSession):
    """A cursor of psycopg as a session."""

    __slots__ = ()
    compiled = Compiler(dialects.dialect())  # type: ignore[no-untyped-call]
