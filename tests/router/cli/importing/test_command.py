import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from availability.v1 import stock_service_pb2
from router.cli import app
from router.cli.demo.child_server import running_server
from router.cli.demo.example import SKUS
from router.cli.remote.client import Client, connect
from tests.availability.imports.open_files import open_below
from tests.router.cli.tool import SECONDS, SEED_STOCK, command, environment

SET_STOCK = ("--mode", "set", "--stock", "stock.csv")
LOCATIONS = "location,rank,kind\nMontréal,1,store\nSherbrooke,2,store\nLaval,3,store\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "stock.csv").write_text(SEED_STOCK)
    (tmp_path / "locations.csv").write_text(LOCATIONS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def server() -> Iterator[Client]:
    with running_server() as address, connect(address) as client:
        yield client


@pytest.fixture
def client(server: Client, folder: Path) -> Client:
    """A client of a server that has the seed's stock and more of other SKUs."""
    assert folder == Path.cwd()
    load(server.address)
    return server


def send(target: str, *options: str) -> Result:
    flag = "--database" if "/" in target else "--server"
    return CliRunner().invoke(app, ["import", flag, target, *options])


def load(target: str) -> None:
    files = ("--locations", "locations.csv", "--stock", "stock.csv")
    result = send(target, "--mode", "set", *files)

    assert result.exit_code == 0, result.stderr


def write_stock(folder: Path, *rows: str) -> tuple[str, str]:
    """Write a stock file and return the option that names it."""
    (folder / "more.csv").write_text("\n".join(("location,sku,on_hand", *rows)))
    return ("--stock", "more.csv")


def on_hand(client: Client) -> dict[tuple[str, str], int]:
    request = stock_service_pb2.ListStockRequest(skus=SKUS)
    reply = client.stock.ListStock(request)
    return {(each.location_id, each.sku): each.on_hand_units for each in reply.records}


def test_puts_locations_and_stock(folder: Path, client: Client) -> None:
    send(client.address, "--mode", "set", *write_stock(folder, "Laval,shirt,1"))

    result = send(
        *(client.address, "--mode", "set"),
        *("--locations", "locations.csv", "--stock", "stock.csv"),
    )

    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout == (
        "locations: 0 created, 3 replaced\n"
        "stock: 9 records read, 1 changed, 0 set to zero\n"
    )
    assert on_hand(client)["Laval", "shirt"] == 15
    listed = client.stock.ListLocations(stock_service_pb2.ListLocationsRequest())
    names = [each.location_id for each in listed.locations]
    assert names == ["Montréal", "Sherbrooke", "Laval"]


def test_the_three_modes(folder: Path, client: Client) -> None:
    row = write_stock(folder, "Montréal,shirt,4")

    send(client.address, "--mode", "set", *row)
    stock = on_hand(client)
    assert (stock["Montréal", "shirt"], stock["Montréal", "hat"]) == (4, 3)

    send(client.address, "--mode", "delta", *row)
    assert on_hand(client)["Montréal", "shirt"] == 8

    result = send(client.address, "--mode", "snapshot", "--force", *row)
    stock = on_hand(client)
    assert (stock["Montréal", "shirt"], stock["Montréal", "hat"]) == (4, 0)
    assert stock["Laval", "hat"] == 10
    assert result.stdout == "stock: 1 records read, 1 changed, 2 set to zero\n"


def test_a_repeat_with_the_same_id_adds_nothing(folder: Path, client: Client) -> None:
    row = write_stock(folder, "Montréal,shirt,-4")
    options = ("--mode", "delta", *row, "--request-id", "monday")

    first = send(client.address, *options)
    again = send(client.address, *options)

    assert first.exit_code == again.exit_code == 0
    assert first.stdout == again.stdout
    assert on_hand(client)["Montréal", "shirt"] == 6


def test_an_interrupted_import_goes_on_where_it_stopped(
    folder: Path, client: Client
) -> None:
    """The second request is refused; mended, the first is not applied twice."""
    many = [f"Laval,sku-{n},1" for n in range(10_000)]
    bad = write_stock(folder, *many, "Laval,hat,-11", "nowhere,hat,1")
    refused = send(client.address, "--mode", "delta", *bad)

    assert refused.exit_code == 1
    *causes, again = refused.stderr.splitlines()
    assert causes[0].startswith("repartir: hat at Laval: ")
    assert causes[1].startswith("repartir: hat at nowhere: ")
    request_id = again.partition("--request-id ")[2].split()[0]
    good = write_stock(folder, *many, "Laval,hat,-10")
    mended = send(
        *(client.address, "--mode", "delta", *good),
        *("--request-id", request_id),
    )

    assert mended.exit_code == 0, mended.stderr
    request = stock_service_pb2.ListStockRequest(skus=["sku-0", "sku-9999", "hat"])
    records = client.stock.ListStock(request).records
    units = {x.sku: x.on_hand_units for x in records if x.location_id == "Laval"}
    assert units == {"sku-0": 1, "sku-9999": 1, "hat": 0}


def test_the_server_knows_which_locations_there_are(
    folder: Path, client: Client
) -> None:
    rows = write_stock(folder, "nowhere,hat,1", "Laval,hat,1", "Paris,hat,1")

    result = send(client.address, "--mode", "set", *rows)

    assert result.exit_code == 1
    first, second, _ = result.stderr.splitlines()
    assert first.startswith("repartir: hat at nowhere: ")
    assert second.startswith("repartir: hat at Paris: ")


def test_writes_to_a_database_that_no_server_has_open(folder: Path) -> None:
    url = "sqlite:///stock.db"
    load(url)
    row = write_stock(folder, "Montréal,shirt,-10")
    options = ("--mode", "delta", *row, "--request-id", "monday")

    assert send(url, *options).exit_code == 0
    assert send(url, *options).exit_code == 0
    refused = send(url, "--mode", "delta", *row)

    assert refused.exit_code == 1
    assert refused.stderr.startswith("repartir: shirt at Montréal: ")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            (),
            "nothing to import: give a network file, --stock, --locations or both",
        ),
        (
            ("--stock", "stock.csv"),
            "--stock needs --mode: set, snapshot, delta, delete, append, replace",
        ),
        (
            (*SET_STOCK, "--max-drop", "20"),
            "--max-drop and --force are for --mode snapshot only",
        ),
        (
            ("--mode", "append", "--stock", "stock.csv", "--force"),
            "--max-drop and --force are for --mode snapshot only",
        ),
        *(
            (
                ("--mode", "replace", "--stock", "stock.csv", "--max-drop", percent),
                "--max-drop must be a percentage, 0 to 100 with at most one decimal, "
                f"got {percent!r}",
            )
            for percent in ("100.1", "101", "-1", "1.25", "20%", "", "nan", ".5", "5.")
        ),
        (
            (*SET_STOCK, "--dry-run", "--locations", "locations.csv"),
            "--dry-run is for --stock alone: import --locations before it",
        ),
        (
            ("--locations", "locations.csv", "--dry-run"),
            "--dry-run is for --stock alone: import --locations before it",
        ),
        (
            (*SET_STOCK, "--format", "stockstocks"),
            "stock.csv:1: the header has none of ; |",
        ),
        (
            ("--server", "a:1", "--database", "b", "--locations", "locations.csv"),
            "give --server or --database, not both",
        ),
        (
            ("--locations", "locations.csv", "--request-id", "a b"),
            "--request-id must be 1 to 100 printable ASCII characters, no space",
        ),
        (
            ("--locations", "stock.csv"),
            "stock.csv:1: unknown column 'sku': known are location, rank, kind",
        ),
        (
            ("--mode", "snapshot", "--stock", "none.csv"),
            "none.csv: cannot be read: No such file or directory",
        ),
    ],
)
@pytest.mark.usefixtures("folder")
def test_bad_usage_reaches_no_server(options: tuple[str, ...], expected: str) -> None:
    result = CliRunner().invoke(app, ["import", *options])

    assert result.exit_code == 2
    assert result.stderr.startswith(f"repartir: {expected}")


