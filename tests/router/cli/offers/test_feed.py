"""`repartir feed`: what a marketplace is sent, from files, a server and a database."""

import csv
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from router.cli.remote.client import connect
from router.v1 import order_pb2, routing_service_pb2
from tests.router.cli.test_selling import (
    CHANNELS,
    FILES,
    MORE,
    NETWORK,
    STOCK,
    Place,
    cli,
    fill,
    opened,
    route,
)
from tests.router.cli.tool import SECONDS, environment

HEADER = "sku,quantity_on_hand,quantity_backordered,quantity_on_order,next_available"
# Stock never counted: floors that were declared and not, what is set apart, stopped
# and fixed, and a kit of what is not known.
UNCOUNTED = """
[settings.skus.mug]
floor_units = 0
[settings.skus.cup]
floor_units = 4
[settings.skus.pen]
low_units = 2
[settings.skus.dummy]
fixed_units = 7
[settings.skus.belt]
backorders = "allow"
[[allocations]]
allocation_id = "stop"
sku = "poster"
quantity_units = 0
channel_ids = ["web"]
[[allocations]]
allocation_id = "prints"
sku = "print"
quantity_units = 6
channel_ids = ["web", "b2b"]
following = ["web"]
[[kits]]
sku = "pack"
components = [{ sku = "pen", quantity_units = 2 }]
[[supplies]]
supply_id = "po-1072"
location_id = "laval"
sku = "cap"
quantity_units = 20
available_from_seconds = 2199-12-03T08:00:00-05:00
"""
ONE = """\
[[locations]]
location_id = "dc"
rank = 1
[[locations]]
location_id = "shop"
rank = 2
stale_after_seconds = 60
[[channels]]
channel_id = "web"
"""
WEB = ("feed", "--channel", "web")


def write(folder: Path) -> None:
    (folder / "network.toml").write_text(NETWORK + MORE + UNCOUNTED)
    (folder / "stock.csv").write_text(f"{STOCK}dc,belt,5,rack\n")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module", params=["server", "database"])
def asked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """A place with the network and its stock, for tests that only ask."""
    there = tmp_path_factory.mktemp("asked")
    write(there)
    with opened(request.param, there) as found:
        yield fill(found, there)


@pytest.fixture
def server(folder: Path) -> Iterator[Place]:
    """A server of the test's own."""
    with opened("server", folder) as found:
        yield fill(found, folder)


def lines(result: Result) -> list[str]:
    """Return the rows that were printed."""
    assert (result.exit_code, result.stderr) == (0, "")
    header, *rows = result.stdout.splitlines()
    assert header == HEADER
    return rows


def sent(path: str) -> dict[str, tuple[str, ...]]:
    """Return the rows of a file by SKU."""
    with Path(path).open(newline="") as file:
        _, *rows = csv.reader(file)
    return {sku: tuple(cells) for sku, *cells in rows}


def small(stock: str, holds: str = "", network: str = ONE) -> tuple[str, ...]:
    """Write a small network and return the options that name it."""
    Path("network.toml").write_text(network)
    Path("stock.csv").write_text(stock)
    Path("holds.csv").write_text(f"channel,sku,quantity\n{holds}")
    return (*FILES, "--holds", "holds.csv")


# --- The rows -----------------------------------------------------------------------


def test_a_snapshot_of_files() -> None:
    assert lines(cli(*WEB, *FILES)) == [
        "album,500,0,0,2200-03-05T05:00:00Z",
        "belt,5,0,0,",
        "cap,0,0,120,2199-12-01T13:00:00Z",
        "cup,4,0,0,",
        "dummy,7,0,0,",
        # 30 of 56 are set apart for b2b.
        "hat,26,0,0,",
        "mug,0,0,0,",
        "outfit,26,0,0,",
        "poster,0,0,0,",
        "print,6,0,0,",
        "scarf,3,0,0,",
        "shirt,105,0,0,",
    ]


