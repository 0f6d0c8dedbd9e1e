"""SQLite keeps the contract, in a file and in memory; and what it refuses."""

import sqlite3
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from availability.errors import StoreTooOld, StoreUnavailable
from availability.ledger.open import open_ledger
from availability.ledger.protocol import CapacityLeft, Ledger
from availability.ledger.sqlite import database
from availability.ledger.statements.tables import metadata
from availability.ledger.times import utc_day
from availability.model import LocationId
from tests.availability.ledger.contract.ledger import LedgerContract
from tests.availability.ledger.contract.locations import FULL
from tests.availability.ledger.sqlite_file import Opener, check_file, raw, store_of
from tests.availability.ledger.world import (
    Clock,
    change,
    check_grid,
    import_set,
    location,
    records,
    request,
    reservation,
    stocked,
)


class SqliteContract(LedgerContract):
    def tamper(self, ledger: Ledger, sql: str) -> None:
        raw(ledger).execute(sql)

    def capacity_on_disk(self, ledger: Ledger) -> Mapping[LocationId, CapacityLeft]:
        store = store_of(ledger)
        return store.read_mirror().capacity_left(utc_day(store.seconds()))


class TestFile(SqliteContract):
    @pytest.fixture
    def make_ledger(self, open_file: Opener) -> Opener:
        return open_file


class TestMemory(SqliteContract):
    @pytest.fixture
    def make_ledger(self) -> Iterator[Callable[[Clock], Ledger]]:
        with ExitStack() as stack:

            def opener(clock: Clock) -> Ledger:
                return stack.enter_context(closing(open_ledger(":memory:", clock)))

            yield opener


class TestReopening:
    def test_everything_is_there_again(self, open_file: Opener, path: Path) -> None:
        ledger = open_file()
        ledger.put_locations([FULL, location("b", 1, capacity_orders=3)], request("r"))
        import_set(ledger, change("b", "x", 5, 1), change("Montréal", "x", 9))
        ledger.reserve(reservation("1", ("b", "x", 2), request=request("r1")))
        network, version = ledger.network(), ledger.version()
        before, left = list(records(ledger)), dict(ledger.capacity_left())
        ledger.close()

        ledger = open_file()

        assert ledger.network() == network
        assert ledger.version() == version
        assert list(records(ledger)) == before
        assert dict(ledger.capacity_left()) == left
        assert ledger.replay(request("r")) is not None
        assert ledger.replay(request("r1")) == ledger.plan("plan-1") == b"reply-1"
        check_grid(ledger)
        ledger.put_locations([location("c", 1)])
        assert [each.location_id for each in ledger.network().locations[:2]] == list(
            "bc"
        )
        ledger.close()
        check_file(path)

    def test_the_file_is_its_owners_alone(self, open_file: Opener, path: Path) -> None:
        stocked(open_file(), {("a", "x"): 1})

        for each in path.parent.iterdir():
            assert stat.S_IMODE(each.stat().st_mode) == 0o600, each

    def test_the_tables_are_those_described(self, open_file: Opener) -> None:
        found = raw(open_file()).execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table'"
        )

        assert {name for (name,) in found} == set(metadata.tables)

    def test_settings_that_durability_hangs_on(self, open_file: Opener) -> None:
        def pragma(name: str) -> Any:
            return raw(ledger).execute(f"PRAGMA {name}").fetchone()[0]

        ledger = open_file()

        assert pragma("journal_mode") == "wal"
        assert pragma("synchronous") == 2  # FULL
        assert pragma("foreign_keys") == 1
        assert pragma("mmap_size") == 0

    def test_nothing_allocates_beyond_what_is_on_hand(self, open_file: Opener) -> None:
        """Not even SQL written by hand, be there a deficit or not."""
        ledger = open_file()
        stocked(ledger, {("a", "x"): 5, ("a", "y"): 5})
        ledger.reserve(reservation("1", ("a", "y", 4)))
        import_set(ledger, change("a", "y", 1))

        for statement in (
            "UPDATE stock SET allocated = 6 WHERE sku = 'x'",
            "UPDATE stock SET held = 6 WHERE sku = 'x'",
            "UPDATE stock SET allocated = allocated + 1 WHERE sku = 'y'",
            "UPDATE stock SET held = held + 1 WHERE sku = 'y'",
            "UPDATE stock SET on_hand = 9 WHERE sku = 'y'",  # the deficit is gone
            "UPDATE stock SET on_hand = -1",
            "UPDATE stock SET allocated = -1",
            "UPDATE stock SET held = -1",
            "UPDATE stock SET withdrawn = -1",
            "UPDATE stock SET on_hand = 1.5",
            "UPDATE stock SET safety_stock = -1",
            "DELETE FROM location",
            "DELETE FROM plan",
        ):
            with pytest.raises(database.ConstraintError):
                raw(ledger).execute(statement)


