import pytest
from rich.console import Console

from availability.v1 import stock_service_pb2
from router.cli.demo.plan_tables import SIDE_BY_SIDE_COLUMNS, plan_view, stock_table
from router.v1 import plan_pb2

TIMES = "\N{MULTIPLICATION SIGN}"


def shown(width: int, plan: plan_pb2.RoutingPlan) -> list[str]:
    console = Console(width=width, no_color=True, force_terminal=False)
    with console.capture() as capture:
        console.print(plan_view(plan, width))
    return [line.rstrip() for line in capture.get().splitlines()]


def plan(proven: bool = True) -> plan_pb2.RoutingPlan:
    made = plan_pb2.RoutingPlan(engine="exact", solve_micros=1_234, proven=proven)
    made.shipments.add(
        origin_id="site", location_ids=["room-1", "room-2"], reason="holds [both]"
    )
    made.assignments.add(sku="hat", location_id="room-1", quantity=1_000)
    made.assignments.add(sku="[red]x", location_id="room-2", quantity=2)
    made.unassigned.add(
        sku="tie", quantity=3, reason=plan_pb2.UNASSIGNED_REASON_OUT_OF_STOCK
    )
    made.objectives.add(
        name="shipments",
        sense=plan_pb2.OBJECTIVE_SENSE_MINIMIZE,
        value=2,
        bound=1,
        proven=proven,
    )
    return made


@pytest.mark.parametrize("width", [40, 80, SIDE_BY_SIDE_COLUMNS, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, shown(width, plan()))) <= width


def test_shows_shipments_with_reasons() -> None:
    text = shown(80, plan())

    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text]
    assert ["site", f"1,000 {TIMES} hat in room-1", "holds [both]"] in rows
    assert ["", f"2 {TIMES} [red]x in room-2", ""] in rows
    assert ["unassigned", f"3 {TIMES} tie", "out of stock"] in rows
    assert ["shipments", "less", "2", "1", "yes"] in rows
    assert text[-1] == " ✓ Proven: no allowed plan is better. Engine exact, 1,234 µs."


def test_shows_what_is_not_proven() -> None:
    text = shown(80, plan(proven=False))

    assert any(
        "│ shipments │ less   │     2 │     1 │ no     │" in line for line in text
    )
    assert text[-1].startswith(" Not proven: a better plan may exist.")


def test_shows_where_available_stock_comes_from() -> None:
    record = stock_service_pb2.StockRecord(
        location_id="a", sku="hat", on_hand_units=14, allocated_units=6
    )
    record.available_units = 8
    console = Console(width=80, no_color=True)

    with console.capture() as capture:
        console.print(stock_table([record], ["hat", "tie"], ["a", "b"]))

    assert "│ a │ 8 = 14 - 6 │   0 │" in capture.get()
    assert "│ b │          0 │   0 │" in capture.get()