@pytest.mark.parametrize(
    ("stock", "orders", "row"),
    [
        (8, 5, "shirt,3,0,0,"),
        (6, 5, "shirt,1,0,0,"),
        (5, 5, "shirt,0,0,0,"),
        (5, 6, "shirt,-1,1,0,"),
        (5, 8, "shirt,-1,3,0,"),
    ],
)
def test_fusion_e3(stock: int, orders: int, row: str) -> None:
    """Available -3 is -1 to the receiver, with the 3 that are missing."""
    located = min(stock, orders)
    options = small(
        f"location,sku,on_hand,allocated\ndc,shirt,{stock},{located}\n",
        f"web,shirt,{orders - located}\n",
    )

    assert lines(cli(*WEB, *options)) == [row]


@pytest.mark.parametrize(
    ("net", "buffer", "quantity"),
    [(5, 2, 3), (5, 5, 0), (2, 5, 0), (-1, 2, -1), (6, 5, 1), (0, 1, 0), (5, 0, 5)],
)
def test_wayfair_e4_the_buffer(net: int, buffer: int, quantity: int) -> None:
    options = small(
        f"location,sku,on_hand\ndc,shirt,{max(0, net)}\n",
        f"web,shirt,{max(0, -net)}\n",
    )

    [row] = lines(cli(*WEB, *options, "--buffer", str(buffer)))
    assert row == f"shirt,{quantity},{max(0, -net)},0,"


@pytest.mark.parametrize(
    ("stocks", "queued", "quantity"),
    [((5, 3), 0, 8), ((-1, 5), 0, 5), ((0, 5), 1, 4), ((0, 0), 1, -1), ((0, 0), 2, -1)],
)
def test_wayfair_e4_several_warehouses(
    stocks: tuple[int, ...], queued: int, quantity: int
) -> None:
    """What one is short of takes nothing from another, and is no stock either."""
    rows = "".join(
        f"{at},shirt,{max(0, units)},{max(0, -units)}\n"
        for at, units in zip(("dc", "shop"), stocks, strict=True)
    )
    options = small(f"location,sku,on_hand,allocated\n{rows}", f"web,shirt,{queued}\n")

    [row] = lines(cli(*WEB, *options))
    assert row.split(",")[1] == str(quantity)


def test_what_is_not_known_is_not_sent() -> None:
    """Too old a count, and a floor that was declared of it; what needs no count."""
    options = small(
        "location,sku,on_hand,as_of\n"
        "shop,old,5,2026-01-31T08:00:00Z\n"
        "shop,floor,5,2026-01-31T08:00:00Z\n"
        "shop,new,5,2026-01-31T09:00:00Z\n",
        network=ONE + "[settings.skus]\nfloor = { floor_units = 2 }\n"
        "download = { managed = false }\n",
    )

    found = cli(*WEB, *options, "--now", "2026-01-31T09:00:00Z")
    assert lines(found) == ["floor,2,0,0,", "new,5,0,0,"]


def test_what_is_late_is_not_on_order() -> None:
    options = small(
        "location,sku,on_hand\ndc,shirt,0\n",
        network=ONE
        + "".join(
            f'[[supplies]]\nsupply_id = "{n}"\nlocation_id = "dc"\nsku = "shirt"\n'
            f"quantity_units = {10**n}\navailable_from_seconds = {date}T00:00:00Z\n"
            for n, date in enumerate(("2026-01-01", "2026-02-01", "2026-03-01"))
        ),
    )

    def at(now: str) -> list[str]:
        return lines(cli(*WEB, *options, "--now", f"{now}T00:00:00Z"))

    assert at("2025-12-31") == ["shirt,0,0,111,2026-01-01T00:00:00Z"]
    assert at("2026-01-01") == ["shirt,0,0,110,2026-02-01T00:00:00Z"]
    assert at("2026-03-01") == ["shirt,0,0,0,"]


