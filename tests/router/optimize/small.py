"""Short construction of problems by hand: rows are lines, columns locations."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from router.optimize.problem import SourcingProblem
from router.policies import PRESETS


def world(
    demand: Sequence[int],
    stock: Sequence[Sequence[int]],
    policy: str = "single-location-first",
    **changes: Any,
) -> SourcingProblem:
    """Return a problem of ordinary lines, one SKU each."""
    facts: dict[str, Any] = {
        "available": np.array(stock, np.int64).reshape(len(demand), -1),
        "demand": tuple(demand),
        "bom": tuple(((line, 1),) for line in range(len(demand))),
        "objectives": PRESETS[policy].objectives,
    }
    return SourcingProblem(**(facts | changes))
