"""What proves a plan good: the plan, prices, and nothing that must be believed.

With prices ``pi`` >= 0 of a unit of stock, and of a unit and a shipment of each
location's capacity, no plan that completes every order has fewer shipments than
``sum_o cheapest(o) - sum pi stock - sum mu capacity``: weak Lagrangian duality.
Where orders wait, each may also cost ``patience`` times its weight, less ``patience``
times the weight that waits in all. The cheapest of each order is found again from
the data; all prices are integers and no solver takes part.

Frozen pieces and the cap on moves only take plans away, so the bound holds with
them too; it is then the bound of re-routing without them.
"""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from availability.model import IntArray
from router.optimize.batch.blocks import NEVER
from router.optimize.batch.engine import LOCAL, OrderPricer
from router.optimize.batch.peel import fixed_of
from router.optimize.batch.pricing import EXACT_NODES, SCALE
from router.optimize.batch.problem import LEVELS, BatchPlan, BatchProblem, check, score


class CertificateError(ValueError):
    """A certificate says what is not so."""


class LevelValue(NamedTuple):
    """A level's value, what none can beat with the levels before as good, and why.

    ``provenance`` is ``static``, ``lagrangian`` or ``proven`` (value and bound meet).
    """

    level: str
    value: int
    bound: int
    provenance: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """A plan, prices in 1 / `SCALE`, and what is claimed of them.

    ``plan`` are pieces (line, location, units), ``prices`` (SKU, location, price) of
    a unit, ``sku_prices`` (SKU, price) at the first level, ``unit_prices`` and
    ``order_prices`` (location, price) of capacities. ``nodes`` bounds the branching.
    """

    plan: tuple[tuple[int, int, int], ...]
    prices: tuple[tuple[int, int, int], ...]
    sku_prices: tuple[tuple[int, int], ...] = ()
    unit_prices: tuple[tuple[int, int], ...] = ()
    order_prices: tuple[tuple[int, int], ...] = ()
    patience: int = 0
    nodes: int = EXACT_NODES
    claims: tuple[tuple[str, int, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return numbers, strings and lists only."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> "Certificate":
        """Return what `to_json` said, after JSON made lists of tuples.

        Raises
        ------
        CertificateError
            Something is missing, or is no whole number.
        """
        try:
            columns = {
                name: tuple(tuple(row) for row in said[name])
                for name in (
                    "plan",
                    "prices",
                    "sku_prices",
                    "unit_prices",
                    "order_prices",
                    "claims",
                )
            }
            certificate = cls(**columns, patience=said["patience"], nodes=said["nodes"])
        except (KeyError, TypeError) as error:
            raise CertificateError(f"not a certificate: {error}") from error
        if type(said["patience"]) is not int or type(said["nodes"]) is not int:
            raise CertificateError("patience and nodes are not whole numbers")
        for name, rows in columns.items():
            for row in rows:
                numbers = row[1:] if name == "claims" else row
                if not all(type(each) is int for each in numbers):
                    raise CertificateError(f"{name}: {row} are not whole numbers")
        return certificate


def verify(problem: BatchProblem, certificate: Certificate) -> tuple[LevelValue, ...]:
    """Return each level's (value, bound), found again from the data.

    Raises
    ------
    CertificateError
        The plan breaks a limit, a price is negative or of nothing, or a claim is
        better than what is found.
    """
    try:
        plan = BatchPlan.of(certificate.plan)
        breaches = check(problem, plan)
        if breaches:
            raise CertificateError("; ".join(breaches[:5]))
        values = score(problem, plan)
        bounds = (
            incomplete_bound(problem, certificate),
            shipments_bound(problem, certificate, values.incomplete_orders),
            0,
        )
    except (IndexError, OverflowError) as error:
        raise CertificateError(f"out of range: {error}") from error
    if [name for name, _, _ in certificate.claims] != list(LEVELS):
        raise CertificateError("the claims are not one for each level")
    found = []
    for (name, value, bound), true, least in zip(
        certificate.claims, values, bounds, strict=True
    ):
        if value != true:
            raise CertificateError(f"{name}: claims {value}, is {true}")
        if bound > least:
            raise CertificateError(f"{name}: claims the bound {bound}, is {least}")
        found.append(_level(name, true, least))
    return tuple(found)


def levels_of(certificate: Certificate) -> tuple[LevelValue, ...]:
    """Return what is claimed, unverified."""
    return tuple(_level(*claim) for claim in certificate.claims)


def _level(name: str, value: int, bound: int) -> LevelValue:
    if value == bound:
        return LevelValue(name, value, bound, "proven")
    static = name == LEVELS[-1]
    return LevelValue(name, value, bound, "static" if static else "lagrangian")


def incomplete_bound(problem: BatchProblem, certificate: Certificate) -> int:
    """Return the least weight that waits: completing an order costs its units."""
    price = _vector(certificate.sku_prices, len(problem.stock))
    each = np.zeros(problem.orders, dtype=np.int64)
    np.add.at(each, problem.order_of, problem.demand * price[problem.sku])
    least = int(np.minimum(each, problem.weights * SCALE).sum())
    supply = int((price * problem.stock.sum(axis=1)).sum())
    return max(0, -((supply - least) // SCALE))


def shipments_bound(
    problem: BatchProblem,
    certificate: Certificate,
    waiting: int,
    pricer: OrderPricer | None = None,
) -> int:
    """Return the least shipments when at most ``waiting`` weight is incomplete.

    ``pricer`` prices all orders; None: one made here.
    """
    price, fixed, paid = priced(problem, certificate)
    pricer = pricer or LOCAL.pricer(problem, np.arange(problem.orders))
    found = pricer.price(problem.stock, price, fixed, certificate.nodes)
    least = np.zeros(problem.orders, dtype=np.int64)
    least[found.order] = found.value
    if waiting:
        if certificate.patience < 0:
            raise CertificateError("patience is negative")
        least = np.minimum(least, certificate.patience * problem.weights)
        paid += certificate.patience * waiting
    least = np.minimum(least, NEVER)
    return max(0, -((paid - int(least.sum())) // SCALE))


def priced(
    problem: BatchProblem, certificate: Certificate
) -> tuple[IntArray, IntArray, int]:
    """Return (K, N) prices of units, (N,) costs of a shipment, and all it pays."""
    skus, locations = problem.stock.shape
    price = np.zeros((skus, locations), dtype=np.int64)
    rows = np.array(certificate.prices, dtype=np.int64).reshape(-1, 3)
    if len(rows) and (rows.min() < 0 or rows[:, 2].max() > SCALE * 2**10):
        raise CertificateError("a price is negative or absurd")
    price[rows[:, 0], rows[:, 1]] = rows[:, 2]
    paid = int((price * problem.stock).sum())
    units = _vector(certificate.unit_prices, locations)
    orders = _vector(certificate.order_prices, locations)
    for each, capacity in (
        (units, problem.capacity_units),
        (orders, problem.capacity_orders),
    ):
        if capacity is None:
            if each.any():
                raise CertificateError("a capacity that has no limit has a price")
        else:
            paid += sum(
                a * b for a, b in zip(each.tolist(), capacity.tolist(), strict=True)
            )
    return price + units[None, :], fixed_of(problem) + orders, paid


def _vector(rows: tuple[tuple[int, int], ...], length: int) -> IntArray:
    vector = np.zeros(length, dtype=np.int64)
    pairs = np.array(rows, dtype=np.int64).reshape(-1, 2)
    if len(pairs) and (pairs.min() < 0 or pairs[:, 1].max() > SCALE * 2**20):
        raise CertificateError("a price is negative or absurd")
    vector[pairs[:, 0]] = pairs[:, 1]
    return vector


def patience_of(least: IntArray, weights: IntArray, waiting: int) -> int:
    """Return the multiplier of the waiting weight that gives the best bound.

    The bound is concave in it, with a kink where an order rather waits: the
    dearest per weight are let go until ``waiting`` is spent.
    """
    each = np.minimum(least, NEVER) // weights
    turn = np.argsort(-each, kind="stable")
    spent = weights[turn].cumsum()
    at = int(np.searchsorted(spent, waiting, side="left"))
    return int(each[turn[min(at, len(turn) - 1)]])
