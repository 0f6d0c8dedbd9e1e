import numpy as np

from availability.model import IntArray
from router.optimize.batch.engines.engine import LOCAL, OrderPricer
from router.optimize.batch.pricing.nodes import EXACT_NODES
from router.optimize.batch.pricing.pricing import Patterns, Pricer
from router.optimize.batch.problem import BatchProblem
from router.optimize.batch.solve import BatchLimits, solve_batch
from tests.router.optimize.batch.joint import small

QUICK = BatchLimits(rounds=5, neighbourhoods=30, size=30)


class Halves:
    """Prices every other order apart, and the later half first."""

    def __init__(self) -> None:
        self.asked = 0

    def pricer(self, problem: BatchProblem, orders: IntArray) -> OrderPricer:
        parts = [Pricer(problem, orders[1::2]), Pricer(problem, orders[::2])]
        engine = self

        class Both:
            def price(
                self,
                stock: IntArray,
                price: IntArray,
                fixed: IntArray,
                nodes: int = EXACT_NODES,
            ) -> Patterns:
                engine.asked += 1
                one, two = (part.price(stock, price, fixed, nodes) for part in parts)
                two = two._replace(pattern=two.pattern + len(one.order))
                return Patterns(
                    *(np.concatenate(p) for p in zip(one, two, strict=True))
                )

        return Both()


def test_the_answer_does_not_depend_on_where_orders_are_priced() -> None:
    problem = small(7, orders=60)
    engine = Halves()
    here, there = (
        solve_batch(problem, QUICK),
        solve_batch(problem, QUICK, engine=engine),
    )
    assert there.certificate == here.certificate
    assert engine.asked > 3


def test_local_prices_as_the_pricer_does() -> None:
    problem = small(1)
    orders = np.arange(problem.orders)
    price, fixed = np.zeros_like(problem.stock), np.full(5, 2**20)
    here = LOCAL.pricer(problem, orders).price(problem.stock, price, fixed)
    there = Pricer(problem, orders).price(problem.stock, price, fixed)
    assert all(np.array_equal(a, b) for a, b in zip(here, there, strict=True))


def test_a_bound_does_not_depend_on_who_is_priced_together() -> None:
    rng = np.random.default_rng(0)
    demand = np.tile([1, 1, 1, 2, 2, 1], 30)
    problem = BatchProblem(
        stock=rng.integers(0, 2, (12, 6)),
        start=np.arange(0, len(demand) + 1, 6),
        sku=np.concatenate([rng.choice(12, 6, replace=False) for _ in range(30)]),
        demand=demand,
        split_line_weight=1,
    )
    price = rng.integers(0, 2**19, problem.stock.shape)
    fixed = np.full(6, 2**20)
    together = Pricer(problem, np.arange(30)).price(problem.stock, price, fixed)
    value = dict(zip(together.order.tolist(), together.value.tolist(), strict=True))
    for order in range(30):
        alone = Pricer(problem, np.array([order]))
        assert alone.price(problem.stock, price, fixed).value[0] == value[order]
