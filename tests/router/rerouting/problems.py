"""A small ledger with orders routed one by one, and a re-routing without a server."""

import random
from collections.abc import Sequence

import numpy as np

from availability.errors import StockConflict
from availability.ledger.open import open_ledger
from availability.ledger.protocol import Ledger
from availability.model import (
    ImportMode,
    IntArray,
    Location,
    LocationId,
    Request,
    Sku,
    StockChange,
)
from router.model import Order, OrderLine
from router.optimize.batch.limits import BatchLimits
from router.pipeline import RouteOptions, Router
from router.policies import PRESETS
from router.rerouting.joint_problem import Wishes
from router.rerouting.move_order import sequence
from router.rerouting.moves import Move
from router.rerouting.open_plans import Selection
from router.rerouting.session import RerouteSession
from router.rerouting.summary import Summary, Surroundings
from router.rpc.codec.body import WireForm
from router.rpc.codec.order import encode_order
from router.rpc.codec.plan import encode_reply
from router.v1 import policy_pb2, routing_service_pb2

NO_WISHES, PLACED = Wishes(), Selection()
LIMITS = BatchLimits(wall_seconds=20.0, neighbourhoods=10, work=0.2)


class World:
    """Locations, stock and orders that were routed in the order they came."""

    def __init__(self, stock: dict[str, dict[str, int]], **caps: int) -> None:
        self.ledger: Ledger = open_ledger("sqlite://")
        self.capped = bool(caps)
        self.router = Router(self.ledger, stored=WireForm())
        self.ledger.put_locations(
            [Location(LocationId(at), n, **caps) for n, at in enumerate(stock)]  # type: ignore[arg-type]
        )
        self.count(stock)

    def count(self, stock: dict[str, dict[str, int]]) -> None:
        """Say what is on hand."""
        changes = [
            StockChange(LocationId(at), Sku(sku), units)
            for at, held in stock.items()
            for sku, units in held.items()
        ]
        self.ledger.import_stock(ImportMode.SET, changes)

    def route(
        self, name: str, policy: str, lines: Sequence[tuple[str, int]], *, queue: bool
    ) -> None:
        """Route and reserve one order; lines are (SKU, units)."""
        order = Order(
            name,
            tuple(
                OrderLine(str(n), Sku(sku), units)
                for n, (sku, units) in enumerate(lines)
            ),
        )
        body = routing_service_pb2.RouteOrderRequest(
            order=encode_order(order),
            policy=policy_pb2.RoutingPolicy(preset=policy),
            queue_unassigned=queue,
        )
        options = RouteOptions(queue_unassigned=queue)
        self.router.route(
            order,
            PRESETS[policy],
            options,
            Request(),
            encode_reply,
            body.SerializeToString(),
        )

    def around(self) -> Surroundings:
        """What orders are decided in now."""
        ledger = self.ledger
        return Surroundings(
            ledger.network(),
            dict(ledger.capacity_left()),
            self.router.feeding(),
            ledger.version(),
        )

    def read_stock(self, skus: Sequence[Sku]) -> IntArray:
        """Return the available units of SKUs."""
        grid = self.ledger.grid()
        units = np.zeros((len(skus), len(grid.network.locations)), dtype=np.int64)
        for n, sku in enumerate(skus):
            if sku in grid.rows:
                units[n] = grid.read([grid.rows[sku]])[0]
        return units

    def available(self, at: LocationId, sku: Sku) -> int:
        """Return the units available at a location."""
        grid = self.ledger.grid()
        return int(grid.read([grid.rows[sku]])[0, grid.network.index[at]])

    def reroute(
        self, wishes: Wishes = NO_WISHES, selection: Selection = PLACED
    ) -> tuple[Summary, list[Move], list[Move]]:
        """Re-route; return what came of it, all moves and those that were done."""
        session = RerouteSession(selection, wishes, WireForm())
        after: int | None = 0
        while after is not None:
            page = self.ledger.open_plans(selection.states, None, after, 7)
            session.add(page.records)
            after = page.after
        moves = session.solve(self.around(), self.read_stock, LIMITS)
        done: list[Move] = []
        for group in sequence(moves, self.available):
            try:
                self.ledger.swap_together([(each.plan, each.swap) for each in group])
            except StockConflict:
                # A day's capacity may be given back later than it is taken.
                assert self.capped, "what fits was refused"
            else:
                done += group
        session.applied([each.plan.plan_id for each in done])
        return session.summary(), moves, done


def random_world(seed: int) -> World:
    """Return a tight world, in which order by order splits much."""
    rng = random.Random(seed)
    places = [f"l{n}" for n in range(rng.randint(2, 5))]
    skus = [f"s{n}" for n in range(rng.randint(2, 5))]
    stock = {at: {sku: rng.choice((0, 0, 1, 2, 3)) for sku in skus} for at in places}
    caps = {"capacity_orders": rng.randint(3, 9)} if rng.random() < 0.3 else {}
    world = World(stock, **caps)
    for n in range(rng.randint(3, 12)):
        some = rng.sample(skus, rng.randint(1, min(3, len(skus))))
        lines = [(sku, rng.randint(1, 2)) for sku in some]
        if rng.random() < 0.2:
            lines.append((some[0], 1))
        policy = rng.choice(("single-location-first", "fewest-shipments"))
        world.route(f"o{n}", policy, lines, queue=rng.random() < 0.4)
    if rng.random() < 0.5:
        at, sku = rng.choice(places), rng.choice(skus)
        world.count({at: {sku: stock[at][sku] + rng.randint(1, 3)}})
    return world