def test_a_snapshot_that_must_be_cut_is_refused_before_anything_is_sent(
    folder: Path, client: Client
) -> None:
    rows = write_stock(folder, *(f"Laval,big-{n},1" for n in range(50_001)))

    result = send(client.address, "--mode", "snapshot", *rows)

    assert result.exit_code == 2
    assert result.stderr.startswith("repartir: location Laval: 50,001 records exceed")
    request = stock_service_pb2.ListStockRequest(skus=["big-0"])
    assert not client.stock.ListStock(request).records


@pytest.mark.usefixtures("folder")
def test_no_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.cli.remote.client.CONNECT_SECONDS", 0.2)

    result = send("127.0.0.1:9", "--locations", "locations.csv")

    assert result.exit_code == 1
    assert result.stderr == (
        "repartir: no server answers at 127.0.0.1:9: is `repartir serve` running "
        "there?\n"
    )


@pytest.mark.usefixtures("folder")
def test_a_bad_database_is_one_line() -> None:
    result = send("nosql:///x", "--locations", "locations.csv")

    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("repartir: --database nosql:///x: no ledger for")


# --- formats ------------------------------------------------------------------------


def test_csv_brings_safety_stocks_and_zones(folder: Path, client: Client) -> None:
    (folder / "more.csv").write_text(
        "location,sku,on_hand,safety_stock\nLaval,shirt,9,4\nLaval,hat,8,\n"
    )
    zoned = "location,sku,on_hand,zone\nLaval,shoes,1,cellar\n"
    (folder / "zoned.csv").write_text(zoned)

    result = send(client.address, "--mode", "set", "--stock", "more.csv")
    refused = send(client.address, "--mode", "set", "--stock", "zoned.csv")

    assert result.exit_code == 0, result.stderr
    records = client.stock.ListStock(stock_service_pb2.ListStockRequest(skus=SKUS))
    safety = {
        each.sku: each.safety_stock_units
        for each in records.records
        if each.location_id == "Laval"
    }
    assert safety == {"shirt": 4, "hat": 0, "shoes": 0}
    assert refused.exit_code == 1
    assert refused.stderr.startswith("repartir: shoes at Laval: no zone 'cellar'")
    (folder / "more.csv").write_text(
        "location,sku,on_hand,safety_stock\nLaval,shirt,9,0\n"
    )
    assert send(client.address, *SET_STOCK[:3], "more.csv").exit_code == 0


