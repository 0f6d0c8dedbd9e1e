"""From open plans to the joint problem of `router.optimize.batch`.

The stock of the problem is what is available and, with it, what the orders hold:
they may give it up to each other. Lines of one order with one SKU are one line of
the problem. Rooms of one site count as locations of their own here.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from availability.model import BoolArray, IntArray, LocationId, Network, Sku
from availability.stock_view import CapacitiesLeft
from router.line_units import Counts
from router.model import Order, RoutingPolicy, Term
from router.optimize.batch.problem import (
    NOTHING,
    UNLIMITED,
    BatchPlan,
    BatchProblem,
)
from router.planning.candidates import CandidateFinder, Candidates
from router.rerouting.open_plans import Pending

SPLIT_FIRST = 10
"""Shipments that a split line counts where the policy asks for none of them first."""
GAIN = 1_000
"""What a shipment counts where a least gain is a part of one; else it counts 1."""
AGES = 16
"""Steps of what an order that waits counts, by when it was promised."""

ReadStock = Callable[[Sequence[Sku]], IntArray]
"""Returns ``(K, N)`` available units of SKUs, 0 where there is no record."""
Feeding = Mapping[str, frozenset[LocationId]]
"""The locations that feed each declared channel."""


class Wishes(NamedTuple):
    """The options of a re-routing.

    ``policy`` takes the place of the orders' own; None: each has its own.
    ``min_gain_permille`` is what moving an order must save at least, in thousandths
    of a shipment; ``max_moves`` how many orders may move, None: all.
    """

    policy: RoutingPolicy | None = None
    min_gain_permille: int = 0
    max_moves: int | None = None

    def policy_of(self, pending: Pending) -> RoutingPolicy:
        """Return the policy an order is decided by."""
        return self.policy or pending.wanted.policy


class JointProblem(NamedTuple):
    """A joint problem and the meaning of its indices.

    Order ``o`` is ``orders[o]``; line ``j`` asks for ``skus[problem.sku[j]]``; column
    ``n`` is ``network.locations[n]``.
    """

    problem: BatchProblem
    orders: tuple[Pending, ...]
    skus: tuple[Sku, ...]
    network: Network
    finder: CandidateFinder
    feeding: Feeding

    def candidates_of(self, order: Order, policy: RoutingPolicy) -> Candidates:
        """Return the locations that may ship an order, ignoring capacities."""
        return _candidates_of(self.finder, order, policy, self.network, self.feeding)


def build_joint_problem(
    pending: Sequence[Pending],
    network: Network,
    read_stock: ReadStock,
    capacities: CapacitiesLeft,
    feeding: Feeding,
    wishes: Wishes,
) -> JointProblem:
    """Return the joint problem of orders that can be decided together.

    Those whose units wait in a queue keep what they hold and may only gain; the
    earlier one was promised, the more it counts.
    """
    finder = CandidateFinder()
    orders = tuple(pending)
    candidates = tuple(
        _candidates_of(
            finder,
            each.order._replace(frozen=()),
            wishes.policy_of(each),
            network,
            feeding,
        )
        for each in orders
    )
    lines = _lines_of(orders, network)
    skus = tuple(lines.skus)
    incumbent, start = BatchPlan.of(lines.held), np.array(lines.start, dtype=np.int64)
    skus_of_lines = np.array(lines.sku, dtype=np.int64)
    stock = read_stock(list(skus))
    at = (skus_of_lines[incumbent.line], incumbent.location)
    np.add.at(stock, at, incumbent.units)
    wanted = np.zeros(len(skus), dtype=np.int64)
    np.add.at(wanted, skus_of_lines, lines.demand)
    scale = GAIN if wishes.min_gain_permille else 1
    rank, allowed, region = _classes(orders, candidates, network, wishes)
    problem = BatchProblem(
        # Stock beyond the total demand changes nothing; without it sums stay small.
        stock=np.clip(stock, 0, wanted[:, None]),
        start=start,
        sku=skus_of_lines,
        demand=np.array(lines.demand, dtype=np.int64),
        weight=_weights(orders),
        rank=rank,
        allowed=allowed,
        region=region,
        shipment_weight=scale,
        split_line_weight=scale * _split_weight(orders, wishes),
        move_weight=wishes.min_gain_permille,
        frozen=BatchPlan.of(lines.frozen) if lines.frozen else NOTHING,
        incumbent=incumbent,
        max_moves=wishes.max_moves,
        **_capacities(capacities, network, incumbent, start),
    )
    return JointProblem(problem, orders, skus, network, finder, feeding)


class _JointLines(NamedTuple):
    """The orders' lines as a `BatchProblem` has them, and their (line, n, units)."""

    skus: dict[Sku, int]
    start: list[int]
    sku: list[int]
    demand: list[int]
    held: list[tuple[int, int, int]]
    frozen: list[tuple[int, int, int]]


def _lines_of(orders: Sequence[Pending], network: Network) -> _JointLines:
    """Return one line for each SKU of each order: the units that are open or wait."""
    lines = _JointLines({}, [0], [], [], [], [])
    skus_of = [_skus_of(each.order) for each in orders]
    for each, sku_of in zip(orders, skus_of, strict=True):
        for name in sku_of.values():
            lines.skus.setdefault(name, len(lines.skus))
        line_of: dict[Sku, int] = {}
        for name, units in _promised(each, sku_of).items():
            line_of[name] = len(lines.sku)
            lines.sku.append(lines.skus[name])
            lines.demand.append(units)
        lines.start.append(len(lines.sku))
        lines.held.extend(_pieces(each.held.open, sku_of, line_of, network))
        fixed = each.held.open if each.held.queued else each.picked
        lines.frozen.extend(_pieces(fixed, sku_of, line_of, network))
    return lines


