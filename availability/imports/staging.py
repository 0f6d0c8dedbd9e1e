"""A stock file on its way into the ledger: read once, kept on disk, in order.

A file of any size takes the same memory. The database is private to one import,
and nothing can find it: its name is gone as soon as it is open, so that the disk is
given back however the process ends. The standard library's SQLite is good enough
for a file that nothing else opens and that need not survive a crash.
"""

import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from availability.imports.csv_rows import Faults
from availability.imports.stock_formats import StockRow
from availability.model import LocationId, Sku, StockChange

BATCH_ROWS = 5_000
CACHE_KIB = 16_384
"""Memory for pages, and as much again for a sort; the rest is on disk."""
MAX_PLACES_CACHED = 10_000

_SCHEMA = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA temp_store = FILE;
PRAGMA cache_size = -{CACHE_KIB};
-- A location, by the line that named it first.
CREATE TABLE place (
  line INTEGER PRIMARY KEY, location TEXT NOT NULL UNIQUE, type TEXT NOT NULL
);
CREATE TABLE change (
  line INTEGER PRIMARY KEY, place INTEGER NOT NULL, sku TEXT NOT NULL,
  zone TEXT NOT NULL, on_hand INTEGER NOT NULL, safety_stock INTEGER
);
"""
_INSERT = "INSERT INTO change VALUES (?, ?, ?, ?, ?, ?)"
# The repeats themselves take twice as long to find as to learn that there are none.
_ANY_REPEAT = """
SELECT 1 FROM change GROUP BY place, sku, zone HAVING count(*) > 1 LIMIT 1
"""
_REPEATS = """
SELECT line, first FROM (
  SELECT line, min(line) OVER (PARTITION BY place, sku, zone) AS first FROM change
) WHERE line > first ORDER BY line
"""
_CONFLICTS = """
SELECT line, first FROM (
  SELECT line, safety_stock,
    first_value(line) OVER record AS first,
    first_value(safety_stock) OVER record AS first_stock
  FROM change WHERE safety_stock IS NOT NULL
  WINDOW record AS (PARTITION BY place, sku ORDER BY line)
) WHERE safety_stock <> first_stock ORDER BY line
"""
_IN_ORDER = """
SELECT place, sku, on_hand, safety_stock, zone FROM change ORDER BY place, line
"""
_WEIGHTS = """
SELECT place.location, count(*), sum(
  length(CAST(place.location AS BLOB)) + length(CAST(sku AS BLOB))
  + length(CAST(zone AS BLOB))
) FROM change JOIN place ON place.line = change.place GROUP BY change.place
"""


class Weight(NamedTuple):
    """One location's records, and the bytes of all ids in them, in UTF-8."""

    location: LocationId
    record_count: int
    id_bytes: int


class Staging:
    """The rows of one stock file; faults are recorded where they are found."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._places: dict[str, tuple[int, str]] = {}
        self.record_count = 0

    def take(self, rows: Iterable[StockRow], path: Path, faults: Faults) -> None:
        """Keep all rows, and find what is wrong with them beside each other.

        Raises
        ------
        OSError
            The disk for temporary files is full, or fails.
        """
        with _as_os_error():
            self._db.execute("BEGIN")
            staged = self._staged(iter(rows), path, faults)
            while batch := list(islice(staged, BATCH_ROWS)):
                self._db.executemany(_INSERT, batch)
                self.record_count += len(batch)
            self._db.execute("COMMIT")
            if self._db.execute(_ANY_REPEAT).fetchone():
                for line, first in self._db.execute(_REPEATS):
                    message = f"line {line} repeats line {first}"
                    faults.add(f"{path}:{line}", "DUPLICATE_RECORD", message)
            for line, first in self._db.execute(_CONFLICTS):
                message = (
                    f"line {line} says another safety_stock than line {first}: the "
                    "zones of a SKU share one"
                )
                faults.add(f"{path}:{line}", "CONFLICT", message)

    def changes(self) -> Iterator[StockChange]:
        """Yield every row: locations as they first appear, each in file order."""
        with _as_os_error(), closing(self._db.execute(_IN_ORDER)) as rows:
            place, location = 0, LocationId("")
            for named, sku, on_hand, safety_stock, zone in rows:
                if named != place:
                    place, location = named, self._location(named)
                yield StockChange(location, Sku(sku), on_hand, safety_stock, zone)

    def weights(self) -> Iterator[Weight]:
        """Yield every location, in order of first appearance."""
        with _as_os_error(), closing(self._db.execute(_WEIGHTS)) as rows:
            yield from map(Weight._make, rows)

    def _staged(
        self, rows: Iterator[StockRow], path: Path, faults: Faults
    ) -> Iterator[tuple[int, int, str, str, int, int | None]]:
        for line, location, sku, on_hand, safety_stock, zone, place_type in rows:
            first, first_type = self._places.get(location) or self._place(
                line, location, place_type
            )
            if place_type != first_type:
                message = (
                    f"line {line} says that {location} is a {place_type}, line {first} "
                    f"a {first_type}: one id is one location"
                )
                faults.add(f"{path}:{line}", "PLACE_TYPE_CONFLICT", message)
            yield line, first, sku, zone, on_hand, safety_stock

    def _place(self, line: int, location: str, place_type: str) -> tuple[int, str]:
        """Return the line that named a location first, and the type it said."""
        insert = "INSERT INTO place VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        self._db.execute(insert, (line, location, place_type))
        select = "SELECT line, type FROM place WHERE location = ?"
        found: tuple[int, str] = self._db.execute(select, (location,)).fetchone()
        if len(self._places) >= MAX_PLACES_CACHED:
            self._places.clear()
        self._places[location] = found
        return found

    def _location(self, place: int) -> LocationId:
        select = "SELECT location FROM place WHERE line = ?"
        location: str = self._db.execute(select, (place,)).fetchone()[0]
        return LocationId(location)


@contextmanager
def open_staging() -> Iterator[Staging]:
    """Open an empty staging in the folder for temporary files (``TMPDIR``).

    Raises
    ------
    OSError
        There is no such folder, or it cannot be written.
    """
    with _as_os_error():
        file, name = tempfile.mkstemp(prefix="repartir-", suffix=".staging")
        try:
            os.close(file)
            db = sqlite3.connect(name, isolation_level=None)
        finally:
            Path(name).unlink()
    with closing(db):
        with _as_os_error():
            db.executescript(_SCHEMA)
        yield Staging(db)


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        where = tempfile.gettempdir()
        raise OSError(f"the file could not be kept in {where}: {error}") from None
