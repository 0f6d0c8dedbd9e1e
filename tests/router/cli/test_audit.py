"""`repartir audit`: what it finds, what it puts right, and how it ends."""

from contextlib import closing
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as driver

from availability.ledger.open import open_ledger
from availability.model import ImportMode, Location, LocationId, Sku, StockChange
from availability.reservations import Claim, Reservation
from tests.router.cli.tool import run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger in which 3 of 10 shirts are promised."""
    path = tmp_path / "stock.db"
    at, sku = LocationId("[bold]a"), Sku("shirt")
    with closing(open_ledger(str(path))) as ledger:
        ledger.put_locations([Location(at, 1)])
        ledger.import_stock(ImportMode.SET, [StockChange(at, sku, 10)])
        ledger.reserve(Reservation("plan", "order", (Claim(at, sku, 3),), b"reply"))
    return path


def tamper(path: Path) -> None:
    with closing(driver.connect(path)) as db:
        db.execute("UPDATE stock SET allocated = 5")
        db.commit()


def test_sound_books(path: Path) -> None:
    done = run("audit", "--database", f"sqlite:///{path}", folder=path.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "clean: 1 stock records, 1 reservations, 2 movements\n"


def test_a_drift_is_named_then_repaired(path: Path) -> None:
    tamper(path)
    found = run("audit", "--database", str(path), folder=path.parent)
    assert found.returncode == 1
    # The location's id is text, not markup.
    assert found.stdout.splitlines()[1].split() == [
        *("stock", "[bold]a/shirt"),
        *("allocated", "5", "3"),
    ]
    assert found.stdout.splitlines()[2].startswith("1 drifted: 1 stock records")
    repaired = run("audit", "--database", str(path), "--repair", folder=path.parent)
    assert repaired.returncode == 0
    assert repaired.stdout.splitlines()[1].endswith("repaired")
    assert run("audit", "--database", str(path), folder=path.parent).stdout.startswith(
        "clean: "
    )


def test_while_a_server_has_the_file(path: Path) -> None:
    with closing(open_ledger(str(path))):
        assert run("audit", "--database", str(path), folder=path.parent).returncode == 0
        refused = run("audit", "--database", str(path), "--repair", folder=path.parent)
    assert refused.returncode == 2
    assert "a ledger has one process at a time" in refused.stderr


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "is not a file"),
        (b"", "no ledger was made there yet"),
        (b"no database at all, but long enough" * 9, "not a sound SQLite database"),
    ],
)
def test_what_is_no_ledger(
    tmp_path: Path, content: bytes | None, expected: str
) -> None:
    path = tmp_path / "other"
    if content is not None:
        path.write_bytes(content)
    done = run("audit", "--database", str(path), folder=path.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"repartir: --database {path}: ")
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert content is None or path.read_bytes() == content
