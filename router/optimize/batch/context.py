"""What every step of one joint run needs."""

from typing import NamedTuple

from router.optimize.batch.engines.engine import Engine
from router.optimize.batch.limits import BatchLimits, Watch
from router.optimize.batch.problem import BatchProblem


class BatchContext(NamedTuple):
    """One problem, when to stop, who is watching, and where orders are priced."""

    problem: BatchProblem
    limits: BatchLimits
    watch: Watch
    engine: Engine
