import builtins
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from router.cli import app
from router.errors import SolverError
from router.pipeline import Router
from router.policies import DEFAULT, PRESETS
from router.report.model import Report
from tests.cli.tool import SEED_STOCK, jsonl, order, run

Replay = Callable[..., Result]

SKUS = ("shirt", "hat", "shoes")
ORDERS = [
    order(f"o{n}", **dict.fromkeys(SKUS[: 1 + n % 3], 1 + n % 3)) for n in range(12)
]
NETWORK = """\
[[locations]]
location_id = "Montréal"
rank = 1
[[locations]]
location_id = "Sherbrooke"
rank = 2
[[locations]]
location_id = "Laval"
rank = 3
[[channels]]
channel_id = "web"
"""


@pytest.fixture
def replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Replay:
    """Replay orders over the seed's stock; files are in one folder."""
    monkeypatch.chdir(tmp_path)

    def replay(
        *options: str,
        orders: Sequence[Mapping[str, object] | str] = ORDERS,
        policies: Sequence[str] = (DEFAULT, "priority"),
        stock: str = SEED_STOCK,
    ) -> Result:
        (tmp_path / "stock.csv").write_text(stock)
        (tmp_path / "past.jsonl").write_text(jsonl(orders))
        files = ("--stock", "stock.csv", "--orders", "past.jsonl")
        chosen = [part for name in policies for part in ("--policy", name)]
        return CliRunner().invoke(app, ["replay", *files, *chosen, *options])

    return replay


def reported(result: Result) -> Report:
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    return Report.from_json(result.stdout)


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
    for said in ("complete orders", "split lines", "Not modelled: time", "Laval"):
        assert said in result.stdout


def test_one_policy_is_looked_at_by_itself(replay: Replay) -> None:
    assert "compared with" not in replay(policies=["nearest"]).stdout


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
        "repartir: past.jsonl:5: order 'o1' is on line 1 already",
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
        (("--orders", "-"), "--orders: the orders are read once for each policy"),
        (("--orders", "/dev/null"), "--orders /dev/null: the orders are read once"),
        (("--orders", "."), ".: cannot be read"),
        (("--stock", "none.csv"), "none.csv: cannot be read: No such file"),
        (("--policy", "best"), "no policy 'best': choose one of single-location"),
        (("--policy", DEFAULT), "--policy: each policy once"),
        (("--policy", "none.json"), "none.json: cannot be read: No such file"),
        (("--report", "no/out.html"), "--report no/out.html: cannot be written"),
        (("--report", "."), "--report .: cannot be written"),
        (("--report", "stock.csv"), "--report stock.csv is an input too"),
        (("--report", "./past.jsonl"), "--report past.jsonl is an input too"),
        (("--solve-work", "31s"), "--solve-work must be 0.001s to 30s"),
        (("--now", "2026-01-31T09:00:00Z"), "--now is for --network"),
        (
            ("--network", "n.toml", "--locations", "l.csv"),
            "give --locations or --network, not both",
        ),
        (("--network", "n.toml", "--now", "today"), "--now must be like 2026-01-31T"),
    ],
)
def test_bad_usage_is_said_in_a_line(
    replay: Replay, options: tuple[str, ...], expected: str
) -> None:
    result = replay(*options)

    assert result.exit_code == 2
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith(f"repartir: {expected}")


def test_a_fault_of_ours_is_told_with_its_line(
    replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bytes:
        raise SolverError("refused")

    monkeypatch.setattr("router.pipeline.Router.route", broken)
    result = replay(orders=["", order("o1", hat=1)])

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "repartir: past.jsonl:2: a fault of ours, please report it: refused\n"
    )


