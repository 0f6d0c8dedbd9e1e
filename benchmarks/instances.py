"""Seeded single orders: locations x lines, in three shapes of stock.

``one``: ten distribution centres (DCs) and stores; some location holds the whole
order. ``dcs``: the same, and none does. ``sparse``: every location holds a few
lines at random, and none the whole order.

`checksum` shows whether the drawn instances are those of the stored results:
numpy may change its streams between releases (NEP 19).
"""

import hashlib
from collections.abc import Iterator

import numpy as np

from router.optimize.problem import SourcingProblem
from router.optimize.proofs.single import whole_order_fits
from router.policies import DEFAULT, PRESETS

SIZES = (
    (3, 3),
    (20, 3),
    (50, 5),
    (200, 5),
    (200, 10),
    (500, 20),
    (2000, 5),
    (2000, 40),
)
"""Locations x lines."""

SHAPES = ("one", "dcs", "sparse")

_DCS = 10
_DC_FILL = 0.7
_STORE_FILL = 0.03
_SPARSE_FILL = {3: 0.5, 20: 0.35, 50: 0.2, 200: 0.08, 500: 0.05, 2000: 0.03}
"""Share of locations that hold a line, by number of locations: thinner in larger
networks, so that a line has tens of holders and not hundreds."""
_MOST_UNITS = 4
_MOST_ORDERED = 3


def draw(
    shape: str, locations: int, lines: int, count: int, policy: str = DEFAULT
) -> list[SourcingProblem]:
    """Return ``count`` problems of one shape and size, always the same ones."""
    seed = [SHAPES.index(shape), locations, lines]
    stream = _stream(np.random.default_rng(seed), shape, locations, lines, policy)
    return [next(stream) for _ in range(count)]


def _stream(
    rng: np.random.Generator, shape: str, locations: int, lines: int, policy: str
) -> Iterator[SourcingProblem]:
    if shape == "sparse":
        fill = np.full(locations, _SPARSE_FILL[locations])
    else:
        dcs = min(_DCS, max(1, locations // 5))
        fill = np.where(np.arange(locations) < dcs, _DC_FILL, _STORE_FILL)
    while True:
        held = rng.random((lines, locations)) < fill
        stock = rng.integers(1, _MOST_UNITS + 1, size=(lines, locations)) * held
        demand = rng.integers(1, _MOST_ORDERED + 1, size=lines)
        if shape == "one":
            # A DC that could ship all of it, at a random place among them.
            chosen = int(rng.integers(0, min(_DCS, locations)))
            stock[:, chosen] = np.maximum(stock[:, chosen], demand)
        problem = SourcingProblem(
            available=stock.astype(np.int64),
            demand=tuple(demand.tolist()),
            bom=tuple(((line, 1),) for line in range(lines)),
            objectives=PRESETS[policy].objectives,
        )
        if bool(whole_order_fits(problem).any()) == (shape == "one"):
            yield problem


def checksum(problems: list[SourcingProblem]) -> str:
    """Return a short hash of the stock and demand of the problems."""
    digest = hashlib.sha256()
    for problem in problems:
        digest.update(problem.available.astype("<i8").tobytes())
        digest.update(repr(problem.demand).encode())
    return digest.hexdigest()[:16]
