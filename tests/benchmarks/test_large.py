import numpy as np

from benchmarks.batch.large import Alone, branched, largest, routed, row


def test_a_basket_alone_by_hand() -> None:
    # Lines 0 and 1 are together at location 1; only location 2 has line 2.
    stock = np.array([[1, 1, 0], [0, 2, 2], [0, 0, 1]])
    for answered in (routed, branched):
        found = answered(stock, np.array([1, 2, 1]))
        assert found.lines == 3
        assert found.shipments == found.bound == 2


def test_baskets_add_up() -> None:
    found = [
        Alone(100, "x", 16, 16, 1.0, 0.5),
        Alone(120, "x", 20, 14, 2.0, 1.5),
    ]
    assert row("x", found) == "| x | 2 | 36 | 30 | 1 | 1.50 s | 2.00 s | 1.00 s |"


def test_the_largest_basket_has_161_lines_and_can_ship() -> None:
    found = list(largest(150, [22, 24]))
    assert len(found) == 2
    assert max(len(demand) for _, demand in found) == 161
    for stock, demand in found:
        assert stock.shape == (len(demand), 457)
        assert (stock.sum(axis=1) >= demand).all()
