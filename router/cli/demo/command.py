"""`repartir demo`: a vendor's worked example on a real server."""

import time
from collections import Counter
from collections.abc import Mapping

from rich.console import Console, RenderableType
from rich.rule import Rule
from rich.text import Text

from availability.model import ImportMode, Location, LocationId, Sku, StockChange
from availability.v1 import stock_service_pb2
from router.cli.console.exits import SOME_FAILED, clean_exit, fail
from router.cli.demo.child_server import running_server
from router.cli.demo.example import ORDERS, OUTLETS, SKUS, STOCK, SeedOrder
from router.cli.demo.plan_tables import plan_view, stock_table
from router.cli.remote.client import CallFailed, Client, connect
from router.cli.remote.server_target import ServerTarget
from router.policies import DEFAULT
from router.v1 import order_pb2, plan_pb2, policy_pb2, routing_service_pb2

ELSEWHERE = "ranked-prefix"
"""The policy that gives the printed plans when every outlet may ship."""

_INTRODUCTION = f"""\
Three outlets and five orders: the worked example in Lightspeed's documentation of \
multi-outlet orders. There, Montréal and Sherbrooke share orders 1 to 4, and all \
three outlets share order 5; here, each order is routed among the same outlets, by \
the default policy, {DEFAULT}.

One call plans each order and reserves its stock. The units it took are then \
replenished (an import in delta mode), so that every order starts from the stock in \
this table, as in the example."""

_Units = Mapping[tuple[str, str], int]


def demo() -> None:
    """Route a vendor's worked example on a temporary server, and explain each plan."""
    began = time.monotonic()
    console = Console(highlight=False)
    with clean_exit():
        try:
            with running_server() as address, connect(address) as client:
                good = _show(console, client)
        except CallFailed as error:
            raise fail(*error.lines, status=SOME_FAILED) from None
        seconds = time.monotonic() - began
        console.print(f"Took {seconds:.1f} s, including the server's start and stop.")
        if not good:
            raise fail("a plan differs from the printed one", status=SOME_FAILED)


def _show(console: Console, client: Client) -> bool:
    """Print everything; return whether each plan equals the printed one."""
    console.print(Rule("repartir demo", style="dim"))
    console.print(_INTRODUCTION)
    _load(client)
    console.print(_stock(client))
    same = elsewhere = 0
    for number, seed in enumerate(ORDERS, start=1):
        elsewhere += _assigned(_evaluate(client, seed)) == seed.printed
        same += _place(console, client, seed, number)
    console.print(Rule("afterwards", style="dim"))
    console.print(
        f"With all three outlets allowed to ship, policy {ELSEWHERE} gives the printed "
        f"plan for {elsewhere} of the {len(ORDERS)} orders.\n\n"
        "The stock now: available = on hand - allocated to orders. The last order's "
        "units were not replenished."
    )
    console.print(_stock(client))
    return same == elsewhere == len(ORDERS)


def _place(console: Console, client: Client, seed: SeedOrder, number: int) -> bool:
    """Route and reserve one order, print its plan, and replenish its stock."""
    request = routing_service_pb2.RouteOrderRequest(
        request_id=f"route-{seed.order_id}",
        order=_order(seed),
        policy=policy_pb2.RoutingPolicy(
            filter=policy_pb2.LocationFilter(included_location_ids=seed.outlets)
        ),
    )
    began = time.perf_counter()
    plan = client.call(client.routing.RouteOrder, request).plan
    call_ms = (time.perf_counter() - began) * 1_000
    assigned = _assigned(plan)
    same = assigned == seed.printed

    title = Text(f"order {number}: {seed.title}", "bold")
    console.print(Rule(title, style="dim"))
    console.print(f"May ship: {', '.join(seed.outlets)}. {seed.note}")
    console.print(plan_view(plan, console.width))
    mark = (
        Text(" ✓ As printed.", "green") if same else Text(" ✗ NOT as printed.", "red")
    )
    mark.append(f" Planned and reserved in one call of {call_ms:.1f} ms.\n", "default")
    console.print(mark)
    if number < len(ORDERS):
        _import(client, f"deliver-{seed.order_id}", ImportMode.DELTA, assigned)
    return same


def _evaluate(client: Client, seed: SeedOrder) -> plan_pb2.RoutingPlan:
    request = routing_service_pb2.RouteOrderRequest(
        order=_order(seed),
        policy=policy_pb2.RoutingPolicy(preset=ELSEWHERE),
        validate_only=True,
    )
    return client.call(client.routing.RouteOrder, request).plan


def _load(client: Client) -> None:
    locations = [
        Location(LocationId(name), rank=rank)
        for rank, name in enumerate(OUTLETS, start=1)
    ]
    ServerTarget(client).put_locations("locations", locations)
    units = {(name, sku): held for name in OUTLETS for sku, held in STOCK[name].items()}
    _import(client, "stock", ImportMode.SET, units)


def _import(client: Client, request_id: str, mode: ImportMode, units: _Units) -> None:
    changes = [
        StockChange(LocationId(location), Sku(sku), count)
        for (location, sku), count in units.items()
    ]
    ServerTarget(client).import_stock(request_id, mode, changes)


def _stock(client: Client) -> RenderableType:
    reply = client.call(
        client.stock.ListStock, stock_service_pb2.ListStockRequest(skus=SKUS)
    )
    return stock_table(reply.records, SKUS, OUTLETS)


def _order(seed: SeedOrder) -> order_pb2.Order:
    return order_pb2.Order(
        order_id=seed.order_id,
        lines=[
            order_pb2.OrderLine(line_id=sku, sku=sku, quantity=units)
            for sku, units in seed.wanted.items()
        ],
    )


def _assigned(plan: plan_pb2.RoutingPlan) -> Counter[tuple[str, str]]:
    """Return the units by outlet and SKU."""
    units: Counter[tuple[str, str]] = Counter()
    for each in plan.assignments:
        units[each.location_id, each.sku] += each.quantity
    return units