class TestRefusals:
    @pytest.mark.parametrize(
        ("version", "sound"),
        [
            ((3, 40, 1), False),  # Debian 12, and so Python 3.11 there
            ((3, 44, 5), False),
            ((3, 44, 6), True),
            ((3, 45, 0), False),
            ((3, 50, 6), False),
            ((3, 50, 7), True),
            ((3, 51, 2), False),
            ((3, 51, 3), True),
            ((3, 53, 4), True),
            ((4, 0, 0), True),
        ],
    )
    def test_an_engine_with_the_wal_reset_fault(
        self, version: tuple[int, int, int], sound: bool
    ) -> None:
        if sound:
            database.check_engine(version)
        else:
            with pytest.raises(StoreTooOld, match=r"\.".join(map(str, version))):
                database.check_engine(version)

    @pytest.mark.parametrize("version", [1, 4])
    def test_another_schema(self, open_file: Opener, version: int) -> None:
        ledger = open_file()
        raw(ledger).execute(f"PRAGMA user_version = {version}")
        ledger.close()

        match = f"version {version}, this program knows 2 to 3"
        with pytest.raises(StoreTooOld, match=match):
            open_file()

    @pytest.mark.parametrize(
        ("application", "message"),
        [(0x12345678, "0x12345678.*0x72707274"), (0, "0x00000000.*0x72707274")],
    )
    def test_a_file_of_another_application(
        self, open_file: Opener, path: Path, application: int, message: str
    ) -> None:
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE theirs (x)")
            db.execute(f"PRAGMA application_id = {application}")
        before = path.read_bytes()

        with pytest.raises(StoreTooOld, match=message):
            open_file()
        assert path.read_bytes() == before

    def test_a_file_that_is_no_database(self, open_file: Opener, path: Path) -> None:
        path.write_text("sku,location,on_hand\n" * 100)

        with pytest.raises(StoreTooOld, match="not a sound SQLite database"):
            open_file()

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(StoreUnavailable, match="not an existing folder"):
            open_ledger(str(tmp_path / "none" / "stock.db"))
        assert not (tmp_path / "none").exists()

    def test_a_folder_in_the_files_place(self, tmp_path: Path) -> None:
        with pytest.raises(StoreUnavailable):
            open_ledger(str(tmp_path))


class TestAddresses:
    @pytest.mark.parametrize(
        "form",
        ["sqlite:///stock.db", "stock.db", "sqlite:///{}/stock.db", "{}/stock.db"],
    )
    def test_a_file(
        self, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)

        open_ledger(form.format(tmp_path)).close()

        assert (tmp_path / "stock.db").is_file()

    @pytest.mark.parametrize("url", [":memory:", "sqlite://", "sqlite:///:memory:"])
    def test_memory(
        self, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with closing(open_ledger(url)) as one, closing(open_ledger(url)) as other:
            one.put_locations([location("a")])

            assert other.network().locations == ()
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("url", ["", "mysql://localhost/x", "sqlite://stock.db"])
    def test_what_is_not_supported(self, url: str) -> None:
        with pytest.raises(ValueError, match=r"sqlite:///PATH|empty"):
            open_ledger(url)
