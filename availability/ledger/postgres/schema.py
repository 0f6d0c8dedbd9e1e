"""Making a PostgreSQL database ready: its tables, and the function that reserves."""

import hashlib
from importlib import resources

from sqlalchemy import Connection, text

from availability.errors import StoreTooOld
from availability.ledger.migrations.upgrade import upgrade
from availability.ledger.postgres.database import PostgresDatabase

LOCK_KEY = 0x7270_7274_0001
"""Advisory lock for creating and migrating: "rprt", 1."""

_INSTALLED = text("""
SELECT p.oid::regprocedure::text, obj_description(p.oid, 'pg_proc')
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.proname = 'reserve_group' AND n.nspname = current_schema()
""")


def prepare(database: PostgresDatabase) -> None:
    """Bring the tables up to date and install what the hot path calls.

    Processes that start together wait for each other. The schema is the first of the
    connection's ``search_path`` that exists: `public`, unless the address says
    otherwise (``?options=-csearch_path%3Dstock``).

    Raises
    ------
    StoreTooOld
        The tables are another application's or a newer program's, or the search
        path has no schema.
    """
    with database.schema() as connection:
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_KEY})"))
        if connection.execute(text("SELECT current_schema()")).scalar() is None:
            raise StoreTooOld("the search path has no schema that exists")
        upgrade(connection)
        _install(connection)


def _install(connection: Connection) -> None:
    package = resources.files("availability.ledger.postgres")
    source = package.joinpath("reserve.sql").read_bytes()
    digest = hashlib.sha256(source).hexdigest()
    found = connection.execute(_INSTALLED).all()
    if [comment for _, comment in found] == [digest]:
        return
    # Another version's may have other arguments, and would stay as an overload.
    for name, _ in found:
        connection.exec_driver_sql(f"DROP FUNCTION {name}")
    connection.exec_driver_sql(source.decode())
    connection.exec_driver_sql(f"COMMENT ON FUNCTION reserve_group IS '{digest}'")