def test_one_object_a_line() -> None:
    result = cli(*WEB, *FILES, "cap", "hat", "--format", "json")

    cap, hat = map(json.loads, result.stdout.splitlines())
    assert cap == {
        "sku": "cap",
        "quantity_on_hand": 0,
        "quantity_backordered": 0,
        "quantity_on_order": 120,
        "next_available": "2199-12-01T13:00:00Z",
    }
    assert hat["next_available"] is None


# --- A server, a database, and files ------------------------------------------------


def test_the_rows_are_those_of_the_same_files(asked: Place) -> None:
    for channel in CHANNELS:
        for options in ((), ("--buffer", "3"), ("hat", "pen", "mug", "none", "pack")):
            wanted = ("feed", "--channel", channel, *options)

            assert lines(asked.run(*wanted)) == lines(cli(*wanted, *FILES))


def test_many_calls_are_one_feed(asked: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = lines(asked.run(*WEB))
    # The command has the name of its module.
    monkeypatch.setattr(sys.modules["router.cli.offers.feed"], "CHUNK_SKUS", 3)

    assert lines(asked.run(*WEB)) == whole


def test_what_is_owed_is_the_same_everywhere(server: Place, folder: Path) -> None:
    placed = [order_pb2.OrderLine(line_id="1", sku="shirt", quantity=60)]
    order = order_pb2.Order(order_id="o1", channel_id="b2b", lines=placed)
    with connect(server.options[1]) as client:
        request = routing_service_pb2.RouteOrderRequest(
            request_id="r1", order=order, queue_unassigned=True
        )
        plan = client.call(client.routing.RouteOrder, request).plan
    taken = {each.location_id: each.quantity for each in plan.assignments}
    assert taken == {"dc": 40}
    written = STOCK.replace("on_hand,zone", "on_hand,zone,allocated")
    rows = written.splitlines()
    rows[1:] = [f"{row},{40 if row.startswith('dc,shirt') else 0}" for row in rows[1:]]
    (folder / "stock.csv").write_text("\n".join([*rows, "dc,belt,5,rack,0\n"]))
    (folder / "holds.csv").write_text("channel,sku,quantity\nb2b,shirt,20\n")

    for channel in CHANNELS:
        wanted = ("feed", "--channel", channel)
        served = lines(server.run(*wanted))
        assert served == lines(cli(*wanted, *FILES, "--holds", "holds.csv"))
        # 30 more may be sold beyond what is there.
        assert channel != "b2b" or "shirt,30,20,0," in served


@pytest.mark.parametrize("options", [(), ("hat",)])
def test_an_unknown_channel(asked: Place, options: tuple[str, ...]) -> None:
    result = asked.run("feed", "--channel", "shop", *options)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"repartir: no channel 'shop': {asked.name} has ")


# --- What changed -------------------------------------------------------------------


def test_a_differential_leads_to_the_next_snapshot(server: Place) -> None:
    server.run(*WEB, "--output", "monday.csv")
    nothing = server.run(*WEB, "--since", "monday.csv")
    route(server.options[1], "web", hat=3, scarf=3)

    changed = server.run(*WEB, "--since", "monday.csv", "--output", "changed.csv")
    server.run(*WEB, "--output", "tuesday.csv")
    again = server.run(*WEB, "--since", "monday.csv", "--since", "changed.csv")

    assert lines(nothing) == []
    assert changed.stdout == "changed.csv: 3 rows; 3 SKUs without a number\n"
    assert sent("changed.csv") == {
        "hat": ("23", "0", "0", ""),
        "outfit": ("23", "0", "0", ""),
        "scarf": ("0", "0", "0", ""),
    }
    assert sent("monday.csv") | sent("changed.csv") == sent("tuesday.csv")
    assert lines(again) == []


