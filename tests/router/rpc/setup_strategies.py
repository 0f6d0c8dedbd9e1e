"""Items of a setup at random, over all of what the contract holds."""

from hypothesis import strategies as st

from availability.model import UNRANKED, LocationId, LocationKind, Sku
from availability.setup.channels import (
    Allocation,
    Channel,
    FutureSupply,
    Purpose,
    SupplyRule,
    SupplySource,
)
from availability.setup.kits import Component
from availability.setup.settings import Backorders, CustomerLimit, Preorder, Settings
from availability.setup.setup import SetupChange
from tests.router.rpc.strategies import INT32, INT64, many, some

ID = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8)
SKU = ID.map(Sku)
UNITS = st.integers(1, 10**12)
SECONDS = st.integers(0, 253_402_300_799)
RANK = st.integers(0, UNRANKED)
RULES = st.builds(
    SupplyRule,
    RANK,
    some(st.sampled_from(LocationKind)),
    some(ID),
    some(ID.map(LocationId)),
    some(ID.map(LocationId)),
    INT64,
    st.none() | INT64,
    INT32,
    INT64,
    INT64,
)
SETTINGS = st.builds(
    Settings,
    managed=st.none() | st.booleans(),
    backorders=st.none() | st.sampled_from(Backorders),
    preorders=st.none() | many(st.builds(Preorder, INT64, SECONDS, SECONDS, INT64)),
    customer_limit=st.none() | st.builds(CustomerLimit, INT64, INT64),
    share_permille=st.none() | INT32,
    **{
        name: st.none() | INT64
        for name in (
            "out_of_stock_threshold_units",
            "availability_threshold_units",
            "publication_threshold_units",
            "low_units",
            "notify_units",
            "min_units",
            "max_units",
            "multiple_units",
            "fixed_units",
            "buffer_units",
            "floor_units",
        )
    },
)
KITS = many(st.builds(Component, SKU, UNITS))


@st.composite
def changes(draw: st.DrawFn) -> SetupChange:
    channels = draw(st.dictionaries(ID, st.none() | many(RULES), max_size=3))
    allocations = draw(
        st.dictionaries(
            ID,
            st.none()
            | st.tuples(
                SKU,
                INT64,
                st.sampled_from(Purpose),
                some(ID),
                some(ID),
                st.just(0),
                RANK,
            ),
            max_size=3,
        )
    )
    supplies = draw(
        st.dictionaries(
            ID,
            st.none()
            | st.tuples(
                ID.map(LocationId), SKU, UNITS, SECONDS, st.sampled_from(SupplySource)
            ),
            max_size=3,
        )
    )
    places = st.tuples(st.just("") | ID, st.just("") | ID)
    return SetupChange(
        {
            key: None if rules is None else Channel(key, rules)
            for key, rules in channels.items()
        },
        draw(st.dictionaries(places, st.none() | SETTINGS, max_size=3)),
        {
            key: None if each is None else Allocation(key, *each)
            for key, each in allocations.items()
        },
        draw(st.dictionaries(SKU, st.none() | KITS, max_size=3)),
        {
            key: None if each is None else FutureSupply(*each, supply_id=key)
            for key, each in supplies.items()
        },
    )
