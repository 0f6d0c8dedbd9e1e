"""Write what is stored of instances.

``python -m benchmarks.batch.store --checksums`` draws all of them, which takes some
minutes. ``python -m benchmarks.batch.store --seconds 300 tight-10k-0`` answers some
jointly and keeps each plan's value and each bound that is better than the stored one,
with the commit, the seconds and the engine that found it.
"""

import argparse
from typing import Any

from benchmarks.batch import facts
from benchmarks.batch.answers import EXACT, JOINT, Answer, answer
from benchmarks.batch.generator import checksum
from benchmarks.batch.instances import (
    CHECKSUMS,
    RESULTS,
    all_names,
    problem_of,
    store,
    stored,
)
from benchmarks.batch.measures import proven, worth
from router.optimize.batch.problem import BatchProblem
from router.optimize.batch.proof.certificate import LevelValue


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--checksums", action="store_true")
    parser.add_argument("--seconds", type=float, default=120.0)
    chosen = parser.parse_args()
    if chosen.checksums:
        drawn = {name: checksum(problem_of(name)) for name in all_names()}
        store(CHECKSUMS, drawn)
    for name in chosen.names:
        print(name, _answered(name, chosen.seconds), flush=True)


def _answered(name: str, seconds: float) -> dict[str, Any]:
    """Answer, store what is better, and return all that is known."""
    problem = problem_of(name)
    joint = answer(name, JOINT, seconds)
    level = proven(problem, joint)
    known = stored(RESULTS).get(name, {}).get("order_by_order")
    if known is None:
        known = worth(problem, answer(name, EXACT, seconds).plan).shipments
    return keep(name, problem, joint, level, known)


def keep(
    name: str, problem: BatchProblem, joint: Answer, level: LevelValue, before: int
) -> dict[str, Any]:
    """Store what is better, and return all that is known.

    ``level`` is what `proven` found, ``before`` the shipments order by order.

    Raises
    ------
    AssertionError
        The instance is not the one whose results are stored, or an order waits: its
        shipments do not compare.
    """
    assert checksum(problem) == stored(CHECKSUMS)[name]
    assert not worth(problem, joint.plan).incomplete_orders
    details = {
        "engine": JOINT,
        "commit": facts.commit(),
        "wall_seconds": round(joint.wall_seconds, 1),
        "cpu_seconds": round(joint.cpu_seconds, 1),
    }
    known = stored(RESULTS)
    found = better(
        known.get(name, {}),
        {"shipments": level.value, **details},
        {"shipments": level.bound, **details},
    )
    found |= {"orders": problem.orders, "order_by_order": before}
    store(RESULTS, {**known, name: found})
    return found


def better(
    known: dict[str, Any], primal: dict[str, Any], bound: dict[str, Any]
) -> dict[str, Any]:
    """Return what is known once a plan's value and a bound were found too."""
    found = dict(known)
    if "primal" not in known or primal["shipments"] < known["primal"]["shipments"]:
        found["primal"] = primal
    if "bound" not in known or bound["shipments"] > known["bound"]["shipments"]:
        found["bound"] = bound
    return found


if __name__ == "__main__":
    main()