def test_what_is_gone_is_sent_as_0_once(folder: Path) -> None:
    cli(*WEB, *FILES, "--output", "last.csv")
    less = NETWORK.partition("[[kits]]")[0] + MORE
    (folder / "network.toml").write_text(less)
    since = (*WEB, *FILES, "--since", "last.csv")

    gone = lines(cli(*since))
    # The others were not asked for, and a name that is known in neither is none.
    named = lines(cli(*since, "outfit", "hat", "none"))
    cli(*since, "--output", "gone.csv")

    assert gone == [
        "cap,0,0,100,2199-12-01T13:00:00Z",
        # What was sent as 0 is 0 already.
        *(f"{sku},0,0,0," for sku in ("cup", "dummy", "outfit", "print")),
    ]
    assert named == ["outfit,0,0,0,"]
    assert lines(cli(*since, "--since", "gone.csv")) == []


def test_what_became_unknown_is_left_as_it_is(folder: Path) -> None:
    stock = "location,sku,on_hand,as_of\nshop,hat,{},2026-01-31T08:59:30Z\n"
    options = small(stock.format(5))
    at = ("--now", "2026-01-31T09:00:00Z")
    cli(*WEB, *options, *at, "--output", "last.csv")
    since = (*WEB, *options, "--since", "last.csv")

    assert lines(cli(*since, "--now", "2026-01-31T09:30:00Z")) == []
    (folder / "stock.csv").write_text(stock.format(4))
    assert lines(cli(*since, *at)) == ["hat,4,0,0,"]


def test_a_date_that_only_moves_with_the_clock_is_no_change() -> None:
    """What is made to order can leave ten hours from now, whenever that is."""
    options = small(
        "location,sku,on_hand\ndc,hat,5\n",
        network=ONE.replace("rank = 1", "rank = 1\nlead_time_minutes = 600"),
    )
    cli(*WEB, *options, "--now", "2026-01-31T09:00:00Z", "--output", "last.csv")

    later = (*WEB, *options, "--now", "2026-01-31T10:00:00Z")
    assert lines(cli(*later)) == ["hat,5,0,0,"]
    assert lines(cli(*later, "--since", "last.csv")) == []


def test_a_file_that_was_sent_is_read_strictly(folder: Path) -> None:
    (folder / "last.csv").write_text(
        f"{HEADER}\nhat,5,0,0,\nhat,5,0,0,\ncap,-2,0,0,\nmug,1.5,-1,x,soon\n,1,2,3\n"
        "  ,,0,0,2026-01-31\n"
    )
    (folder / "other.csv").write_text("sku,quantity\nhat,5\n")

    result = cli(*WEB, *FILES, "--since", "last.csv", "--since", "other.csv")

    assert (result.exit_code, result.stdout) == (2, "")
    dated = "next_available must be a date, a time and its offset, like "
    dated += "2026-01-31T09:00:00Z, got"
    most = 10**15 - 1
    assert result.stderr.splitlines()[:10] == [
        "repartir: last.csv:3: 'hat' is on line 2 already",
        "repartir: last.csv:4: quantity_on_hand must be a whole number, "
        f"-1 to {most}, got '-2'",
        "repartir: last.csv:5: quantity_on_hand must be a whole number, "
        f"-1 to {most}, got '1.5'",
        "repartir: last.csv:5: quantity_backordered must be a whole number, "
        f"0 to {most}, got '-1'",
        "repartir: last.csv:5: quantity_on_order must be a whole number, "
        f"0 to {most}, got 'x'",
        f"repartir: last.csv:5: {dated} 'soon'",
        "repartir: last.csv:6: has 4 columns, the header has 5",
        "repartir: last.csv:7: sku begins or ends with a space: '  '",
        "repartir: last.csv:7: quantity_on_hand must be a whole number, "
        f"-1 to {most}, got ''",
        f"repartir: last.csv:7: {dated} '2026-01-31'",
    ]
    assert "other.csv:1: unknown column 'quantity'" in result.stderr


def test_any_sku_is_written_and_read_again() -> None:
    names = ['say "hi"', "a,b", "Montréal", "=1+1"]
    stock = "".join(f'dc,"{each.replace(chr(34), chr(34) * 2)}",1\n' for each in names)
    options = small(f"location,sku,on_hand\n{stock}")

    cli(*WEB, *options, "--output", "last.csv")

    assert sorted(sent("last.csv")) == sorted(names)
    assert lines(cli(*WEB, *options, "--since", "last.csv")) == []


