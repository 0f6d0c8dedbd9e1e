import builtins
import errno
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from router.cli import app
from router.errors import SolverError
from router.pipeline import Router
from router.policies import DEFAULT, PRESETS
from tests.router.cli.routing.replaying import ORDERS, Replay, reported
from tests.router.cli.tool import order, run


def test_is_what_route_does_when_orders_consume(replay: Replay) -> None:
    names = ["fewest-shipments", DEFAULT, "highest-stock"]
    report = reported(replay("--format", "json", policies=names))

    for outcome in report.outcomes:
        files = ("--stock", "stock.csv", "--orders", "past.jsonl", "--consume")
        routed = CliRunner().invoke(app, ["route", *files, "--policy", outcome.name])
        plans = [json.loads(each) for each in routed.stdout.splitlines()]
        counts = Counter(len(each["shipments"]) for each in plans)
        units = sum(int(a["quantity"]) for each in plans for a in each["assignments"])
        full = sum(each["status"] == "PLAN_STATUS_FULL" for each in plans)
        assert outcome.shipments_per_order == tuple(
            counts[n] for n in range(max(counts) + 1)
        )
        assert (outcome.assigned_units, outcome.complete_orders) == (units, full)
        assert outcome.orders == len(ORDERS)


def test_shows_policies_side_by_side(replay: Replay) -> None:
    result = replay()

    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.startswith("Replay of 12 orders\n")
    for expected in ("complete orders", "split lines", "Not modelled: time", "Laval"):
        assert expected in result.stdout


def test_one_policy_is_looked_at_by_itself(replay: Replay) -> None:
    assert ", compared with" not in replay(policies=["nearest"]).stdout
    assert ", compared with" in replay().stdout


@pytest.mark.parametrize("form", ["table", "json"])
def test_two_runs_are_the_same_to_the_byte(
    replay: Replay, tmp_path: Path, form: str
) -> None:
    def once(name: str) -> tuple[str, bytes]:
        policies = ["cheapest", "ranked-prefix"]
        result = replay("--format", form, "--report", name, policies=policies)
        return result.stdout, (tmp_path / name).read_bytes()

    assert once("a.html") == once("b.html")


def test_writes_a_page_and_nothing_else(replay: Replay, tmp_path: Path) -> None:
    result = replay("--report", "out.html")

    assert result.exit_code == 0
    page = (tmp_path / "out.html").read_text()
    assert "<svg" in page
    assert "Replay of 12 orders" in page
    assert {each.name for each in tmp_path.iterdir()} == {
        "out.html",
        "past.jsonl",
        "stock.csv",
    }


def test_a_page_that_cannot_be_finished_leaves_the_old_one(
    replay: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out.html").write_text("old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    result = replay("--report", "out.html")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "repartir: --report out.html: cannot be written: No space left on device\n"
    )
    assert (tmp_path / "out.html").read_text() == "old"
    assert not list(tmp_path.glob(".*"))


def test_bad_rows_are_all_named_and_nothing_is_done(
    replay: Replay, tmp_path: Path
) -> None:
    orders = [
        order("o1", shirt=1),
        "{",
        order("o3", tie=1),
        "",
        order("o1", hat=1),
        order("o6", hat=0),
    ]
    result = replay("--report", "out.html", orders=orders)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert not (tmp_path / "out.html").exists()
    assert result.stderr.splitlines() == [
        "repartir: past.jsonl:2: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)",
        "repartir: past.jsonl:3: order.lines[0].sku: no SKU 'tie'",
        "repartir: past.jsonl:5: order 'o1' is already on line 1",
        "repartir: past.jsonl:6: order.lines[0].quantity: must be 1 to 1000000000, "
        "got 0",
    ]