def test_source_items_are_appended_replaced_and_deleted(
    folder: Path, client: Client
) -> None:
    (folder / "places.csv").write_text("location\nparis\n")
    rows = write_stock(folder, "paris,hat,10", "paris,shirt,15", "paris,shoes,10")
    send(client.address, "--mode", "set", "--locations", "places.csv", *rows)
    stock = ("--format", "source-items", "--stock", "items.csv")
    header = "source_code,sku,status,quantity"
    path = folder / "items.csv"

    path.write_text(f"{header}\nparis,hat,1,4.0000\nparis,shirt,0,15.0000\n")
    assert send(client.address, "--mode", "append", *stock).exit_code == 0
    held = on_hand(client)
    assert [held["paris", sku] for sku in ("hat", "shirt", "shoes")] == [4, 0, 10]

    path.write_text(f"{header}\nparis,hat,,5\nparis,shoes,1,8.0\n")
    replaced = send(client.address, "--mode", "replace", *stock)
    assert replaced.exit_code == 0, replaced.stderr
    assert replaced.stdout == "stock: 2 records read, 2 changed, 0 set to zero\n"

    path.write_text("source_code,sku\nparis,hat\n")
    deleted = send(client.address, "--mode", "delete", *stock)
    assert deleted.exit_code == 0, deleted.stderr
    held = on_hand(client)
    assert held.get(("paris", "hat"), 0) == 0
    assert held["paris", "shoes"] == 8


def test_stockstocks(folder: Path, client: Client) -> None:
    (folder / "stock.edi").write_bytes(
        "depot_type|depot_code|art_ref|type_ref|qte\r\n"
        "DEPOT|Laval|hat||7\r\nMAG|Montréal|hat|REF|2.0\r\n".encode()
    )
    stock = ("--format", "stockstocks", "--stock", "stock.edi")

    result = send(client.address, "--mode", "set", *stock)

    assert result.exit_code == 0, result.stderr
    held = on_hand(client)
    assert (held["Laval", "hat"], held["Montréal", "hat"]) == (7, 2)


