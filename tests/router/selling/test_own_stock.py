"""Orders that hold something already, as arrays: worked by hand."""

from collections.abc import Iterable, Mapping

from availability.memory_stock import MemoryStock
from availability.model import LocationId, Sku
from router.model import Order, RoutingPolicy
from router.optimize.problem import Piece
from router.planning.build import Built, build
from router.planning.candidates import CandidateFinder
from router.policies import DEFAULT, PRESETS
from router.stored_plans import OwnStock
from tests.builders import SEED, built, line, order, picked, policy, stock


def anew(
    wanted: Order,
    shelf: MemoryStock,
    held: Mapping[tuple[str, str], int],
    gone: Iterable[tuple[str, str]] = (),
    by: RoutingPolicy = PRESETS[DEFAULT],
) -> Built:
    own = OwnStock(
        {(LocationId(at), Sku(sku)): units for (at, sku), units in held.items()},
        frozenset((LocationId(at), Sku(sku)) for at, sku in gone),
    )
    grid, capacities = shelf.grid(), shelf.capacity_left()
    found = CandidateFinder().find(wanted, by, grid.network, capacities)
    return build(wanted, by, found, grid, capacities, own)


def test_an_orders_own_units_are_added_to_what_is_read() -> None:
    wanted = order("hat:9", "shoes", frozen=(picked("hat", "laval", 4),))

    found = anew(wanted, stock(SEED), {("laval", "hat"): 4})

    assert found.problem.available.tolist() == [[3, 10, 14], [5, 10, 10]]
    assert found.problem.frozen == (Piece(2, 0, 4),)


def test_the_floor_is_kept_beside_an_orders_own_units() -> None:
    wanted = order("hat:9", frozen=(picked("hat", "montreal", 2),))

    found = anew(
        wanted,
        stock(SEED),
        {("montreal", "hat"): 2},
        by=policy(routing_floor_units=3),
    )

    # Three are there and three stay: the two are the order's own.
    assert found.problem.available.tolist() == [[2, 7, 7]]


def test_what_is_gone_is_not_offered_to_another_line() -> None:
    wanted = order(
        "hat:4",
        line("hat:2", line_id="more"),
        frozen=(picked("more", "laval", 1),),
        rejected=frozenset([("hat", "laval")]),
    )

    found = anew(wanted, stock(SEED), {("laval", "hat"): 1}, [("laval", "hat")])

    # Ten show at Laval; all that is left there is what the other line holds.
    assert found.problem.available.tolist() == [[3, 10, 1]]
    assert found.stock.tolist() == [[3, 10, 1]]


def test_an_orders_own_units_have_their_share_of_the_capacity() -> None:
    shelf = stock(SEED, laval={"capacity_units": 2})
    wanted = order("hat:9", frozen=(picked("hat", "laval", 4),))

    found = anew(wanted, shelf, {("laval", "hat"): 4})

    # Two more may leave today, beside the four that were counted already.
    assert found.problem.capacity_units is not None
    assert found.problem.capacity_units[2] == 6


def test_who_refused_the_rest_of_what_it_picked_ships_that_and_no_more() -> None:
    wanted = order(
        "hat:9",
        "shoes",
        frozen=(picked("hat", "laval", 4),),
        rejected=frozenset([("hat", "laval")]),
    )

    found = built(wanted, stock(SEED))

    assert found.candidates.pinned == {2}
    assert found.problem.available.tolist() == [[3, 10, 4], [5, 10, 0]]
    assert found.problem.allowed is None
    assert found.problem.frozen == (Piece(2, 0, 4),)