def test_many_bad_rows_are_counted(replay: Replay) -> None:
    result = replay(orders=["{"] * 150)

    assert result.stderr.splitlines()[-1] == "repartir: and 50 more"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--orders", "none.jsonl"), "none.jsonl: cannot be read: No such file"),
        (
            ("--orders", "-"),
            "--orders -: must be a file, which is read once for each policy",
        ),
        (
            ("--orders", "/dev/null"),
            "--orders /dev/null: must be a file, which is read once",
        ),
        (("--orders", "."), ".: cannot be read"),
        (("--stock", "none.csv"), "none.csv: cannot be read: No such file"),
        (("--policy", "best"), "no policy 'best': choose one of single-location"),
        (("--policy", DEFAULT), "--policy: the same policy is given twice"),
        (("--policy", "none.json"), "none.json: cannot be read: No such file"),
        (("--report", "no/out.html"), "--report no/out.html: cannot be written"),
        (("--report", "."), "--report .: cannot be written"),
        (("--report", "stock.csv"), "--report stock.csv is an input too"),
        (("--report", "./past.jsonl"), "--report past.jsonl is an input too"),
        (("--solve-work", "31s"), "--solve-work must be 0.001s to 30s"),
        (("--now", "2026-01-31T09:00:00Z"), "--now needs --network"),
        (
            ("--network", "n.toml", "--locations", "l.csv"),
            "give --locations or --network, not both",
        ),
        (("--network", "n.toml", "--now", "today"), "--now must be like 2026-01-31T"),
    ],
)
def test_bad_usage_is_one_line(
    replay: Replay, options: tuple[str, ...], expected: str
) -> None:
    result = replay(*options)

    assert result.exit_code == 2
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith(f"repartir: {expected}")


def test_an_internal_error_names_the_order_line(
    replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bytes:
        raise SolverError("refused")

    monkeypatch.setattr("router.pipeline.Router.route", broken)
    result = replay(orders=["", order("o1", hat=1)])

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "repartir: past.jsonl:2: internal error, please report it: refused\n"
    )


def test_more_orders_than_are_replayed_are_refused(
    replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The package has the command under its module's name.
    module = sys.modules["router.cli.routing.replay"]
    monkeypatch.setattr(module, "MAX_ORDERS", 11)
    result = replay()

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "repartir: past.jsonl has more than 11 orders\n"


def test_orders_that_change_meanwhile_are_refused(
    replay: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second policy would be compared over other orders."""
    real = Router.route

    def growing(*arguments: Any) -> Any:
        with (tmp_path / "past.jsonl").open("a") as file:
            file.write("\n")
        return real(*arguments)

    monkeypatch.setattr("router.pipeline.Router.route", growing)
    result = replay(orders=[order("o1", hat=1)])

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "repartir: past.jsonl changed while it was read\n"


def test_a_file_without_orders_is_no_report(replay: Replay) -> None:
    result = replay(orders=[])

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "repartir: past.jsonl has no orders\n"


def test_every_preset_can_be_compared(replay: Replay) -> None:
    report = reported(replay("--format", "json", policies=list(PRESETS)))

    assert [each.name for each in report.outcomes] == list(PRESETS)
    assert {each.orders for each in report.outcomes} == {len(ORDERS)}


def test_without_the_extra_nothing_is_begun(
    replay: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        pages = ("router.report.page", "router.report.pictures")
        if name.partition(".")[0] == "matplotlib" or name in pages:
            monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "matplotlib":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    result = replay("--report", "out.html", orders=["{"])

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "repartir: --report: a report page needs matplotlib and Jinja2: "
        "pip install 'repartir[report]'\n"
    )
    assert not (tmp_path / "out.html").exists()


def test_a_page_goes_into_a_pipe_as_it_is(replay: Replay, tmp_path: Path) -> None:
    replay()  # writes the files
    files = ("--stock", "stock.csv", "--orders", "past.jsonl", "--policy", DEFAULT)
    done = run("replay", *files, "--report", "/dev/null", folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert Path("/dev/null").is_char_device()


def test_its_page_of_documentation_leaves_no_option_out() -> None:
    text = (Path(__file__).parents[4] / "docs/replay.md").read_text()
    command = get_command(app).commands["replay"]  # type: ignore[attr-defined]
    names = {name for each in command.params for name in each.opts}

    assert len(names) >= 8
    assert {each for each in names if f"`{each}`" not in text} == set()