# --- The file -----------------------------------------------------------------------


def test_a_file_is_written_whole(folder: Path) -> None:
    printed = cli(*WEB, *FILES).stdout
    result = cli(*WEB, *FILES, "--output", "feed.csv")
    (folder / "feed.csv").chmod(0o640)
    (folder / "link.csv").symlink_to("feed.csv")

    again = cli(*WEB, *FILES, "hat", "--output", "link.csv")

    assert result.stdout == "feed.csv: 12 rows; 3 SKUs without a number\n"
    assert again.stdout == "link.csv: 1 row\n"
    assert (folder / "link.csv").is_symlink()
    assert (folder / "feed.csv").read_text() == f"{HEADER}\nhat,26,0,0,\n"
    assert stat.S_IMODE((folder / "feed.csv").stat().st_mode) == 0o640
    assert printed.count("\n") == 13
    assert not list(folder.glob(".*"))


def test_a_bad_run_leaves_the_file_that_was_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "feed.csv").write_text("old\n")
    (folder / "wrong.csv").write_text("old\n")
    into = ("--output", "feed.csv")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    refused = cli(*WEB, *FILES, "--since", "wrong.csv", *into)
    monkeypatch.setattr(os, "fsync", full)
    failed = cli(*WEB, *FILES, *into)

    assert (refused.exit_code, failed.exit_code) == (2, 1)
    assert (
        failed.stderr
        == "repartir: --output feed.csv: cannot be written: No space left on device\n"
    )
    assert (folder / "feed.csv").read_text() == "old\n"
    assert not list(folder.glob(".*"))


def test_a_kill_leaves_the_file_that_was_there(folder: Path) -> None:
    """With all of the new one written, and not yet in its place."""
    (folder / "feed.csv").write_text("old\n")
    killed = (
        "import os, signal\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from router.cli import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", killed, *WEB, *FILES, "--output", "feed.csv"]

    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (folder / "feed.csv").read_text() == "old\n"
    assert len(list(folder.glob(".feed.csv.*"))) == 1


@pytest.mark.parametrize(
    ("options", "status", "expected"),
    [
        (
            ("--since", "last.csv", "--output", "./last.csv"),
            2,
            "--output last.csv is an input too (--since): name another file",
        ),
        (("--output", "."), 2, "--output .: is not a file"),
        (("--output", "pipe"), 2, "--output pipe: is not a file"),
        (
            ("--output", "none/feed.csv"),
            1,
            "--output none/feed.csv: cannot be written: No such file or directory",
        ),
        (
            ("--since", "none.csv"),
            2,
            "none.csv: cannot be read: No such file or directory",
        ),
        (
            ("--server", "a:1"),
            2,
            "--network, --stock, --holds and --now are for files: leave out --server"
            " and --database",
        ),
        ((" hat",), 2, "SKU begins or ends with a space: ' hat'"),
    ],
)
def test_bad_usage(
    folder: Path, options: tuple[str, ...], status: int, expected: str
) -> None:
    (folder / "last.csv").write_text(f"{HEADER}\n")
    os.mkfifo(folder / "pipe")

    result = cli(*WEB, *FILES, *options)

    assert (result.exit_code, result.stdout) == (status, "")
    assert result.stderr == f"repartir: {expected}\n"


def test_bytes_are_the_receivers_whatever_the_terminal() -> None:
    options = small("location,sku,on_hand\ndc,Montréal,1\n")
    plain = {"LANG": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}

    done = subprocess.run(
        [sys.executable, "-m", "router.cli", *WEB, *options],
        env=environment(**plain),
        capture_output=True,
        timeout=SECONDS,
        check=True,
    )

    assert done.stdout.decode().splitlines() == [HEADER, "Montréal,1,0,0,"]
