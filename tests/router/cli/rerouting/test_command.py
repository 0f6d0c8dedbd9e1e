"""Pending orders decided again, as one asks for it at a terminal."""

import gzip
import json
import os
import pty
import shlex
import signal
import subprocess
from pathlib import Path

import grpc
import pytest
from typer.testing import CliRunner, Result

from availability.v1 import stock_service_pb2_grpc
from router.cli import app
from router.cli.demo.child_server import running_server
from router.cli.rerouting.dialogue import NARROWER
from router.errors import ReroutingEnded, TooManyOrders
from router.report.model import Report
from router.rpc.transport.errors import Overloaded, ScopeMissing
from router.v1 import reservation_pb2, routing_service_pb2_grpc
from tests.router.cli.rerouting.dialogues import Scripted, progress, report, scripted
from tests.router.cli.tool import SECONDS, command, environment
from tests.router.rpc.calls import Client, order, route, shipped
from tests.router.rpc.life import get

DOCS = Path(__file__).parents[4] / "docs/rerouting.md"
# Each order by itself takes the first location; so the second has to split.
LOCATIONS = "location,rank\na,1\nb,2\n"
STOCK = "location,sku,on_hand\na,hat,1\na,cap,1\nb,hat,1\n"
STAYS = "changes already applied are kept"


def reroute(address: str, *options: str) -> Result:
    return CliRunner().invoke(app, ["reroute", "--server", address, *options])


