import numpy as np
import pytest

from benchmarks.batch.answers import EXACT, JOINT, answer
from benchmarks.batch.instances import problem_of
from benchmarks.batch.measures import Worth, gap_percent, removed_percent, worth
from benchmarks.batch.table import COLUMNS, Row, Section, markdown, section
from router.optimize.batch.problem import BatchPlan, BatchProblem

TINY = BatchProblem(
    stock=np.array([[1, 1], [1, 1]]),
    start=np.array([0, 2, 3]),
    sku=np.array([0, 1, 0]),
    demand=np.array([1, 1, 1]),
)


def test_a_plan_is_counted_by_hand() -> None:
    split = BatchPlan.of([(0, 0, 1), (1, 1, 1), (2, 1, 1)])
    assert worth(TINY, split) == Worth(3, 1, 3, 0)
    # An order that is not whole is incomplete, and counts as no split.
    partial = BatchPlan.of([(0, 0, 1), (2, 1, 1)])
    assert worth(TINY, partial) == Worth(2, 0, 2, 1)


def test_a_plan_that_is_not_allowed_has_no_worth() -> None:
    with pytest.raises(AssertionError, match="has 1"):
        worth(TINY, BatchPlan.of([(0, 0, 1), (2, 0, 1)]))


def test_percents() -> None:
    assert gap_percent(105, 100) == 5.0
    assert removed_percent(100, 120, 115) == 25.0
    assert removed_percent(100, 100, 100) == 0.0


def test_what_a_section_says() -> None:
    rows = (
        Row(EXACT, Worth(120, 15, 300, 0), 9.09, 2.0, 1.9, 250_000_000),
        Row(JOINT, Worth(112, 10, 300, 0), 1.82, 61.25, 60.0, 1_250_000_000),
        Row("walk", Worth(90, 9, 280, 4), None, 0.1, 0.1, 0),
    )
    found = Section("tight-1k-0", 100, 2.44, 110, rows)
    lines = list(markdown(found))
    assert lines[0].startswith("tight-1k-0: 100 orders, stock/demand 2.4, at least 110")
    assert "saves 40.0 % of" in lines[0]
    assert "no plan saves more than 50.0 %" in lines[0]
    assert lines[2].count("|") == len(COLUMNS) + 1
    assert lines[5] == "| joint | 112 | 10 | 300 | 0 | 1.82 | 61.2 | 60.0 | 1,250 |"
    assert lines[6] == "| walk | 90 | 9 | 280 | 4 | - | 0.1 | 0.1 | 0 |"


def test_a_section_holds_each_method_and_a_bound_below_all() -> None:
    found = section("deep-1k-0", 20.0, methods=[EXACT, "priority walk"])
    by_method = {row.method: row for row in found.rows}
    assert by_method[JOINT].worth.shipments <= by_method[EXACT].worth.shipments
    assert all(row.worth.shipments >= found.bound for row in found.rows)
    units = problem_of("deep-1k-0").demand.sum()
    assert {row.worth.units for row in found.rows} == {units}


def test_memory_is_that_of_the_process_that_answers() -> None:
    found = answer("tight-1k-0", "priority walk", 0)
    # The interpreter, numpy and OR-Tools take some 100 MB.
    assert found.peak_bytes == 0 or 10**7 < found.peak_bytes < 10**9
