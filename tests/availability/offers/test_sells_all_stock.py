"""Routing computes no offer where a channel may sell all stock: when that is."""

from dataclasses import fields, replace
from typing import Any

import pytest

from availability.model import LocationId, LocationKind
from availability.offers.all_stock import sells_all_stock
from availability.setup.channels import SupplyRule
from availability.setup.settings import (
    FIELDS,
    Backorders,
    CustomerLimit,
    Effective,
    Preorder,
    Settings,
)
from tests.availability.offers.worlds import NOTHING, NOW_SECONDS, one, place

VALUES: dict[str, Any] = {
    "managed": False,
    "backorders": Backorders.ALLOW,
    "out_of_stock_threshold_units": 3,
    "preorders": (Preorder(9, NOW_SECONDS + 5),),
    "availability_threshold_units": 4,
    "publication_threshold_units": 3,
    "low_units": 3,
    "notify_units": 3,
    "min_units": 2,
    "max_units": 5,
    "multiple_units": 2,
    "customer_limit": CustomerLimit(3, 60),
    "fixed_units": 5,
    "share_permille": 500,
    "buffer_units": 2,
    "floor_units": 1,
}

RULES: dict[str, Any] = {
    "rank": 3,
    "kinds": frozenset({LocationKind.WAREHOUSE}),
    "groups": frozenset({"mall"}),
    "include_ids": frozenset({LocationId("dc")}),
    "exclude_ids": frozenset({LocationId("shop")}),
    "min_units": 3,
    "max_units": 5,
    "share_permille": 500,
    "threshold_units": 4,
    "min_locations": 2,
}
DC = [place("dc", groups=["mall"])]


@pytest.mark.parametrize("name", FIELDS)
def test_a_setting_that_changes_a_number_is_computed(name: str) -> None:
    settings = Settings(**{name: VALUES[name]})
    numbers = [one(units, settings).quantity_units for units in range(10)]
    unknown = one([], settings, locations=DC).quantity_units

    unchanged = numbers == list(range(10)) and unknown == 0

    assert sells_all_stock(Effective(**{name: VALUES[name]})) is unchanged


@pytest.mark.parametrize("name", [each.name for each in fields(SupplyRule)])
def test_a_rule_that_changes_a_number_is_computed(name: str) -> None:
    rule = replace(SupplyRule(), **{name: RULES[name]})

    numbers = [
        one({"dc": units}, NOTHING, rules=[rule], locations=DC).quantity_units
        for units in range(10)
    ]

    assert rule.passes_all is (numbers == list(range(10)))


def test_a_rule_that_shares_nothing_only_chooses_locations() -> None:
    assert SupplyRule(share_permille=0, min_units=3).passes_all
