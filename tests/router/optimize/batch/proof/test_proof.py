"""The proof comes before the repair, as hard as there is time for."""

import numpy as np
import pytest

from availability.model import IntArray
from router.optimize.batch.engines import engine
from router.optimize.batch.engines.engine import LOCAL
from router.optimize.batch.limits import DEFAULT, Watch, silent
from router.optimize.batch.pricing.nodes import EXACT_NODES
from router.optimize.batch.problem import BatchProblem
from router.optimize.batch.proof.proof import Proof, prove
from router.optimize.batch.scarcity.prices import nothing
from router.optimize.batch.scarcity.shortage import Shortage
from router.optimize.batch.solve import Progress, solve_batch
from tests.router.optimize.batch.joint import small
from tests.router.optimize.batch.test_solve import QUICK


class Left(Watch):
    """A watch that finds so much time left, time after time, then none."""

    def __init__(self, *left: float, is_cancelled: bool = False) -> None:
        super().__init__(DEFAULT, silent, lambda: is_cancelled)
        self._left = list(left)

    def left(self, _share: float = 1.0) -> float:
        return self._left.pop(0) if self._left else 0.0


AMPLE = 1e9
STEPS = 5


@pytest.fixture
def _steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "CHUNK", 15)


def proven(watch: Watch) -> Proof:
    problem = small(1, orders=60)
    prices = nothing(problem.stock.shape)
    return prove(problem, LOCAL, prices, Shortage(np.zeros(0, np.int64)), watch)


@pytest.mark.usefixtures("_steps")
@pytest.mark.parametrize(
    ("watch", "nodes"),
    [
        (Left(*[AMPLE] * STEPS), EXACT_NODES),
        # The first step is always tried; then the rest is foreseen.
        (Left(0.0, 0.0, *[AMPLE] * STEPS), 16),
        (Left(AMPLE, AMPLE, 0.0, *[AMPLE] * STEPS), 16),
        (Left(), 2),
        (Left(*[AMPLE] * 9, is_cancelled=True), 2),
    ],
)
def test_as_many_nodes_as_there_is_time_for(watch: Watch, nodes: int) -> None:
    proof = proven(watch)

    assert proof.certificate.nodes == nodes
    assert (proof.costs.cheapest > 0).all()


def test_a_small_problem_is_always_proven() -> None:
    """It is one step, and there is nothing to foresee it by."""
    assert proven(Left()).certificate.nodes == EXACT_NODES


@pytest.mark.parametrize("seed", range(3))
def test_repair_has_the_bound_of_the_answer(seed: int) -> None:
    told: list[Progress] = []
    solution = solve_batch(small(seed, orders=60), QUICK, told.append)
    phases = list(dict.fromkeys(each.phase for each in told))
    bounds = {each.bound for each in told if each.phase == "repair"}

    assert phases.index("rounding") < phases.index("proof") < phases.index("repair")
    assert bounds == {solution.levels[1].bound}


def test_who_cancels_a_repair_waits_for_no_proof() -> None:
    phases: list[str] = []
    asked_in: set[str] = set()

    def repairing() -> bool:
        return "repair" in phases

    class Heard(engine.Local):
        def pricer(self, problem: BatchProblem, orders: IntArray) -> engine.OrderPricer:
            asked_in.add(phases[-1])
            return super().pricer(problem, orders)

    def tell(step: Progress) -> None:
        phases.append(step.phase)

    problem = small(3, orders=60)
    solution = solve_batch(problem, QUICK, tell, repairing, Heard())

    assert phases[-1] == "done"
    assert "proof" in asked_in
    assert asked_in.isdisjoint(phases[phases.index("repair") :])
    assert solution.certificate.nodes == EXACT_NODES