def test_what_the_page_shows_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Import, then try, do, and check.

    Two moves of 0.3 for one shipment count 2.6, and the bound still is of two.
    """
    lines = DOCS.read_text().split("```")[1].strip().splitlines()
    import_, try_, do, check = (shlex.split(each)[1:] for each in lines)

    with running_server() as address, grpc.insecure_channel(address) as channel:
        # Only now: the server is to run the code of this folder.
        monkeypatch.chdir(tmp_path)
        Path("locations.csv").write_text(LOCATIONS)
        Path("stock.csv").write_text(STOCK)
        at, json_ = ("--server", address), ("--format", "json")
        client = Client(
            channel,
            routing_service_pb2_grpc.RoutingServiceStub(channel),
            stock_service_pb2_grpc.StockServiceStub(channel),
        )
        imported = CliRunner().invoke(app, [*import_, *at])
        plans = [
            route(client, order("one", hat=1)).plan_id,
            route(client, order("two", hat=1, cap=1)).plan_id,
        ]
        tried = CliRunner().invoke(app, [*try_, *at, *json_])
        held = [shipped(get(client, each).plan) for each in plans]
        done = CliRunner().invoke(app, [*do, *at, *json_])
        moved = [shipped(get(client, each).plan) for each in plans]
    checked = CliRunner().invoke(app, check)
    Path("run.json").write_bytes(gzip.decompress(Path(check[-1]).read_bytes()))
    unpacked = CliRunner().invoke(app, [*check[:-1], "run.json"])

    for result in (imported, tried, done, checked, unpacked):
        assert (result.exit_code, result.stderr) == (0, "")
    assert held == [{"a": {"hat": 1}}, {"a": {"cap": 1}, "b": {"hat": 1}}]
    assert moved == [{"b": {"hat": 1}}, {"a": {"hat": 1, "cap": 1}}]
    for result in (tried, done):
        found = Report.from_json(result.stdout)
        assert (found.base.shipments, found.last.shipments) == (3, 2)
        assert found.bound is not None
        assert found.bound.shipments == 2
    assert "A dry run: nothing was changed." in tried.stdout
    assert "Re-routing of 2 orders" in Path("run.html").read_text()
    assert "2 orders, 3 lines, 2 SKUs, 2 locations" in checked.stdout
    [row] = [each for each in checked.stdout.splitlines() if "│ shipments" in each]
    _, _, value, bound, _, known, _ = map(str.strip, row.split("│"))
    assert (value, bound, known) == ("2,600", "2,600", "proven")
    assert unpacked.stdout == checked.stdout.replace("run.json.gz", "run.json")


def test_what_is_asked_for() -> None:
    with scripted(report()) as (address, server):
        done = reroute(
            address,
            *("--channel", "web", "--channel", "b2b", "--location", "dc"),
            *("--order", "1", "--state", "held", "--state", "placed"),
            *("--min-age", "2h", "--queued-only", "--policy", "fewest-shipments"),
            *("--min-gain", "0.5", "--max-moves", "7", "--dry-run"),
            *("--solve-timeout", "1.5m"),
        )
        asked = server.heard.get().rerouting

    assert done.exit_code == 0, done.stderr
    selection = asked.selection
    assert list(selection.channel_ids) == ["web", "b2b"]
    assert (list(selection.location_ids), list(selection.order_ids)) == (["dc"], ["1"])
    assert list(selection.states) == [
        reservation_pb2.RESERVATION_STATE_HELD,
        reservation_pb2.RESERVATION_STATE_PLACED,
    ]
    assert (selection.min_age.seconds, selection.queued_only) == (7_200, True)
    assert asked.policy.preset == "fewest-shipments"
    assert (asked.min_gain_permille, asked.max_moves) == (500, 7)
    assert (asked.validate_only, asked.certificate) == (True, False)
    assert asked.solve_timeout.seconds == 90


def test_unset_is_unset() -> None:
    with scripted(report()) as (address, server):
        reroute(address)
        asked = server.heard.get().rerouting

    assert not asked.selection.ByteSize()
    assert not asked.HasField("policy")
    assert not asked.HasField("max_moves")
    assert (asked.min_gain_permille, asked.solve_timeout.seconds) == (0, 60)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--min-gain", "0.0005"), "--min-gain must be 0 to 10 shipments"),
        (("--min-gain", "-1"), "--min-gain must be 0 to 10 shipments"),
        (("--min-gain", "10.001"), "--min-gain must be 0 to 10 shipments"),
        (("--max-moves", "-1"), "--max-moves must be 0 to 2,147,483,647, got -1"),
        (("--min-age", "soon"), "--min-age must be 0s to 3660d, like"),
        (("--solve-timeout", "2h"), "--solve-timeout must be 1s to 3600s, like"),
        (("--policy", "best"), "no policy 'best': choose one of"),
        (("--channel", "c") * 1_001, "--channel: at most 1,000 are named, got 1,001"),
        (("--report", "no/out.html"), "--report no/out.html: cannot be written"),
        (("--proof", "no/run.gz"), "--proof no/run.gz: cannot be written"),
        (("--proof", "p.json", "--policy", "p.json"), "--proof p.json is an input"),
        (("--proof", "x", "--report", "x"), "--report and --proof name the same file"),
        (("--certificate", "me.pem"), "--certificate and --key go together"),
        (("--verify", "x"), "--verify takes no other option but --format"),
    ],
)
def test_bad_usage_makes_no_call(
    options: tuple[str, ...],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.json").write_text('{"preset": "fewest-shipments"}')

    result = reroute("127.0.0.1:1", *options)

    assert result.exit_code == 2, result.stderr
    [line] = result.stderr.splitlines()
    assert line.startswith(f"repartir: {expected}")


def test_no_server_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.cli.remote.client.CONNECT_SECONDS", 0.2)

    result = reroute("127.0.0.1:1")

    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("repartir: no server answers at 127.0.0.1:1")


@pytest.mark.parametrize(
    ("script", "options", "stays"),
    [
        ((), (), STAYS),
        ((progress("reading"), Scripted.LOSE), (), STAYS),
        ((progress("applying", move_count=2), Scripted.LOSE), (), STAYS),
        ((Scripted.LOSE,), ("--dry-run",), "a dry run changes nothing"),
    ],
)
def test_a_connection_that_is_lost(
    script: tuple[object, ...], options: tuple[str, ...], stays: str
) -> None:
    with scripted(*script) as (address, _):
        result = reroute(address, *options)

    assert result.exit_code == 1
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert stays in line
    assert "safe" in line


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (
            (TooManyOrders(7),),
            f"FAILED_PRECONDITION: more than 7 orders are selected: {NARROWER}",
        ),
        (
            (Overloaded("it is re-routing already"),),
            "RESOURCE_EXHAUSTED: it is re-routing already",
        ),
        (
            (ScopeMissing("admin"),),
            "PERMISSION_DENIED: token lacks scope: admin",
        ),
        (
            (progress("applying", move_count=2), ReroutingEnded("killed")),
            f"ABORTED: {ReroutingEnded('killed')}; {STAYS}",
        ),
    ],
)
def test_a_refusal_is_a_line(script: tuple[object, ...], expected: str) -> None:
    with scripted(*script) as (address, _):
        result = reroute(address)

    assert result.exit_code == 1
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith(f"repartir: {address}: {expected}")


def test_numbers_that_contradict_each_other_are_a_line() -> None:
    with scripted(report(after={"order_count": 2})) as (address, _):
        result = reroute(address)

    assert result.exit_code == 1
    assert result.stderr.startswith("repartir: the report contradicts itself: ")
    assert len(result.stderr.splitlines()) == 1


def test_the_report_comes_though_a_file_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills up during the run: the report is still printed."""
    monkeypatch.chdir(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with scripted(report()) as (address, _):
        result = reroute(address, "--report", "out.html", "--proof", "run.gz")

    assert result.exit_code == 1
    assert "The result is optimal." in result.stdout
    assert [line.partition(":")[2][:30].strip() for line in result.stderr.splitlines()]
    assert "--report out.html: cannot be written" in result.stderr
    assert "--proof run.gz: not written: no order was decided" in result.stderr


class Terminal:
    """The command with a terminal for its standard error, and what it shows there."""

    def __init__(self, address: str) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command("reroute", "--server", address, "--format", "json"),
            env=environment(TERM="xterm", COLUMNS="80"),
            stdout=subprocess.PIPE,
            stderr=theirs,
            text=True,
        )
        os.close(theirs)
        self.shown = ""

    def wait_for(self, text: str) -> None:
        while text not in self.shown:
            self._read()

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> str:
        """Wait for its end and return what it printed."""
        stdout, _ = self.process.communicate(timeout=SECONDS)
        try:
            while True:
                self._read()
        except OSError:
            os.close(self._ours)
        return stdout

    def _read(self) -> None:
        self.shown += os.read(self._ours, 65_536).decode(errors="replace")


