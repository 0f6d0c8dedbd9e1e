"""The check of holds can fail: it finds each lie."""

import itertools
from contextlib import closing
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as driver

from availability.ledger.open import open_ledger
from benchmarks.faults.holds import check_holds
from tests.availability.ledger.world import ref, reservation, stocked, swap


@pytest.fixture
def swapped(sqlite: str) -> str:
    """A unit of x that was promised at a, and then at b.

    Each time the clock is read it is a second later: movements of one time are one
    transaction's, and a fast machine does both in one millisecond.
    """
    seconds = itertools.count(1_800_000_000)
    with closing(open_ledger(sqlite, lambda: float(next(seconds)))) as ledger:
        stocked(ledger, {("a", "x"): 1, ("b", "x"): 1})
        ledger.reserve(reservation("1", ("a", "x", 1)))
        ledger.swap_together([(ref("1"), swap(0, [("a", "x", 1)], [("b", "x", 1)]))])
    return sqlite


def order_of(database: str) -> str:
    with closing(open_ledger(database)) as ledger:
        return ledger.reservation(ref("1")).order_id


def test_the_truth_is_no_breach(swapped: str) -> None:
    found = check_holds(swapped, {order_of(swapped): 1})

    assert found.breaches == []
    assert (found.orders, found.live, found.swaps) == (1, 1, 1)


@pytest.mark.parametrize(
    ("lie", "breach"),
    [
        ("UPDATE movement SET allocated = 0 WHERE cause = 'rerouted'", "two holds"),
        ("UPDATE movement SET on_hand = 0 WHERE cause = 'imported'", "oversold"),
        ("UPDATE stock SET on_hand = 0, deficit = allocated", "oversold"),
        ("UPDATE stock SET allocated = 0", "audit"),
        ("UPDATE plan SET state = 'shipped'", "shipped, 1"),
    ],
)
def test_a_lie_is_found(swapped: str, lie: str, breach: str) -> None:
    order_id = order_of(swapped)
    path = Path(swapped.removeprefix("sqlite:///"))
    with closing(driver.connect(str(path))) as db:
        assert db.execute(lie).rowcount > 0
        db.commit()

    breaches = check_holds(swapped, {order_id: 1}).breaches

    assert any(breach in each for each in breaches), breaches


def test_what_was_answered_must_be_open(swapped: str) -> None:
    order_id = order_of(swapped)

    assert check_holds(swapped, {order_id: 2}).breaches == [
        f"{order_id}: 1 open, not 2"
    ]
