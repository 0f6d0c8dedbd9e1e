"""Values of the model at random, over all of what their types hold."""

import dataclasses
from typing import Any

from hypothesis import strategies as st

from availability.model import (
    UNRANKED,
    Location,
    LocationId,
    LocationKind,
    Sku,
    Zone,
)
from router.model import (
    Assignment,
    Counterfactuals,
    Destination,
    EliminationFilter,
    Frozen,
    Incomplete,
    KitComponent,
    Lane,
    LocationFilter,
    NextBest,
    Objective,
    ObjectiveValue,
    Order,
    OrderLine,
    PlanStatus,
    RoutingPlan,
    Shipment,
    SplitRung,
    StockChangeNeeded,
    Term,
    Unassigned,
    UnassignedReason,
)
from router.policies import PRESETS

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
INT32 = st.integers(-(2**31), 2**31 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
COUNT = st.integers(1, 10**9)
# Not a number is not equal to itself; it is refused in test_hostile.
NUMBER = st.floats(allow_nan=False)
DEGREES = st.floats(-90, 90)
SKU = TEXT.map(Sku)
LOCATION_ID = st.text(min_size=1, max_size=8).map(LocationId)


def many(each: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(each, max_size=3).map(tuple)


def some(each: st.SearchStrategy[Any]) -> st.SearchStrategy[frozenset[Any]]:
    return st.frozensets(each, max_size=3)


LINES = st.builds(
    OrderLine,
    TEXT,
    SKU,
    INT32,
    st.booleans(),
    TEXT,
    INT64,
    many(st.builds(KitComponent, SKU, INT32)),
)
ORDERS = st.builds(
    Order,
    TEXT,
    many(LINES),
    st.builds(Destination, st.none() | NUMBER, st.none() | NUMBER, TEXT),
    TEXT,
    TEXT,
    many(
        st.builds(
            Lane,
            LOCATION_ID,
            st.none() | INT64,
            st.none() | INT64,
            st.none() | INT32,
        )
    ),
    st.none() | INT32,
    many(st.builds(Frozen, TEXT, LOCATION_ID, INT32)),
    some(st.tuples(TEXT, TEXT)),
)


def _objectives() -> st.SearchStrategy[tuple[Objective, ...]]:
    tolerant = st.builds(
        Objective,
        st.sampled_from([term for term in Term if term is not Term.PRIMARY]),
        st.integers(0, 1_000_000),
        st.integers(0, 10**12),
    )
    return st.lists(
        tolerant | st.just(Objective(Term.PRIMARY)),
        min_size=1,
        unique_by=lambda each: each.term,
    ).map(tuple)


POLICIES = st.builds(
    lambda preset, **replaced: dataclasses.replace(preset, **replaced),
    st.sampled_from(list(PRESETS.values())),
    objectives=_objectives(),
    split_rung=st.sampled_from(SplitRung),
    incomplete=st.sampled_from(Incomplete),
    max_shipments=INT32,
    min_split_value_micros=INT64,
    routing_floor_units=INT32,
    filter=st.builds(
        LocationFilter,
        some(st.sampled_from(LocationKind)),
        some(TEXT),
        some(TEXT),
        INT64,
        some(TEXT),
        some(TEXT),
    ),
)
ASSIGNMENTS = many(st.builds(Assignment, TEXT, SKU, LOCATION_ID, COUNT, INT32))
VALUES = many(
    st.builds(ObjectiveValue, TEXT, st.booleans(), INT64, INT64, st.booleans())
)
PLANS = st.builds(
    RoutingPlan,
    TEXT,
    st.sampled_from(PlanStatus),
    ASSIGNMENTS,
    many(st.builds(Shipment, TEXT, many(LOCATION_ID), INT32, INT64, TEXT)),
    many(st.builds(Unassigned, TEXT, SKU, INT32, st.sampled_from(UnassignedReason))),
    VALUES,
    st.dictionaries(LOCATION_ID, st.sampled_from(EliminationFilter), max_size=3),
    INT64,
    TEXT,
    INT64,
    TEXT,
    TEXT,
    INT32,
    st.none()
    | st.builds(
        Counterfactuals,
        st.none()
        | st.builds(NextBest, ASSIGNMENTS, VALUES, TEXT, INT64, INT64, st.booleans()),
        st.none()
        | st.builds(
            StockChangeNeeded,
            LOCATION_ID,
            st.dictionaries(SKU, st.integers(1, 10**12), max_size=3),
        ),
    ),
)
ZONES = st.lists(
    st.builds(Zone, st.text(min_size=1, max_size=8), st.booleans()),
    max_size=3,
    unique_by=lambda zone: zone.zone_id,
).map(tuple)
PLACES = st.none() | st.tuples(DEGREES, DEGREES)


@st.composite
def locations(draw: st.DrawFn) -> Location:
    latitude, longitude = draw(PLACES) or (None, None)
    return Location(
        draw(LOCATION_ID),
        rank=draw(st.integers(1, 1_000_000) | st.just(UNRANKED)),
        kind=draw(st.sampled_from(LocationKind)),
        active=draw(st.booleans()),
        latitude=latitude,
        longitude=longitude,
        country_code=draw(TEXT),
        origin_id=draw(TEXT),
        groups=draw(some(TEXT)),
        shipping_methods=draw(some(TEXT)),
        channel_ids=draw(some(TEXT)),
        capacity_orders=draw(st.none() | INT32),
        capacity_units=draw(st.none() | INT64),
        shipment_cost_micros=draw(INT64),
        unit_cost_micros=draw(INT64),
        workload_minutes=draw(INT32),
        zones=draw(ZONES),
        stale_after_seconds=draw(INT64),
        lead_time_minutes=draw(INT32),
    )
