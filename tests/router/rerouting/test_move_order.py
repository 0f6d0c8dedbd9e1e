"""The order of moves: each finds what it needs, circles go together."""

from collections import Counter
from collections.abc import Iterable

from availability.ledger.protocol import MAX_TOGETHER
from availability.model import LocationId, Sku
from availability.reservations import Cause, Claim, PlanRef, Swap
from router.rerouting.move_order import MAX_CIRCLE, sequence
from router.rerouting.moves import Move

At = tuple[str, int]


def move(name: str, gives: Iterable[At], takes: Iterable[At]) -> Move:
    """Move units of one SKU: (location, units)."""
    swap = Swap(0, _claims(gives), Cause.REROUTED, _claims(takes), b"", b"")
    return Move(PlanRef(name), name, swap, {}, 0, 0)


def _claims(units: Iterable[At]) -> tuple[Claim, ...]:
    return tuple(Claim(LocationId(at), Sku("x"), quantity=n) for at, n in units)


class Stock:
    """What is available; moves are done on it."""

    def __init__(self, **units: int) -> None:
        self.units = Counter(units)

    def available(self, at: LocationId, _: Sku) -> int:
        return self.units[at]

    def run(self, moves: list[Move], failing: str = "") -> list[str]:
        """Do all that can be done; return the groups by their names."""
        groups = []
        for group in sequence(moves, self.available):
            names = "+".join(sorted(each.order_id for each in group))
            groups.append(names)
            if names == failing:
                continue
            for each in group:
                for claim in each.swap.released:
                    self.units[claim.location_id] += claim.quantity
                for claim in each.swap.claims:
                    self.units[claim.location_id] -= claim.quantity
            assert min(self.units.values(), default=0) >= 0
        return groups


A_TO_B = move("1", [("a", 1)], [("b", 1)])
B_TO_C = move("2", [("b", 1)], [("c", 1)])
C_TO_A = move("3", [("c", 1)], [("a", 1)])


def test_who_gives_up_comes_before_who_takes() -> None:
    assert Stock(c=1).run([A_TO_B, B_TO_C]) == ["2", "1"]


def test_a_circle_goes_together() -> None:
    assert Stock().run([A_TO_B, B_TO_C, C_TO_A]) == ["1+2+3"]


def test_a_unit_to_spare_opens_the_circle() -> None:
    assert Stock(b=1).run([A_TO_B, B_TO_C, C_TO_A]) == ["1", "3", "2"]


def test_what_can_not_be_done_is_left() -> None:
    assert Stock().run([A_TO_B, B_TO_C]) == []


def test_who_fails_is_not_tried_again() -> None:
    assert Stock(c=1).run([A_TO_B, B_TO_C], failing="2") == ["2"]


def test_one_may_give_to_many() -> None:
    two = move("two", [("a", 2)], [("b", 1), ("c", 1)])
    left = move("left", [("b", 1)], [("a", 1)])
    right = move("right", [("c", 1)], [("a", 1)])
    assert Stock().run([two, left, right]) == ["left+right+two"]


def test_circles_have_a_limit() -> None:
    def circle(size: int) -> list[Move]:
        return [
            move(str(n), [(f"p{n}", 1)], [(f"p{(n + 1) % size}", 1)])
            for n in range(size)
        ]

    (group,) = Stock().run(circle(MAX_CIRCLE))
    assert group.count("+") == MAX_CIRCLE - 1
    assert Stock().run(circle(MAX_CIRCLE + 1)) == []
    assert MAX_CIRCLE <= MAX_TOGETHER


def test_a_deficit_is_not_taken_from() -> None:
    # Three are promised of nothing: one that is given up is not there for another.
    stock = Stock(a=-3)
    groups = list(sequence([C_TO_A], stock.available))
    assert groups == []
