"""What every step of one joint run needs."""

from typing import NamedTuple

from router.optimize.batch.engines.engine import Engine
from router.optimize.batch.limits import BatchLimits, Watch
from router.optimize.batch.problem import BatchProblem


class BatchContext(NamedTuple):
    """One problem, its limits, its observer, and the engine that prices orders."""

    problem: BatchProblem
    limits: BatchLimits
    watch: Watch
    engine: Engine
