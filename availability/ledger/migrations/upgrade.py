"""A database's schema: recognised, created, brought up to date, or refused.

The migrations of `availability.ledger.migrations` are the only ones to create
tables. Which of them a database has seen stands in its table ``ledger_schema``.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from availability.errors import StoreTooOld
from availability.ledger.statements.tables import metadata

HEAD = "0002"
"""The last migration."""

KNOWN = ("0001", HEAD)
"""Every migration this program has; a test compares it with the folder."""

VERSION_TABLE = "ledger_schema"
"""Not alembic's own name: other applications of the same database use that one."""

MIGRATIONS = Path(__file__).parent
"""Where alembic finds them."""


def upgrade(database: Connection | str) -> None:
    """Bring a database to `HEAD`, or create the tables in one that has none.

    A connection's transaction is the caller's to end, and to begin with a lock that
    keeps other processes from doing the same; a URL (SQLAlchemy's form) is opened,
    committed and closed. In SQLite a transaction holds DDL only if the connection
    began it itself (``BEGIN IMMEDIATE``): the driver's own does not.

    Raises
    ------
    StoreTooOld
        The tables are another application's, or a newer program's.
    """
    if isinstance(database, str):
        engine = create_engine(database)
        try:
            with engine.begin() as connection:
                upgrade(connection)
        finally:
            engine.dispose()
        return
    if schema_version(database) != HEAD:
        config = Config()
        # An installed wheel has no alembic.ini; "%" would be interpolated.
        place = str(MIGRATIONS).replace("%", "%%")
        config.set_main_option("script_location", place)
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = database
        command.upgrade(config, "head")


def schema_version(connection: Connection) -> str | None:
    """Return the last migration a database has seen, None if it has no tables of ours.

    Raises
    ------
    StoreTooOld
        The tables are another application's, or a newer program's.
    """
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE not in tables:
        foreign = sorted(tables & set(metadata.tables))
        if foreign:
            raise StoreTooOld(
                "the database has tables of another application "
                f"({', '.join(foreign)}): give the ledger a schema of its own"
            )
        return None
    try:
        found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}"))
        versions = [str(version) for (version,) in found]
    except SQLAlchemyError as error:
        raise StoreTooOld(
            f"{VERSION_TABLE} is another application's: {error}"
        ) from error
    if not versions:
        return None
    if len(versions) != 1 or versions[0] not in KNOWN:
        raise StoreTooOld(
            f"the database has schema version {', '.join(versions)}, this program "
            f"knows {HEAD} and before"
        )
    return versions[0]