def test_bad_rows_are_listed_and_nothing_is_sent(folder: Path, client: Client) -> None:
    bad = [f"Laval,sku-{n},-1" for n in range(150)]
    rows = write_stock(folder, "Laval,hat,1", *bad, "Laval,hat,2")

    result = send(client.address, "--mode", "set", *rows)

    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert lines[0].startswith("repartir: more.csv:3: on_hand must be a whole number")
    assert len(lines) == 101
    assert lines[100] == "repartir: and 51 more"
    assert on_hand(client)["Laval", "hat"] == 10


# --- what a snapshot may remove -------------------------------------------------------


def count(folder: Path, client: Client, *locations: str) -> None:
    """Make locations with a hundred records of ten units each."""
    (folder / "places.csv").write_text("\n".join(("location", *locations)))
    rows = [f"{each},sku-{n},10" for each in locations for n in range(100)]
    result = send(
        *(client.address, "--mode", "set", "--locations", "places.csv"),
        *write_stock(folder, *rows),
    )
    assert result.exit_code == 0, result.stderr


def units(client: Client, location: str) -> int:
    request = stock_service_pb2.ListStockRequest(
        location_ids=[location], page_size=10_000
    )
    return sum(each.on_hand_units for each in client.stock.ListStock(request).records)


def snapshot(folder: Path, client: Client, rows: Iterable[str], *more: str) -> Result:
    stock = write_stock(folder, *rows)
    return send(client.address, "--mode", "snapshot", *stock, *more)


@pytest.mark.parametrize(
    ("kept", "more", "exit_code"),
    [
        (81, (), 0),
        (80, (), 0),
        (79, (), 1),
        (79, ("--force",), 0),
        (79, ("--max-drop", "21"), 0),
        (79, ("--max-drop", "21.0"), 0),
        (79, ("--max-drop", "20.9"), 1),
        (99, ("--max-drop", "0"), 1),
        (100, ("--max-drop", "0"), 0),
        (1, ("--max-drop", "100"), 0),
    ],
)
def test_a_snapshot_may_drop_so_many_records(
    folder: Path, client: Client, kept: int, more: tuple[str, ...], exit_code: int
) -> None:
    count(folder, client, "a")

    result = snapshot(folder, client, (f"a,sku-{n},10" for n in range(kept)), *more)

    assert result.exit_code == exit_code, result.stderr
    assert units(client, "a") == (1_000 if exit_code else kept * 10)


@pytest.mark.parametrize(
    ("last", "more", "exit_code"),
    [
        (900, (), 0),
        (701, (), 0),
        (700, (), 0),
        (699, (), 1),
        (699, ("--max-drop", "20.1"), 0),
        (698, ("--max-drop", "20.1"), 1),
    ],
)
def test_a_snapshot_may_drop_so_many_units(
    folder: Path, client: Client, last: int, more: tuple[str, ...], exit_code: int
) -> None:
    """One record of them has 900 of 1,000 units; none goes to zero."""
    count(folder, client, "b")
    ones = [f"b,sku-{n},{1 if n < 99 else 901}" for n in range(100)]
    assert snapshot(folder, client, ones, "--force").exit_code == 0

    ones[99] = f"b,sku-99,{last + 1}"
    result = snapshot(folder, client, ones, *more)

    assert result.exit_code == exit_code, result.stderr
    assert units(client, "b") == (1_000 if exit_code else last + 100)


def test_a_refused_snapshot_prints_what_it_would_remove(
    folder: Path, client: Client
) -> None:
    count(folder, client, "c")
    rows = [f"c,sku-{n},{10 if n else 1}" for n in range(67)]

    result = snapshot(folder, client, rows, "--max-drop", "32.5")

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        "repartir: the snapshot would remove 33 of 100 records (33.0 %) and 339 of "
        "1,000 units (33.9 %): more than --max-drop 32.5 %; no stock was changed; "
        "to import it, give --force\n"
    )


