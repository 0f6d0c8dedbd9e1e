"""A plan as tables, at 80 columns and at 120."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from availability.v1 import stock_service_pb2
from router.v1 import plan_pb2

SIDE_BY_SIDE_COLUMNS = 112
"""From this width on, objectives are shown next to shipments."""

_LESS = plan_pb2.OBJECTIVE_SENSE_MINIMIZE


def plan_view(plan: plan_pb2.RoutingPlan, width: int) -> RenderableType:
    """Return shipments with reasons, objective values, and the proof."""
    shipments, objectives = shipment_table(plan), objective_table(plan)
    if width >= SIDE_BY_SIDE_COLUMNS:
        both = Table.grid(padding=(0, 2), expand=True)
        both.add_column(ratio=1)
        both.add_column()
        both.add_row(shipments, objectives)
        return Group(both, verdict(plan))
    return Group(shipments, objectives, verdict(plan))


def shipment_table(plan: plan_pb2.RoutingPlan) -> Table:
    """Return one row per shipment, and one per unassigned SKU."""
    table = _table()
    table.add_column("ships from", style="bold", overflow="fold")
    table.add_column("what", overflow="fold")
    table.add_column("why", ratio=1, overflow="fold")
    contents: dict[int, list[str]] = defaultdict(list)
    for each in plan.assignments:
        shipment = plan.shipments[each.shipment_index]
        units = _units(each.quantity, each.sku)
        # Rooms of one site ship together; the packer must know which room.
        several = len(shipment.location_ids) > 1
        units += f" in {each.location_id}" if several else ""
        contents[each.shipment_index].append(units)
    for index, shipment in enumerate(plan.shipments):
        # Ids are not markup.
        what = Text("\n".join(contents[index]))
        table.add_row(Text(shipment.origin_id), what, Text(shipment.reason))
    for missing in plan.unassigned:
        reason = plan_pb2.UnassignedReason.Name(missing.reason)
        why = reason.removeprefix("UNASSIGNED_REASON_").lower().replace("_", " ")
        what = Text(_units(missing.quantity, missing.sku))
        table.add_row(Text("unassigned", style="red"), what, why)
    return table


def objective_table(plan: plan_pb2.RoutingPlan) -> Table:
    """Return one row per objective, most important first."""
    table = _table()
    table.add_column("objective")
    table.add_column("better")
    table.add_column("value", justify="right")
    table.add_column("bound", justify="right")
    table.add_column("proven")
    for each in plan.objectives:
        table.add_row(
            each.name,
            Text("less" if each.sense == _LESS else "more", style="dim"),
            f"{each.value:,}",
            f"{each.bound:,}",
            Text("yes", style="green") if each.proven else Text("no", style="yellow"),
        )
    return table


def verdict(plan: plan_pb2.RoutingPlan) -> Text:
    """Return one line: whether the plan is proven, and by which engine."""
    text = Text(" ")
    if plan.proven:
        text.append("✓ Proven: no allowed plan is better.", style="green")
    else:
        text.append("Not proven: a better plan may exist.", style="yellow")
    text.append(f" Engine {plan.engine}, {plan.solve_micros:,} µs.")
    return text


def stock_table(
    records: Iterable[stock_service_pb2.StockRecord],
    skus: Sequence[str],
    locations: Sequence[str],
) -> Table:
    """Return one row per location: available = on hand - allocated, by SKU."""
    held = {(each.location_id, each.sku): each for each in records}
    table = _table()
    table.add_column("", style="bold")
    for sku in skus:
        table.add_column(sku, justify="right")
    for location in locations:
        cells = []
        for sku in skus:
            record = held.get((location, sku), stock_service_pb2.StockRecord())
            cell = Text(f"{record.available_units:,}")
            if record.allocated_units:
                sum_ = f" = {record.on_hand_units:,} - {record.allocated_units:,}"
                cell.append(sum_, style="dim")
            cells.append(cell)
        table.add_row(Text(location), *cells)
    return table


def _table() -> Table:
    return Table(box=box.ROUNDED, border_style="dim", header_style="dim")


def _units(quantity: int, sku: str) -> str:
    return f"{quantity:,} \N{MULTIPLICATION SIGN} {sku}"
