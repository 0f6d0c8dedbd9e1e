"""A file of an older version is upgraded whole or not at all."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from pysqlite3 import dbapi2 as driver

from availability.errors import StoreTooOld, StoreUnavailable
from availability.ledger.open import audit_url
from availability.ledger.sqlite.file_lock import FileLock
from availability.model import Sku
from tests.availability.ledger.migrations import version_0001
from tests.availability.ledger.sqlite.test_processes import reap, spawn
from tests.availability.ledger.sqlite_file import Opener, check_file

SKUS = 5_000
"""Enough that one statement of the upgrade takes many pages."""

UPGRADE = """
import os, sys
from pathlib import Path
from availability.ledger.sqlite import database, file
from availability.ledger.sqlite.store import SqliteStore

place, within = sys.argv[2], sys.argv[3] == "True"
connect = database.driver.connect
file.CACHE_KIB = 1  # pages reach the write-ahead log before the commit

def kill():
    os.kill(os.getpid(), 9)

def connected(*args, **more):
    connection, begun = connect(*args, **more), []

    def traced(sql):
        begun.append(place in sql)
        if begun[-1] and not within:
            kill()

    connection.set_trace_callback(traced)
    connection.set_progress_handler(lambda: begun[-1] and kill(), 10_000)
    return connection

database.driver.connect = connected
SqliteStore(Path(sys.argv[1]), lambda: 0.0)
"""


@pytest.fixture
def old(path: Path) -> Path:
    engine = version_0001.sqlite_engine(path)
    version_0001.build(engine)
    with engine.begin() as db:
        rows = tuple(("", f"s{n}", n % 2, n) for n in range(SKUS))
        version_0001.insert(db, "queue", "channel_id, sku, queued, promised", rows)
        db.execute(sa.text(
            "INSERT INTO movement (at_ms, cause, reference, plan_key, line_id,"
            " channel_id, sku, zone_id, on_hand, zone_units, allocated, held,"
            " withdrawn, safety_stock, queued) SELECT 1, 'queued', '', 2, '', '', sku,"
            " '', 0, 0, 0, 0, 0, 0, 1 FROM queue WHERE sku LIKE 's%' AND queued = 1"
        ))  # fmt: skip
    return path


def version_of(path: Path) -> int:
    with closing(driver.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


@pytest.mark.parametrize(
    ("place", "within"),
    [
        ("CREATE TABLE stock_moves", False),
        ("INSERT INTO stock_moves", True),
        ("RENAME TO", False),
        ("INSERT INTO queue", False),
        ("INSERT INTO queue", True),
        ("DROP TABLE queue_before", False),
        ("PRAGMA user_version = 3", False),
        ("COMMIT", False),
    ],
)
def test_kill_nine_leaves_the_older_file(
    open_file: Opener, old: Path, tmp_path: Path, place: str, within: bool
) -> None:
    before = version_0001.contents(version_0001.sqlite_engine(old))

    child = spawn(UPGRADE, old, place, within)
    reap(child)
    assert child.returncode == -9

    copy = tmp_path / "copy"
    copy.mkdir()
    for each in old.parent.glob(f"{old.name}*"):
        shutil.copy(each, copy)
    found = version_0001.sqlite_engine(copy / old.name)
    assert version_of(copy / old.name) == 2
    assert version_0001.contents(found) == before

    ledger = open_file()
    skus = [Sku(f"s{n}") for n in range(SKUS)] + [Sku("x")]
    moves = {**{f"s{n}": n for n in range(1, SKUS)}, "x": 7}
    assert ledger.positions(skus).moves == moves
    assert ledger.audit().drifts == ()
    ledger.close()
    assert version_of(old) == 3
    check_file(old)


def test_an_upgrade_that_fails_changes_nothing(open_file: Opener, old: Path) -> None:
    engine = version_0001.sqlite_engine(old)
    with engine.begin() as db:
        db.execute(sa.text("UPDATE queue SET promised = -1 WHERE sku = 'y'"))
    before = version_0001.contents(engine)

    with pytest.raises(StoreUnavailable, match="could not be opened: CHECK"):
        open_file()

    assert version_of(old) == 2
    assert version_0001.contents(engine) == before
    with engine.begin() as db:
        db.execute(sa.text("UPDATE queue SET promised = 1 WHERE sku = 'y'"))
    assert open_file().positions([Sku("y")]).moves == {"y": 1}


def test_a_locked_file_is_not_upgraded(open_file: Opener, old: Path) -> None:
    lock = FileLock(Path(f"{old.resolve()}.lock"))
    try:
        with pytest.raises(StoreUnavailable, match="this very process"):
            open_file()
        assert version_of(old) == 2
    finally:
        lock.release()
    open_file()
    assert version_of(old) == 3


def test_only_looking_does_not_upgrade(open_file: Opener, old: Path) -> None:
    with pytest.raises(StoreTooOld, match="version 2, older than 3: start a server"):
        audit_url(str(old))
    assert version_of(old) == 2

    open_file().close()
    assert audit_url(str(old)).drifts == ()