def test_what_all_requests_drop_together_counts(
    folder: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each location has a request of its own."""
    monkeypatch.setattr("router.cli.importing.chunks.CHUNK_CHANGES", 100)
    count(folder, client, "d", "e")
    d, e = ([f"{each},sku-{n},10" for n in range(100)] for each in "de")

    first_is_too_much = snapshot(folder, client, d[:70] + e)
    assert first_is_too_much.exit_code == 0, first_is_too_much.stderr
    assert (units(client, "d"), units(client, "e")) == (700, 1_000)

    # Of neither location more than a fifth of what both have.
    second_is_too_much = snapshot(folder, client, d[:55] + e[:75])
    assert second_is_too_much.exit_code == 1
    assert "40 of 170 records (23.6 %)" in second_is_too_much.stderr
    assert (units(client, "d"), units(client, "e")) == (700, 1_000)


def test_a_snapshot_that_is_refused_in_part_changes_nothing(
    folder: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The location that is not there is in the second request."""
    monkeypatch.setattr("router.cli.importing.chunks.CHUNK_CHANGES", 100)
    count(folder, client, "f")
    rows = [f"f,sku-{n},11" for n in range(100)]

    result = snapshot(folder, client, [*rows, "nowhere,sku-0,7"])

    assert result.exit_code == 1
    assert result.stderr.startswith("repartir: sku-0 at nowhere: no location 'nowhere'")
    assert "--request-id" not in result.stderr
    assert units(client, "f") == 1_000


def test_a_dry_run_prints_the_changes(folder: Path, client: Client) -> None:
    count(folder, client, "g")
    rows = [f"g,sku-{n},{10 if n else 11}" for n in range(50)]

    tried = snapshot(folder, client, rows, "--dry-run")
    agreed = snapshot(folder, client, rows, "--dry-run", "--max-drop", "50")
    added = send(
        *(client.address, "--mode", "delta", "--dry-run"),
        *write_stock(folder, "g,sku-1,5", "g,sku-2,0"),
    )

    assert (tried.exit_code, agreed.exit_code, added.exit_code) == (0, 0, 0)
    counts = "stock: 50 records read, 1 would change, 50 would be set to zero\n"
    drop = (
        "the snapshot would remove 50 of 100 records (50.0 %) and 500 of 1,000 "
        "units (50.0 %)"
    )
    assert tried.stdout == (
        f"{counts}{drop}: more than --max-drop 20 %, it needs --force\n"
    )
    assert agreed.stdout == f"{counts}{drop}\n"
    assert added.stdout == (
        "stock: 2 records read, 1 would change, 0 would be set to zero\n"
    )
    assert units(client, "g") == 1_000


def test_a_dry_run_is_no_first_time(folder: Path, client: Client) -> None:
    """The real import with the same id is done afterwards."""
    count(folder, client, "h")
    options = ("--mode", "delta", *write_stock(folder, "h,sku-1,5"))

    send(client.address, *options, "--request-id", "twice", "--dry-run")
    result = send(client.address, *options, "--request-id", "twice")

    assert result.exit_code == 0, result.stderr
    assert units(client, "h") == 1_005


def test_a_first_snapshot_drops_nothing(folder: Path, client: Client) -> None:
    (folder / "places.csv").write_text("location\ni\n")

    result = snapshot(
        *(folder, client, ["i,sku-1,3"]),
        *("--locations", "places.csv", "--max-drop", "0"),
    )

    assert result.exit_code == 0, result.stderr
    assert units(client, "i") == 3


# --- ended before the end ---------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_it_no_staging_file_stays(
    folder: Path, number: signal.Signals
) -> None:
    """The stock comes through a pipe that is never at its end."""
    staged = folder / "staged"
    staged.mkdir()
    os.mkfifo(folder / "pipe")
    arguments = ("--database", "sqlite:///stock.db", "--mode", "set")
    with subprocess.Popen(
        command("import", *arguments, "--stock", "pipe"),
        cwd=folder,
        env=environment(TMPDIR=str(staged)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            with (folder / "pipe").open("w") as pipe:
                pipe.write("location,sku,on_hand\n")
                pipe.writelines(f"a,sku-{n},1\n" for n in range(20_000))
                pipe.flush()
                until = time.monotonic() + SECONDS
                while not open_below(staged, process.pid):
                    assert time.monotonic() < until
                    time.sleep(0.01)
                process.send_signal(number)
                stdout, stderr = process.communicate(timeout=SECONDS)
        finally:
            process.kill()

    assert process.returncode == (
        128 + signal.SIGINT if number is signal.SIGINT else -number
    )
    assert (stdout, stderr) == ("", "")
    assert list(staged.iterdir()) == []