def test_more_orders_than_are_replayed_are_refused(
    replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The package has the command under its module's name.
    module = sys.modules["router.cli.replay"]
    monkeypatch.setattr(module, "MAX_ORDERS", 11)
    result = replay()

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "repartir: past.jsonl has more than 11 orders\n"


def test_orders_that_change_meanwhile_are_refused(
    replay: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second policy would be compared over other orders."""
    real = Router.route

    def growing(*arguments: Any) -> bytes:
        with (tmp_path / "past.jsonl").open("a") as file:
            file.write("\n")
        return real(*arguments)

    monkeypatch.setattr("router.pipeline.Router.route", growing)
    result = replay(orders=[order("o1", hat=1)])

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "repartir: past.jsonl was changed while it was read\n"


def test_a_file_without_orders_is_no_report(replay: Replay) -> None:
    result = replay(orders=[])

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "repartir: past.jsonl has no orders\n"


class TestPolicyFiles:
    def test_a_policy_of_ones_own(self, replay: Replay, tmp_path: Path) -> None:
        """Nobody but Laval may ship, so hats end at ten."""
        ours = {"preset": DEFAULT, "filter": {"included_location_ids": ["Laval"]}}
        (tmp_path / "ours.json").write_text(json.dumps(ours))
        orders = [order("o1", hat=8), order("o2", hat=8)]
        names = [DEFAULT, "ours.json"]

        report = reported(replay("--format", "json", orders=orders, policies=names))
        assert [each.name for each in report.outcomes] == names
        assert [each.complete_orders for each in report.outcomes] == [2, 1]
        assert report.last.lost_orders == 1
        assert [each.location_id for each in report.last.loads] == ["Laval"]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("{", "Expecting property name"),
            ('{"colour": 1}', "unknown field 'colour' in RoutingPolicy"),
            ('{"preset": "best"}', "policy.preset: must be one of"),
            ('{"max_shipments": 5000}', "policy.max_shipments: must be"),
            ("\xff", "not UTF-8"),
        ],
    )
    def test_a_bad_one_is_refused(
        self, replay: Replay, tmp_path: Path, text: str, expected: str
    ) -> None:
        (tmp_path / "ours.json").write_bytes(text.encode("latin-1"))
        result = replay(policies=["ours.json"])

        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"repartir: ours.json: {expected}")


class TestNetwork:
    def test_what_a_channel_may_sell_counts(
        self, replay: Replay, tmp_path: Path
    ) -> None:
        text = NETWORK + "[settings.channel_skus.web.hat]\nmax_units = 4\n"
        (tmp_path / "n.toml").write_text(text)
        orders = [
            {**order("o1", hat=5), "channel_id": "web"},
            {**order("o2", hat=4), "channel_id": "web"},
        ]
        options = ("--network", "n.toml", "--format", "json")

        report = reported(replay(*options, orders=orders))
        assert [each.refused_orders for each in report.outcomes] == [1, 1]
        assert [each.complete_orders for each in report.outcomes] == [1, 1]

    @pytest.mark.parametrize(
        "dated",
        [
            '[[supplies]]\nsupply_id = "po"\nlocation_id = "Laval"\nsku = "hat"\n'
            "quantity_units = 9\navailable_from_seconds = 2026-12-01T08:00:00Z\n",
            "[settings.skus.hat]\n"
            "preorders = [{ cap_units = 5, release_seconds = 2027-03-05T00:00:00Z }]\n",
        ],
    )
    def test_what_has_a_date_needs_an_instant(
        self, replay: Replay, tmp_path: Path, dated: str
    ) -> None:
        (tmp_path / "n.toml").write_text(NETWORK + dated)
        without = replay("--network", "n.toml")
        given = replay("--network", "n.toml", "--now", "2026-12-01T09:00:00Z")

        assert (without.exit_code, without.stdout) == (2, "")
        assert without.stderr.startswith("repartir: n.toml has pre-orders, expected")
        assert given.exit_code == 0, given.stderr

    def test_a_preorder_opens_and_closes(self, replay: Replay, tmp_path: Path) -> None:
        """Before its release five more hats than there are may be promised."""
        dated = "[settings.skus.hat]\npreorders = [{ cap_units = 30, release_seconds "
        dated += "= 2027-03-05T00:00:00Z }]\n"
        (tmp_path / "n.toml").write_text(NETWORK + dated)
        orders = [{**order("o1", hat=28), "channel_id": "web"}]

        def reasons(now: str) -> set[str]:
            options = ("--network", "n.toml", "--now", now, "--format", "json")
            report = reported(replay(*options, orders=orders, policies=[DEFAULT]))
            return {each.reason for each in report.base.unassigned}

        assert reasons("2027-01-01T00:00:00Z") == {"preordered"}
        assert reasons("2027-04-01T00:00:00Z") == {"not_for_sale"}

    def test_faults_of_both_files_are_told(
        self, replay: Replay, tmp_path: Path
    ) -> None:
        (tmp_path / "n.toml").write_text(NETWORK + "colour = 1\n")
        result = replay("--network", "n.toml", stock=SEED_STOCK + "Laval,tie,-1\n")

        assert (result.exit_code, result.stdout) == (2, "")
        first, second = result.stderr.splitlines()
        assert first.startswith("repartir: n.toml: ")
        assert second.startswith("repartir: stock.csv:11: on_hand must be")


def test_the_locations_file_ranks(replay: Replay, tmp_path: Path) -> None:
    (tmp_path / "locations.csv").write_text(
        "location,rank\nMontréal,3\nSherbrooke,2\nLaval,1\n"
    )
    options = ("--locations", "locations.csv", "--format", "json")

    report = reported(replay(*options, orders=[order("o1", hat=1)]))
    assert [each.location_id for each in report.base.loads] == ["Laval"]


def test_every_preset_can_be_compared(replay: Replay) -> None:
    report = reported(replay("--format", "json", policies=list(PRESETS)))

    assert [each.name for each in report.outcomes] == list(PRESETS)
    assert {each.orders for each in report.outcomes} == {len(ORDERS)}


def test_without_the_extra_nothing_is_begun(
    replay: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] == "matplotlib" or name == "router.report.pictures":
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
        "repartir: --report: a page's pictures need matplotlib: "
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
    text = (Path(__file__).parents[2] / "docs/replay.md").read_text()
    command = get_command(app).commands["replay"]  # type: ignore[attr-defined]
    names = {name for each in command.params for name in each.opts}

    assert len(names) >= 8
    assert {each for each in names if f"`{each}`" not in text} == set()
