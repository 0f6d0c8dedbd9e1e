"""The migrations lead to what `tables.metadata` says, in both databases."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pysqlite3 import dbapi2 as driver
from sqlalchemy.pool import NullPool, StaticPool

from availability.errors import StoreTooOld
from availability.ledger.migrations import upgrade
from availability.ledger.statements.tables import metadata

POSTGRES_ONLY = {"movement.xid", "movement_by_xid"}
"""And the table ``news``."""


@pytest.fixture
def sqlite() -> Iterator[sa.Engine]:
    engine = sa.create_engine("sqlite://", module=driver, poolclass=StaticPool)
    yield engine
    engine.dispose()


@pytest.fixture
def postgres(fresh_url: str) -> sa.Engine:
    url = fresh_url.replace("postgresql://", "postgresql+psycopg://")
    return sa.create_engine(url, poolclass=NullPool)


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> sa.Engine:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, sa.Engine)
    return found


def described_sqlite(db: sa.Connection) -> set[str]:
    found = db.exec_driver_sql("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")
    said = {"".join(sql.replace('"', "").split()) for (sql,) in found}
    return {sql for sql in said if upgrade.VERSION_TABLE not in sql}


def described_postgres(db: sa.Connection) -> set[tuple[Any, ...]]:
    """Return the columns, constraints, indexes and options of every table."""
    rows: set[tuple[Any, ...]] = set()
    for statement in (
        "SELECT table_name || '.' || column_name, data_type, is_nullable, "
        "collation_name, is_identity, coalesce(column_default, '') "
        "FROM information_schema.columns WHERE table_schema = current_schema()",
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) "
        "FROM pg_constraint WHERE connamespace = current_schema()::regnamespace",
        "SELECT indexname, regexp_replace(indexdef, ' ON [^ ]*', ' ON') "
        "FROM pg_indexes WHERE schemaname = current_schema()",
        "SELECT relname, array_to_string(reloptions, ',') FROM pg_class "
        "WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'",
    ):
        rows |= {tuple(row) for row in db.exec_driver_sql(statement)}
    return {
        row
        for row in rows
        if row[0].partition(".")[0] not in (upgrade.VERSION_TABLE, "ledger_version")
        and not row[0].startswith(upgrade.VERSION_TABLE)
    }


def test_the_migrations_are_those_the_program_knows() -> None:
    config = Config()
    config.set_main_option("script_location", str(upgrade.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)

    assert scripts.get_heads() == [upgrade.HEAD]
    found = [each.revision for each in scripts.walk_revisions()]
    assert sorted(found) == sorted(upgrade.KNOWN)


def test_sqlite_has_what_the_tables_say(sqlite: sa.Engine) -> None:
    with sqlite.begin() as db:
        upgrade.upgrade(db)
        migrated = described_sqlite(db)
        assert compare_metadata(context(db), metadata) == []
    other = sa.create_engine("sqlite://", module=driver, poolclass=StaticPool)
    with other.begin() as db:
        metadata.create_all(db)
        assert migrated == described_sqlite(db)
    other.dispose()


@pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8'")
def test_postgres_has_what_the_tables_say(postgres: sa.Engine) -> None:
    with postgres.begin() as db:
        upgrade.upgrade(db)
        migrated = described_postgres(db)
        differences = compare_metadata(context(db), metadata)
    assert sorted(each[0] for each in differences) == [
        "remove_column",
        "remove_index",
        "remove_index",
        "remove_index",
        "remove_table",
    ]
    with postgres.begin() as db:
        db.execute(sa.text("DROP TABLE ledger_schema, news"))
        metadata.drop_all(db)
        metadata.create_all(db)
        made = described_postgres(db)

    assert made <= migrated
    more = {row[0] for row in migrated - made if not row[0].startswith("news")}
    assert more == POSTGRES_ONLY


def context(db: sa.Connection) -> MigrationContext:
    options = {"version_table": upgrade.VERSION_TABLE}
    return MigrationContext.configure(db, opts=options)


def test_once_is_enough(engine: sa.Engine) -> None:
    for _ in range(2):
        with engine.begin() as db:
            upgrade.upgrade(db)
            assert upgrade.schema_version(db) == upgrade.HEAD
            assert db.execute(sa.text("SELECT * FROM ledger")).all() == [(1, 0, 0, 0)]


def test_tables_of_another_application(engine: sa.Engine) -> None:
    with engine.begin() as db:
        db.execute(sa.text("CREATE TABLE stock (theirs INTEGER)"))
        with pytest.raises(StoreTooOld, match=r"another application \(stock\)"):
            upgrade.upgrade(db)


def test_another_applications_table_survives(engine: sa.Engine) -> None:
    with engine.begin() as db:
        db.execute(sa.text("CREATE TABLE theirs (x INTEGER PRIMARY KEY, y TEXT)"))
        db.execute(sa.text("CREATE INDEX theirs_by_y ON theirs (y)"))
        db.execute(sa.text("INSERT INTO theirs VALUES (7, 'kept')"))
        before = described_table(db, "theirs")
        for _ in range(2):
            upgrade.upgrade(db)

        assert described_table(db, "theirs") == before
        assert db.execute(sa.text("SELECT * FROM theirs")).all() == [(7, "kept")]


def described_table(db: sa.Connection, name: str) -> tuple[list[Any], list[Any]]:
    found = sa.inspect(db)
    columns = [(each["name"], str(each["type"])) for each in found.get_columns(name)]
    return columns, list(found.get_indexes(name))


def test_a_newer_programs_tables(engine: sa.Engine) -> None:
    with engine.begin() as db:
        upgrade.upgrade(db)
        db.execute(sa.text("UPDATE ledger_schema SET version_num = '0099'"))
        with pytest.raises(StoreTooOld, match=r"version 0099, this program knows 0002"):
            upgrade.upgrade(db)


def test_an_address_will_do(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path / 'stock.db'}"
    upgrade.upgrade(url)
    upgrade.upgrade(url)
