"""What only a real process shows: pipes, terminals, signals."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from router.cli import app
from tests.router.cli.tool import (
    SECONDS,
    SEED_STOCK,
    command,
    environment,
    jsonl,
    order,
    run,
)

FILES = ("--stock", "stock.csv", "--orders", "orders.jsonl")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stock.csv").write_text(SEED_STOCK)
    (tmp_path / "orders.jsonl").write_text(jsonl([order("o1", hat=1), "{"]))
    return tmp_path


def test_a_pipe_gets_plans_and_nothing_else(folder: Path) -> None:
    """Whatever the locale, and with the mark that Windows puts before a file."""
    for name in ("stock.csv", "orders.jsonl"):
        path = folder / name
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    plain = {"LANG": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}

    result = run("route", *FILES, folder=folder, **plain)

    assert result.returncode == 1
    [plan] = map(json.loads, result.stdout.splitlines())
    assert plan["assignments"][0]["location_id"] == "Montréal"
    assert result.stderr == (
        "orders.jsonl:2: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)\n"
    )


def test_orders_are_answered_as_they_come(folder: Path) -> None:
    """Whoever pipes orders in may wait for each answer."""
    arguments = command("route", "--stock", "stock.csv", "--orders", "-")
    with subprocess.Popen(
        arguments,
        cwd=folder,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(3):
            process.stdin.write(jsonl([order(f"o{number}", hat=1)]))
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["order_id"] == f"o{number}"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=SECONDS)

    assert process.returncode == 128 + signal.SIGINT
    assert stderr == ""


def test_ends_quietly_when_the_reader_stops(folder: Path) -> None:
    orders = [order(f"o{number}", hat=1) for number in range(2_000)]
    (folder / "orders.jsonl").write_text(jsonl(orders))
    with subprocess.Popen(
        command("route", *FILES),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["order_id"] == "o0"
        process.stdout.close()
        assert process.stderr is not None
        stderr = process.stderr.read()
        process.wait(SECONDS)

    assert process.returncode == 128 + signal.SIGPIPE
    assert stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
def test_a_full_disk_is_one_line(folder: Path) -> None:
    result = run("route", *FILES, "--output", "/dev/full", folder=folder)

    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == "repartir: No space left on device"


@pytest.mark.parametrize("with_output", [True, False])
def test_shows_a_bar_on_a_terminal(folder: Path, with_output: bool) -> None:
    master, terminal = pty.openpty()
    output = ("--output", "plans.jsonl") if with_output else ()
    process = subprocess.run(
        command("route", *FILES, *output),
        cwd=folder,
        env=environment(TERM="xterm"),
        stdout=subprocess.PIPE,
        stderr=terminal,
        timeout=SECONDS,
        check=False,
    )
    os.close(terminal)
    shown = os.read(master, 100_000).decode()
    os.close(master)

    assert process.returncode == 1
    assert "routing" in shown
    assert "orders.jsonl:2:" in shown
    assert b"\x1b" not in process.stdout


def test_a_large_stock_is_read(folder: Path) -> None:
    with (folder / "stock.csv").open("w") as file:
        file.write("location,sku,on_hand\n")
        for number in range(50_000):
            file.write(f"loc-{number % 100},sku-{number // 100},{number % 7}\n")
    orders = [order(f"o{n}", **{f"sku-{n % 500}": 2}) for n in range(500)]
    (folder / "orders.jsonl").write_text(jsonl(orders))

    result = run("route", *FILES, folder=folder)

    assert result.returncode == 0
    assert len(result.stdout.splitlines()) == 500


def test_help_imports_no_solver(tmp_path: Path) -> None:
    """Help is there at once: what takes seconds to import is imported by need."""
    code = (
        "import sys, router.cli\n"
        "slow = {'ortools', 'ray', 'matplotlib', 'pandas'} & set(sys.modules)\n"
        "assert not slow, slow\n"
        "router.cli.main()\n"
    )

    result = subprocess.run(
        [sys.executable, "-c", code, "--help"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    for name in ("route", "serve", "import", "demo"):
        assert name in result.stdout


@pytest.mark.parametrize("name", ["route", "serve", "import", "demo"])
def test_every_command_has_help(name: str) -> None:
    assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0


def test_a_missing_option_is_bad_usage() -> None:
    result = CliRunner().invoke(app, ["route", "--stock", "stock.csv"])

    assert result.exit_code == 2
    assert "Missing option '--orders'" in result.stderr
