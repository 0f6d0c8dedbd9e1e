import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from availability.errors import BadFile
from availability.imports import staging as module
from availability.imports.csv_rows import MAX_FAULTS, Faults
from availability.imports.staging import Staging, Weight, open_staging
from availability.imports.stock_formats import StockFormat, StockRow, read_stock
from availability.model import ImportMode, LocationId, Sku, StockChange
from tests.availability.imports.open_files import open_below
from tests.router.cli.tool import SECONDS, environment

PATH = Path("stock.csv")
Stage = Callable[[Iterable[StockRow]], list[str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def rows(*records: str) -> list[StockRow]:
    """Return rows from the second line on: `location sku [zone [safety_stock]]`."""
    made = []
    for line, record in enumerate(records, start=2):
        location, sku, zone, safety, *_ = [*record.split(), "-", "-"]
        stock = None if safety == "-" else int(safety)
        made.append(StockRow(line, location, sku, line, stock, zone.strip("-")))
    return made


def faults(found: Iterable[StockRow]) -> list[str]:
    """Return what is wrong with the rows beside each other."""
    noted = Faults()
    with open_staging() as staging:
        staging.take(found, PATH, noted)
    with pytest.raises(BadFile) as caught:
        noted.raise_any()
    return caught.value.lines


def taken(staging: Staging, found: Iterable[StockRow]) -> Staging:
    noted = Faults()
    staging.take(found, PATH, noted)
    noted.raise_any()
    return staging


def test_locations_come_together_in_the_order_they_first_appear() -> None:
    with open_staging() as staging:
        taken(staging, rows("b z", "a s", "b s", "c s", "a a x 7", "b a"))
        changes = list(staging.changes())

    assert [(each.location_id, each.sku, each.on_hand) for each in changes] == [
        *(("b", "z", 2), ("b", "s", 4), ("b", "a", 7)),
        *(("a", "s", 3), ("a", "a", 6)),
        ("c", "s", 5),
    ]
    assert changes[4] == StockChange(LocationId("a"), Sku("a"), 6, 7, "x")
    assert changes[3].safety_stock is None


def test_can_be_gone_through_again() -> None:
    with open_staging() as staging:
        taken(staging, rows("b z", "a s", "b s"))

        assert list(staging.changes()) == list(staging.changes())
        assert staging.record_count == 3


def test_knows_more_locations_than_it_keeps_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_PLACES_CACHED", 2)
    with open_staging() as staging:
        taken(staging, rows("a s", "b s", "c s", "a t", "d s", "b t", "c t"))
        changes = list(staging.changes())

    places = "".join(each.location_id for each in changes)
    assert places == "aabbccd"


def test_weighs_every_location() -> None:
    with open_staging() as staging:
        taken(staging, rows("bb shirt", "été s", "bb s zône 1"))

        assert list(staging.weights()) == [
            Weight(LocationId("bb"), 2, 2 + 5 + 2 + 1 + 5),
            Weight(LocationId("été"), 1, 5 + 1),
        ]


def test_finds_repeats_with_both_lines() -> None:
    records = ("a s", "b s", "a t", "a s", "a s x", "b s", "a s", "a s x", "a S")

    assert faults(rows(*records)) == [
        "stock.csv:5: line 5 repeats line 2",
        "stock.csv:7: line 7 repeats line 3",
        "stock.csv:8: line 8 repeats line 2",
        "stock.csv:9: line 9 repeats line 6",
    ]


def test_finds_repeats_far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_ROWS", 10)
    records = [f"{n % 7} s{n}" for n in range(1_000)]

    assert faults(rows(*records, "3 s3")) == [
        "stock.csv:1002: line 1002 repeats line 5"
    ]


def test_lists_the_first_faults_and_counts_the_others() -> None:
    lines = faults(rows(*["a s"] * (MAX_FAULTS + 1_235)))

    assert lines[0] == "stock.csv:3: line 3 repeats line 2"
    assert lines[MAX_FAULTS - 1] == f"stock.csv:{MAX_FAULTS + 2}: " + (
        f"line {MAX_FAULTS + 2} repeats line 2"
    )
    assert lines[MAX_FAULTS:] == ["and 1,234 more"]


def test_the_zones_of_a_sku_share_a_safety_stock() -> None:
    """A request with both would be refused; they may be in two requests."""
    records = ("a s x 5", "a s y 5", "a s z", "a s w 6", "b s x 6", "a t x 0")

    assert faults(rows(*records)) == [
        "stock.csv:5: line 5 says another safety_stock than line 2: the zones of a "
        "SKU share one"
    ]


def test_one_id_is_one_type_of_location() -> None:
    found = [
        StockRow(2, "1", "s", 1, place_type="DEPOT"),
        StockRow(3, "2", "s", 1, place_type="MAG"),
        StockRow(4, "1", "t", 1, place_type="DEPOT"),
        StockRow(5, "1", "u", 1, place_type="MAG"),
    ]

    assert faults(found) == [
        "stock.csv:5: line 5 says that 1 is a MAG, line 2 a DEPOT: one id is one "
        "location"
    ]
    with open_staging() as staging:
        taken(staging, found[:3])


def test_both_words_for_a_warehouse_are_one_type(tmp_path: Path) -> None:
    path = tmp_path / "stock.csv"
    path.write_text("depot_type;depot_code;art_ref;qte\nDPT;1;a;1\nDEPOT;1;b;1\n")
    stock = read_stock(path, StockFormat.STOCKSTOCKS, ImportMode.SET, Faults())

    with open_staging() as staging:
        assert len(list(taken(staging, stock).changes())) == 2


def test_its_file_has_no_name(folder: Path) -> None:
    """So nothing is left behind, whatever ends the process."""
    with open_staging() as staging:
        taken(staging, rows(*(f"a s{n}" for n in range(20_000))))

        assert list(folder.iterdir()) == []
        [name] = open_below(folder)
        assert name.endswith(".staging (deleted)")
    assert open_below(folder) == []


def test_a_folder_that_cannot_be_written_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))

    with pytest.raises(FileNotFoundError), open_staging():
        pass


