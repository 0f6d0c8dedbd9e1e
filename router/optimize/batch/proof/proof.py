"""What prices prove of all plans, before there is one: as hard as there is time for.

Repair changes the plan and no price, so it has the rest of the time, and a
cancelled run waits for no proof.
"""

import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from availability.model import IntArray
from router.optimize.batch.engines.engine import Chunked, Engine
from router.optimize.batch.limits import Watch
from router.optimize.batch.pricing.nodes import (
    EXACT_NODES,
    HASTY_PROOF_NODES,
    SHORT_PROOF_NODES,
)
from router.optimize.batch.pricing.pricing import large_of
from router.optimize.batch.problem import BatchProblem
from router.optimize.batch.proof.bounds import (
    Costs,
    costs,
    patience_of,
    shipments_bound,
)
from router.optimize.batch.proof.claim import Certificate
from router.optimize.batch.scarcity.prices import Prices
from router.optimize.batch.scarcity.shortage import Shortage

_SHARE = 0.8
"""Of the time, when the proof has to end; it is foreseen whether it will."""


class Proof(NamedTuple):
    """A certificate that has no plan yet, and what orders cost at its prices."""

    certificate: Certificate
    costs: Costs

    def patient(self, problem: BatchProblem, waiting: int) -> Certificate:
        """Return the certificate for plans in which ``waiting`` weight may wait."""
        if not waiting:
            return self.certificate
        least = self.costs.least(problem)
        patience = patience_of(least, problem.weights, waiting)
        return replace(self.certificate, patience=patience)

    def shipments(self, problem: BatchProblem, waiting: int) -> int:
        """Return the least shipments when at most ``waiting`` weight waits."""
        certificate = self.patient(problem, waiting)
        return shipments_bound(problem, certificate, self.costs, waiting)


def prove(
    problem: BatchProblem,
    engine: Engine,
    prices: Prices,
    short: Shortage,
    watch: Watch,
) -> Proof:
    """Price every order; large ones with as many nodes as there is time for."""
    pairs = np.argwhere(prices.stock > 0)
    certificate = Certificate(
        plan=(),
        prices=tuple((k, n, int(prices.stock[k, n])) for k, n in pairs.tolist()),
        sku_prices=short.prices,
        total_prices=(short.unit_price, short.shipment_price),
        unit_prices=_rows(prices.units),
        order_prices=_rows(prices.orders),
        nodes=HASTY_PROOF_NODES,
    )
    orders = np.arange(problem.orders), large_of(problem)
    pace = _Pace(watch)
    steps = [Chunked(engine, problem, each, pace.too_slow) for each in orders]
    for nodes in (EXACT_NODES, SHORT_PROOF_NODES):
        trial = replace(certificate, nodes=nodes)
        pace.begin(sum(map(len, steps)))
        found = costs(problem, trial, *steps)
        if not any(each.cut for each in steps):
            return Proof(trial, found)
    whole = [engine.pricer(problem, each) for each in orders]
    return Proof(certificate, costs(problem, certificate, *whole))


def _rows(prices: IntArray) -> tuple[tuple[int, int], ...]:
    """Return the (location, price) of all prices that are not 0."""
    return tuple((n, int(prices[n])) for n in np.flatnonzero(prices).tolist())


class _Pace:
    """Foresees by the steps that are done whether the others end in time."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def begin(self, steps: int) -> None:
        """Begin with the first of so many steps, each about as much work."""
        self._steps, self._done, self._began = steps, 0, time.monotonic()

    def too_slow(self) -> bool:
        """Return whether to give up before the next step."""
        done, spent = self._done, time.monotonic() - self._began
        self._done += 1
        if self._watch.cancelled():
            return True
        rest = spent / done * (self._steps - done) if done else 0.0
        return rest > self._watch.left(_SHARE)