def _candidates_of(
    finder: CandidateFinder,
    order: Order,
    policy: RoutingPolicy,
    network: Network,
    feeding: Feeding,
) -> Candidates:
    return finder.find(order, policy, network, {}, feeding.get(order.channel_id))


def _skus_of(order: Order) -> dict[str, Sku]:
    return {line.line_id: line.sku for line in order.lines}


def _promised(pending: Pending, sku_of: Mapping[str, Sku]) -> dict[Sku, int]:
    """Return the units of each SKU that are open or wait, in the order of lines."""
    units: dict[Sku, int] = dict.fromkeys(sku_of.values(), 0)
    for (line_id, _), count in pending.held.open.items():
        units[sku_of[line_id]] += count
    for line_id, count in pending.held.queued.items():
        units[sku_of[line_id]] += count
    return {sku: count for sku, count in units.items() if count}


def _pieces(
    counts: Counts,
    sku_of: Mapping[str, Sku],
    line_of: Mapping[Sku, int],
    network: Network,
) -> list[tuple[int, int, int]]:
    """Return units of lines as pieces of the problem."""
    found: dict[tuple[int, int], int] = defaultdict(int)
    for (line_id, at), units in counts.items():
        found[line_of[sku_of[line_id]], network.index[at]] += units
    return [(line, n, units) for (line, n), units in found.items()]


def _classes(
    orders: Sequence[Pending],
    candidates: Sequence[Candidates],
    network: Network,
    wishes: Wishes,
) -> tuple[IntArray, BoolArray, IntArray]:
    """Return ``(G, N)`` ranks, ``(G, N)`` allowed locations, and each order's class."""
    count = len(network.locations)
    known: dict[bytes, int] = {}
    ranks: list[IntArray] = []
    masks: list[BoolArray] = []
    region = []
    by_rank = np.arange(count)
    for each, found in zip(orders, candidates, strict=True):
        mask = np.zeros(count, dtype=bool)
        mask[found.pool.places] = True
        for _, at in each.picked:
            mask[network.index[at]] = True
        if each.held.queued:
            for _, at in each.held.open:
                mask[network.index[at]] = True
        rank = by_rank
        if found.meters is not None and _by_distance(wishes.policy_of(each)):
            far = np.full(count, np.iinfo(np.int64).max)
            far[found.pool.places] = found.meters
            rank = far.argsort(kind="stable").argsort(kind="stable")
        key = mask.tobytes() + rank.tobytes()
        if key not in known:
            known[key] = len(masks)
            masks.append(mask)
            ranks.append(rank)
        region.append(known[key])
    shape = (len(masks), count)
    return (
        np.array(ranks, dtype=np.int64).reshape(shape),
        np.array(masks, dtype=bool).reshape(shape),
        np.array(region, dtype=np.int64),
    )


def _by_distance(policy: RoutingPolicy) -> bool:
    """Return whether the nearest is preferred to the first in rank."""
    terms = [each.term for each in policy.objectives]
    if Term.DISTANCE_METERS not in terms:
        return False
    if Term.RANK not in terms:
        return True
    return terms.index(Term.DISTANCE_METERS) < terms.index(Term.RANK)


def _weights(orders: Sequence[Pending]) -> IntArray:
    """Return what each incomplete order counts: the earlier promised, the more.

    An order that is whole now weighs more than all that wait: none is given up.
    """
    waiting = [n for n, each in enumerate(orders) if each.held.queued]
    waiting.sort(key=lambda n: orders[n].record.created_seconds, reverse=True)
    weights = np.full(len(orders), 1 + AGES * len(waiting), dtype=np.int64)
    for place, n in enumerate(waiting):
        weights[n] = 1 + place * AGES // len(waiting)
    return weights


def _split_weight(orders: Sequence[Pending], wishes: Wishes) -> int:
    """Return the shipments that a split line counts, the most any policy says."""
    policies = {id(each): each for each in map(wishes.policy_of, orders)}
    return max(map(_split_weight_of, policies.values()), default=0)


def _split_weight_of(policy: RoutingPolicy) -> int:
    terms = [each.term for each in policy.objectives]
    if Term.SPLIT_LINES not in terms:
        return 0
    first = terms.index(Term.SPLIT_LINES) < terms.index(Term.SHIPMENTS)
    return SPLIT_FIRST if first else 0


def _capacities(
    capacities: CapacitiesLeft, network: Network, incumbent: BatchPlan, start: IntArray
) -> dict[str, IntArray]:
    """Return ``(N,)`` what may leave today: what is left, and what the orders have."""
    if not capacities:
        return {}
    count = len(network.locations)
    orders = np.full(count, UNLIMITED, dtype=np.int64)
    units = np.full(count, UNLIMITED, dtype=np.int64)
    order_of = np.repeat(np.arange(len(start) - 1), np.diff(start))
    visit = np.unique(order_of[incumbent.line] * count + incumbent.location)
    here = np.bincount(visit % count, minlength=count)
    there = np.bincount(incumbent.location, incumbent.units, count).astype(np.int64)
    for location_id, (orders_left, units_left) in capacities.items():
        n = network.index[location_id]
        if orders_left is not None:
            orders[n] = max(0, orders_left) + here[n]
        if units_left is not None:
            units[n] = max(0, units_left) + there[n]
    return {"capacity_orders": orders, "capacity_units": units}