def python(script: str, *arguments: str) -> str:
    """Run a script of its own and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


STAGE = """
import pathlib, sys
from availability.imports.csv_rows import Faults
from availability.imports.staging import open_staging
from availability.imports.stock_formats import StockFormat, read_stock
from availability.model import ImportMode

def stage(name):
    path, faults = pathlib.Path(name), Faults()
    with open_staging() as staging:
        rows = read_stock(path, StockFormat.CSV, ImportMode.SET, faults)
        staging.take(rows, path, faults)
        faults.raise_any()
        return sum(1 for _ in staging.changes())
"""
PEAK = """
def peak_kib():
    # Not getrusage: its peak is that of the process that started this one, too.
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])

for name in sys.argv[1:]:
    print(stage(name), peak_kib())
"""


def test_a_larger_file_takes_no_more_memory(tmp_path: Path) -> None:
    """Both fill what may be kept in memory; every id of theirs is another one.

    Kept in memory, the rows that the second has more would take 50 MB at least.
    """
    sizes = (120_000, 320_000)
    for size in sizes:
        with (tmp_path / str(size)).open("w") as file:
            file.write("location,sku,on_hand\n")
            file.writelines(f"location-{n // 2},{n:0128},{n}\n" for n in range(size))

    lines = python(STAGE + PEAK, *(str(tmp_path / str(size)) for size in sizes))

    (small, before), (large, after) = (map(int, x.split()) for x in lines.splitlines())
    assert (small, large) == sizes
    assert after - before < 16 * 1024


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    path = tmp_path / "stock.csv"
    path.write_text(
        "location,sku,on_hand\n" + "".join(f"a,s{n},1\n" for n in range(90_000))
    )
    limit = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    stage(sys.argv[1])
except OSError as error:
    print(error)
"""

    said = python(STAGE + limit, str(path))

    assert said.startswith("the file could not be kept in /")