SOLVING = progress("prices", order_count=3, value=4, bound=3)


def test_the_first_ctrl_c_takes_the_best_so_far() -> None:
    applying = progress(
        "applying", value=4, bound=3, move_count=5, applied_count=2, conflict_count=1
    )
    done = report(stopped=True)
    with scripted(SOLVING, Scripted.STOP, applying, done) as (address, server):
        terminal = Terminal(address)
        terminal.wait_for("3 orders, value 4, bound 3, gap 33.34 %")
        terminal.interrupt()
        stdout = terminal.end()
        asked = [server.heard.get().WhichOneof("step") for _ in range(2)]

    assert terminal.process.returncode == 0
    assert asked == ["rerouting", "stop"]
    assert "stopping: applying the best plan so far" in terminal.shown
    assert "Traceback" not in terminal.shown
    assert any("Stopped early" in each for each in Report.from_json(stdout).notes)


def test_the_second_ctrl_c_gives_up() -> None:
    with scripted(SOLVING, Scripted.STOP, Scripted.HANG) as (address, _):
        terminal = Terminal(address)
        terminal.wait_for("value 4")
        terminal.interrupt()
        terminal.wait_for("stopping: ")
        terminal.interrupt()
        stdout = terminal.end()

    assert terminal.process.returncode == 128 + signal.SIGINT
    assert stdout == ""
    assert f"aborted: {STAYS}" in terminal.shown
    assert "Traceback" not in terminal.shown


def test_without_a_terminal_nothing_moves() -> None:
    with scripted(SOLVING, report()) as (address, _):
        result = reroute(address)

    assert (result.exit_code, result.stderr) == (0, "")


# --- --verify ---------------------------------------------------------------------


def packed(value: object) -> bytes:
    return gzip.compress(json.dumps(value).encode())


RUN = {"repartir": "joint run", "version": 1, "problem": {}, "certificate": {}}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not gzip",
        packed([]),
        packed(RUN)[:-9],
        packed({**RUN, "version": 2}),
        packed(RUN),
        packed({**RUN, "problem": {"shape": ["a", 2**40], "stock": [[], [], []]}}),
        packed({**RUN, "problem": {"shape": [2**20, 2**20], "stock": [[], [], []]}}),
        gzip.compress(b"[" * 1_000_000),
        gzip.compress(b"1" * 10_000),
    ],
    # Gzip writes the time: not in a test's name.
    ids=[
        "empty", "no_gzip", "no_object", "cut_off", "another_version", "no_problem",
        "absurd_shape", "vast_shape", "nested", "long_number",
    ],
)  # fmt: skip
def test_what_is_no_saved_run_is_a_line(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "run.json.gz"
    path.write_bytes(data)

    result = CliRunner().invoke(app, ["reroute", "--verify", str(path)])

    assert result.exit_code == 1
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith(f"repartir: --verify {path}: does not hold: ")


def test_a_missing_file(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["reroute", "--verify", str(tmp_path / "no")])

    assert result.exit_code == 2
    assert "cannot be read: No such file" in result.stderr


def test_a_file_that_unpacks_to_more_than_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 MiB of empty lists take twenty times as much; 64 MiB are there."""
    monkeypatch.setattr("router.cli.rerouting.verify.MAX_MEMORY_BYTES", 2**26)
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(gzip.compress(b"[" + b"[]," * (2**26 // 3) + b"[]]"))

    result = CliRunner().invoke(app, ["reroute", "--verify", str(path)])

    assert result.exit_code == 1
    assert "does not hold: checking it needs more than" in result.stderr
