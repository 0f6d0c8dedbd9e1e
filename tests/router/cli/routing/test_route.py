import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from router.cli import app
from router.cli.demo.example import ORDERS
from router.policies import DEFAULT, PRESETS
from router.v1 import plan_pb2
from tests.router.cli.tool import SEED_STOCK, jsonl, order

Route = Callable[..., Result]


@pytest.fixture
def route(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Route:
    """Route orders over the seed's stock, or another; files are in one folder."""
    monkeypatch.chdir(tmp_path)

    def route(
        orders: Sequence[Mapping[str, object] | str],
        *options: str,
        stock: str = SEED_STOCK,
    ) -> Result:
        (tmp_path / "stock.csv").write_text(stock)
        (tmp_path / "orders.jsonl").write_text(jsonl(orders))
        files = ("--stock", "stock.csv", "--orders", "orders.jsonl")
        return CliRunner().invoke(app, ["route", *files, *options])

    return route


def plans(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def assigned(plan: dict[str, Any]) -> dict[tuple[str, str], int]:
    return {
        (each["location_id"], each["sku"]): each["quantity"]
        for each in plan["assignments"]
    }


def without_time(plan: dict[str, Any]) -> dict[str, Any]:
    return {**plan, "solve_micros": None}


SEED_ORDERS = [order(each.order_id, **each.wanted) for each in ORDERS]


def test_gives_the_printed_plans(route: Route) -> None:
    result = route(SEED_ORDERS, "--policy", "ranked-prefix")

    assert result.exit_code == 0
    assert result.stderr == ""
    assert [assigned(plan) for plan in plans(result)] == [e.printed for e in ORDERS]
    assert all(plan["proven"] for plan in plans(result))


def test_prints_every_field_of_the_contract_in_its_order(route: Route) -> None:
    [plan] = plans(route([order("o1", shirt=1)]))

    fields = [field.name for field in plan_pb2.RoutingPlan.DESCRIPTOR.fields]
    assert list(plan) == [name for name in fields if name != "counterfactuals"]
    assert plan["status"] == "PLAN_STATUS_FULL"
    assert plan["policy"] == DEFAULT
    assert list(plan["objectives"][0]) == ["name", "sense", "value", "bound", "proven"]


def test_two_runs_differ_in_nothing_but_the_time(route: Route) -> None:
    orders = [
        order(f"o{n}", shirt=n, hat=30 - n, shoes=n % 7 + 1) for n in range(1, 30)
    ]

    first, second = route(orders, "--consume"), route(orders, "--consume")

    assert [*map(without_time, plans(first))] == [*map(without_time, plans(second))]
    assert len(plans(first)) == 29


@pytest.mark.parametrize("policy", PRESETS)
def test_knows_every_preset(route: Route, tmp_path: Path, policy: str) -> None:
    (tmp_path / "locations.csv").write_text(
        "location,rank,latitude,longitude\n"
        "Laval,3,45.6,-73.7\nMontréal,1,45.5,-73.6\nSherbrooke,2,45.4,-71.9\n"
    )
    there = {"latitude": 45.4, "longitude": -71.9}
    orders = [{**each, "destination": there} for each in SEED_ORDERS]

    result = route(orders, "--policy", policy, "--locations", "locations.csv")

    assert result.exit_code == 0, result.stderr
    assert [plan["policy"] for plan in plans(result)] == [policy] * len(ORDERS)
    assert {plan["status"] for plan in plans(result)} == {"PLAN_STATUS_FULL"}


def test_the_locations_file_ranks(route: Route, tmp_path: Path) -> None:
    (tmp_path / "locations.csv").write_text(
        "location,rank,active\nMontréal,3,yes\nSherbrooke,2,yes\nLaval,1,yes\n"
    )

    [plan] = plans(route([order("o1", hat=1)], "--locations", "locations.csv"))

    assert assigned(plan) == {("Laval", "hat"): 1}


@pytest.mark.parametrize(
    ("units", "status"),
    [(24, "PLAN_STATUS_PARTIAL"), (23, "PLAN_STATUS_FULL")],
)
def test_an_order_that_cannot_be_filled_is_answered(
    route: Route, units: int, status: str
) -> None:
    result = route([order("o1", hat=units)])

    assert result.exit_code == 0
    assert plans(result)[0]["status"] == status


def test_each_order_meets_the_whole_stock_unless_it_is_consumed(route: Route) -> None:
    orders = [order("o1", hat=20), order("o2", hat=20), order("o3", hat=1)]

    apart, in_turn = route(orders), route(orders, "--consume")

    assert [plan["status"][12:] for plan in plans(apart)] == ["FULL", "FULL", "FULL"]
    assert [plan["status"][12:] for plan in plans(in_turn)] == [
        "FULL",
        "PARTIAL",
        "NONE",
    ]
    assert apart.exit_code == in_turn.exit_code == 0
    [short] = plans(in_turn)[1]["unassigned"]
    assert short["quantity"] == 17


def test_kits_consume_their_components(route: Route) -> None:
    parts = [{"sku": "shirt", "quantity": 2}, {"sku": "hat", "quantity": 1}]
    kit = {"line_id": "kit", "quantity": 5, "components": parts}
    orders = [{"order_id": "o1", "lines": [kit]}, order("o2", shirt=16)]

    _, second = plans(route(orders, "--consume"))

    # 25 shirts, of which ten are in the kits.
    assert sum(assigned(second).values()) == 15


def test_bad_lines_are_listed_and_good_ones_planned(route: Route) -> None:
    result = route(
        [
            order("o1", shirt=1),
            "{",
            order("o3", tie=1),
            "",
            '{"order_id": "o5", "colour": "red"}',
            order("o6", hat=0),
            order("", hat=1),
            order("o8", shoes=1),
        ]
    )

    assert result.exit_code == 1
    assert [plan["order_id"] for plan in plans(result)] == ["o1", "o8"]
    assert result.stderr.splitlines() == [
        "orders.jsonl:2: Expecting property name enclosed in double quotes: line 1 "
        "column 2 (char 1)",
        "orders.jsonl:3: order.lines[0].sku: no SKU 'tie'",
        "orders.jsonl:5: unknown field 'colour' in Order",
        "orders.jsonl:6: order.lines[0].quantity: must be 1 to 1000000000, got 0",
        "orders.jsonl:7: order.order_id: must be set",
    ]


def test_one_order_with_many_faults_takes_one_line(route: Route) -> None:
    lines = [{"line_id": f"l{n}", "sku": "tie", "quantity": 1} for n in range(50)]

    result = route([{"order_id": "o1", "lines": lines}])

    [line] = result.stderr.splitlines()
    assert line.endswith("order.lines[4].sku: no SKU 'tie'; and 45 more")


def test_an_order_takes_its_stock_once(route: Route) -> None:
    orders = [order("o1", hat=1), order("o1", hat=1)]

    assert route(orders).exit_code == 0
    result = route(orders, "--consume")

    assert result.exit_code == 1
    assert result.stderr == (
        "orders.jsonl:2: order 'o1' already took its stock on line 1\n"
    )


def test_an_unknown_policy_lists_those_there_are(route: Route) -> None:
    result = route([order("o1", hat=1)], "--policy", "best")

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == (
        f"repartir: no policy 'best': choose one of {', '.join(PRESETS)}\n"
    )


def test_bad_files_are_refused_with_all_their_faults(
    route: Route, tmp_path: Path
) -> None:
    (tmp_path / "locations.csv").write_text("location,rank\nMontréal,first\n")

    result = route(
        [order("o1", hat=1)],
        *("--locations", "locations.csv", "--output", "plans.jsonl"),
        stock=SEED_STOCK + "Laval,hat,1\nLaval,tie,-1\n",
    )

    assert result.exit_code == 2
    assert result.stdout == ""
    assert not (tmp_path / "plans.jsonl").exists()
    assert result.stderr.splitlines() == [
        "repartir: locations.csv:2: rank must be a whole number, 1 to 1000000, "
        "got 'first'",
        "repartir: stock.csv:11: hat at Laval appears twice",
        "repartir: stock.csv:12: on_hand must be a whole number, 0 to 1000000000000, "
        "got '-1'",
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--orders", "none.jsonl"), "none.jsonl: cannot be read: No such file"),
        (("--stock", "none.csv"), "none.csv: cannot be read: No such file"),
        (
            ("--output", "no/plans"),
            "--output no/plans: cannot be written: No such file",
        ),
        (("--output", "stock.csv"), "--output stock.csv is an input too"),
        (("--output", "./orders.jsonl"), "--output orders.jsonl is an input too"),
        (("--solve-timeout", "1m"), "--solve-timeout must be 0.001s to 30s"),
        (("--solve-timeout", "31s"), "--solve-timeout must be 0.001s to 30s"),
        (("--solve-timeout", "0.5ms"), "--solve-timeout must be 0.001s to 30s"),
    ],
)
def test_bad_usage_is_one_line(
    route: Route, options: tuple[str, ...], expected: str
) -> None:
    result = route([order("o1", hat=1)], *options)

    assert result.exit_code == 2
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith(f"repartir: {expected}")


@pytest.mark.parametrize("timeout", ["1ms", "500ms", "1.5s", "30s"])
def test_takes_a_timeout(route: Route, timeout: str) -> None:
    assert route([order("o1", hat=1)], "--solve-timeout", timeout).exit_code == 0


def test_writes_to_a_file(route: Route, tmp_path: Path) -> None:
    on_screen = route(SEED_ORDERS)
    in_file = route(SEED_ORDERS, "--output", "plans.jsonl")

    assert in_file.stdout == ""
    lines = (tmp_path / "plans.jsonl").read_text().splitlines()
    written = [without_time(json.loads(line)) for line in lines]
    assert written == [without_time(plan) for plan in plans(on_screen)]


def test_counterfactuals_are_printed(route: Route) -> None:
    [plan] = plans(route([order("o1", shirt=17, hat=6)], "--counterfactuals"))

    assert plan["counterfactuals"]["one_shipment"] == {
        "location_id": "Laval",
        "missing": [{"sku": "shirt", "quantity": "2"}],
        "total_units": "2",
    }
