"""One method's answer to one instance, in a process of its own: its memory shows."""

import multiprocessing
import re
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from benchmarks.batch import walks
from benchmarks.batch.instances import problem_of
from router.optimize.batch.plans.greedy import order_by_order
from router.optimize.batch.problem import BatchPlan
from router.optimize.batch.proof.certificate import Certificate
from router.optimize.batch.solve import BatchLimits, solve_batch

JOINT = "joint"
EXACT = "order by order, exact"

METHODS = {
    "priority walk": walks.priority,
    "nearest walk": walks.nearest,
    "highest stock walk": walks.highest_stock,
    "nearest whole, else walk": walks.whole_first,
    "coverage, asked once": walks.coverage,
    "re-ranked greedy": walks.reranked,
    EXACT: order_by_order,
}
"""What answers without a proof: in the table's order, and then `JOINT`."""

NEIGHBOURHOODS = 1_000
"""Most neighbourhoods of a joint run: where work and not the clock ends it."""


class Answer(NamedTuple):
    """A plan, what proves it if anything does, and what it took.

    ``peak_bytes`` is the most memory of the whole process, the instance and the
    libraries included; 0 where the system does not say.
    """

    plan: BatchPlan
    certificate: Certificate | None
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int


def answer(name: str, method: str, wall_seconds: float) -> Answer:
    """Return a method's answer; only `JOINT` looks at ``wall_seconds``.

    Raises
    ------
    EOFError
        The process died.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(theirs, name, method, wall_seconds))
    process.start()
    theirs.close()
    try:
        found: Answer = ours.recv()
    finally:
        process.join()
    return found


def _tell(pipe: Connection, name: str, method: str, wall_seconds: float) -> None:
    problem = problem_of(name)
    certificate = None
    wall, cpu = time.monotonic(), time.process_time()
    if method == JOINT:
        limits = BatchLimits(wall_seconds=wall_seconds, neighbourhoods=NEIGHBOURHOODS)
        plan, _, certificate = solve_batch(problem, limits)
    else:
        plan = METHODS[method](problem)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    pipe.send(Answer(plan, certificate, wall, cpu, _peak_bytes()))


def _peak_bytes() -> int:
    """Return the most memory of this process; `getrusage` would add its parent's."""
    status = Path("/proc/self/status")
    text = status.read_text() if status.exists() else ""
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    return int(found[1]) * 1024 if found else 0
