"""One order: our engine, a straightforward CP-SAT model and the greedy.

Every round takes the next of a fixed list of drawn orders. What is asserted: ours
is allowed by `check`; its objective vector is the stored one, where the engine
proves it; the straightforward model agrees on units, split lines and locations;
the greedy is never better. `REPARTIR_STORE=1` stores the vectors again.
"""

import itertools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _pytest.mark import ParameterSet
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks import straightforward
from benchmarks.instances import SHAPES, SIZES, checksum, draw
from router.model import ObjectiveValue
from router.optimize.limits import SolveLimits
from router.optimize.problem import Piece, Solution, SourcingProblem, check
from router.optimize.score import judge, key_of
from router.optimize.solve import solve
from router.optimize.walk import greedy

STORED = Path(__file__).parent / "engine_optima.json"
LIMITS = SolveLimits(wall_seconds=1.5)
_WIDE = 2000 * 40
_DEAR = ("sparse", 500, 20)
"""The straightforward model solves this one only when it is measured."""


def _cases(below: int = _WIDE + 1) -> list[ParameterSet]:
    """Return every shape and size with fewer cells than ``below``."""
    return [
        pytest.param(shape, n, k, id=f"{shape}-{n}x{k}")
        for shape in SHAPES
        for n, k in SIZES
        if n * k < below
    ]


def _count(locations: int, lines: int) -> int:
    return 20 if locations * lines >= _WIDE else 200


def _vector(values: tuple[ObjectiveValue, ...]) -> list[tuple[str, int]]:
    """Return the components that are proven, up to the first that is not."""
    return [
        (each.name, each.value)
        for each in itertools.takewhile(lambda each: each.proven, values)
    ]


def _percentiles(benchmark: BenchmarkFixture, **more: Any) -> None:
    if benchmark.stats is None:
        return
    times = np.array(benchmark.stats.stats.data)
    p50, p99 = np.percentile(times, [50, 99]) * 1e6
    benchmark.extra_info.update(p50_micros=float(p50), p99_micros=float(p99), **more)


@pytest.mark.parametrize(("shape", "locations", "lines"), _cases())
def test_ours(
    benchmark: BenchmarkFixture, shape: str, locations: int, lines: int
) -> None:
    problems = draw(shape, locations, lines, _count(locations, lines))
    turn = itertools.cycle(problems)
    hard = shape == "sparse" and locations * lines >= _WIDE
    rounds = len(problems) if hard else max(len(problems), 400)
    benchmark.pedantic(
        lambda problem: solve(problem, LIMITS),
        setup=lambda: ((next(turn),), {}),
        rounds=rounds,
        warmup_rounds=3,
    )
    checked = problems[:3] if hard else problems
    solutions = [solve(problem, LIMITS) for problem in checked]
    values = []
    for problem, solution in zip(checked, solutions, strict=True):
        assert check(problem, solution.pieces) == []
        values.append(judge(problem, solution))
    _assert_stored(f"{shape}-{locations}x{lines}", problems, values, hard)
    _percentiles(
        benchmark,
        proven_share=sum(all(each.proven for each in v) for v in values) / len(values),
        engines=sorted({solution.engine for solution in solutions}),
        shipments=sum(_named(v, "shipments") for v in values) / len(values),
        greedy_worse_share=_greedy_worse(checked, solutions),
    )


def _named(values: tuple[ObjectiveValue, ...], name: str) -> int:
    return next(each.value for each in values if each.name == name)


def _greedy_worse(problems: list[SourcingProblem], solutions: list[Solution]) -> float:
    """Return the share of orders whose greedy plan is worse than ours."""
    worse = 0
    for problem, solution in zip(problems, solutions, strict=True):
        pieces = greedy(problem)
        ours = key_of(problem, solution.pieces)
        theirs = key_of(problem, pieces)
        assert ours[:3] <= theirs[:3]
        worse += theirs > ours
    return worse / len(problems)


def _assert_stored(
    case: str,
    problems: list[SourcingProblem],
    values: list[tuple[ObjectiveValue, ...]],
    hard: bool,
) -> None:
    """Compare with the stored optima; hard cases up to shipments, which is proven."""
    vectors = [_vector(v)[:3] if hard else _vector(v) for v in values]
    assert all(len(vector) >= 3 for vector in vectors)
    if not hard:
        assert all(each.proven for v in values for each in v)
    optima = [[value for _, value in vector] for vector in vectors]
    stored = json.loads(STORED.read_text()) if STORED.exists() else {}
    if os.environ.get("REPARTIR_STORE"):
        stored[case] = {"drawn": checksum(problems), "optima": optima}
        _store(stored)
    assert stored[case]["drawn"] == checksum(problems)
    wrong = {
        f"{case}, order {number}": (dict(vector), known)
        for number, (vector, known) in enumerate(
            zip(vectors, stored[case]["optima"], strict=True)
        )
        if [value for _, value in vector] != known
    }
    assert not wrong


def _store(stored: dict[str, Any]) -> None:
    """Write each case on a line of its own."""
    rows = [
        f"{json.dumps(case)}: {json.dumps(stored[case])}" for case in sorted(stored)
    ]
    STORED.write_text("{\n" + ",\n".join(rows) + "\n}\n")


@pytest.mark.parametrize(("shape", "locations", "lines"), _cases())
def test_greedy(
    benchmark: BenchmarkFixture, shape: str, locations: int, lines: int
) -> None:
    """The re-ranked greedy: what a careful walk costs; nothing is proven."""
    problems = draw(shape, locations, lines, 20)
    turn = itertools.cycle(problems)
    pieces: tuple[Piece, ...] = benchmark.pedantic(
        greedy, setup=lambda: ((next(turn),), {}), rounds=200, warmup_rounds=3
    )
    assert pieces
    _percentiles(benchmark)


@pytest.mark.parametrize(("shape", "locations", "lines"), _cases(below=_WIDE))
def test_straightforward_cp_sat(
    benchmark: BenchmarkFixture, shape: str, locations: int, lines: int
) -> None:
    """The model one would write first, on the first of the same orders."""
    if benchmark.disabled and (shape, locations, lines) == _DEAR:
        pytest.skip("a third of a minute of it, and nothing is measured")
    problems = draw(shape, locations, lines, 3)
    answers: list[tuple[SourcingProblem, straightforward.Answer]] = []
    turn = itertools.cycle(problems)
    benchmark.pedantic(
        lambda problem: answers.append((problem, straightforward.solve(problem))),
        setup=lambda: ((next(turn),), {}),
        rounds=len(problems),
    )
    _percentiles(benchmark)
    for problem, theirs in answers:
        ours = judge(problem, solve(problem, LIMITS))
        if theirs.proven:
            assert [each.value for each in ours[:3]] == list(theirs[:3])
