from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from availability.v1 import stock_service_pb2
from router.cli import app
from router.cli.child import running_server
from router.cli.client import Client, connect
from router.cli.seed import SKUS
from tests.cli.tool import SEED_STOCK

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

    result = send(client.address, "--mode", "snapshot", *row)
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
    request_id = again.partition("--request-id ")[2].partition(" ")[0]
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
        ((), "nothing to import: give --stock, --locations or both"),
        (("--stock", "stock.csv"), "--stock needs --mode: set, snapshot or delta"),
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
    assert result.stderr.startswith("repartir: location Laval: 50,001 records are too")
    request = stock_service_pb2.ListStockRequest(skus=["big-0"])
    assert not client.stock.ListStock(request).records


@pytest.mark.usefixtures("folder")
def test_says_that_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.cli.client.CONNECT_SECONDS", 0.2)

    result = send("127.0.0.1:9", "--locations", "locations.csv")

    assert result.exit_code == 1
    assert result.stderr == (
        "repartir: no server answers at 127.0.0.1:9: is `repartir serve` running "
        "there?\n"
    )


@pytest.mark.usefixtures("folder")
def test_says_that_a_database_is_none() -> None:
    result = send("nosql:///x", "--locations", "locations.csv")

    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("repartir: --database nosql:///x: no ledger for")
