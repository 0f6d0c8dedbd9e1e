"""Lightspeed X-Series (seed 002): the outlets that are ticked; section C1.

Its worked table, C2, is of routing: tests/compliance/test_routing.py.
"""

import pytest

from availability.setup.channels import SupplyRule
from tests.availability.offers.worlds import ids, one

SHIRTS = {"montreal": 10, "sherbrooke": 0, "laval": 15}
SHOES = {"montreal": 5, "sherbrooke": 10, "laval": 10}
HATS = {"montreal": 3, "sherbrooke": 10, "laval": 10}


@pytest.mark.parametrize(
    ("stock", "ticked", "quantity_units", "single_location_units"),
    [
        (SHIRTS, ("montreal", "sherbrooke", "laval"), 25, 15),
        (SHIRTS, ("montreal", "sherbrooke"), 10, 10),
        (SHIRTS, ("sherbrooke",), 0, 0),
        (HATS, ("montreal", "sherbrooke"), 13, 10),
        (HATS, ("montreal", "laval"), 13, 10),
        (SHOES, ("montreal", "sherbrooke", "laval"), 25, 10),
        (SHOES, ("montreal",), 5, 5),
    ],
)
def test_c1_the_sum_of_the_ticked_outlets(
    stock: dict[str, int],
    ticked: tuple[str, ...],
    quantity_units: int,
    single_location_units: int,
) -> None:
    offer = one(stock, rules=[SupplyRule(include_ids=ids(*ticked))])

    assert offer.quantity_units == quantity_units
    assert offer.single_location_units == single_location_units


def test_c1_an_outlet_that_is_not_ticked_changes_nothing() -> None:
    rule = SupplyRule(include_ids=ids("montreal"))

    assert one(SHIRTS, rules=[rule]) == one({**SHIRTS, "laval": 99}, rules=[rule])


@pytest.mark.parametrize(
    ("units", "passes"), [(10, True), (11, True), (13, True), (14, False)]
)
def test_c3_what_lies_apart_is_sold_and_the_answer_says_so(
    units: int, passes: bool
) -> None:
    """The sum is sellable, though more than 10 hats need two parcels; not one more,
    where the vendor's default oversells.
    """
    offer = one(HATS, rules=[SupplyRule(include_ids=ids("montreal", "sherbrooke"))])

    assert (offer.refusal(units) is None) is passes
    assert offer.single_location_units == 10
