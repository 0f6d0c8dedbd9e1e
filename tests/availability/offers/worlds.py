"""Small markets to compute with, and `promise` asked as `explain` is."""

from collections.abc import Mapping, Sequence

from availability.model import (
    Location,
    LocationId,
    LocationKind,
    Network,
    Sku,
    StockRecord,
)
from availability.offers.bulk.arrays import NOT_GIVEN, UNLIMITED, Offers
from availability.offers.bulk.compute import STATUSES, promise
from availability.offers.explain import explain
from availability.offers.market import Market, SkuStock
from availability.offers.offer import Offer, Rule
from availability.setup.channels import (
    Allocation,
    Channel,
    FutureSupply,
    Purpose,
    SupplyRule,
)
from availability.setup.settings import Settings, SettingsBook
from tests.availability.offers.layouts import lay_out

SHIRT = Sku("shirt")
NOW_SECONDS = 1_000
NOTHING = Settings()


def place(
    location_id: str,
    kind: LocationKind = LocationKind.WAREHOUSE,
    groups: Sequence[str] = (),
    *,
    active: bool = True,
    channel_ids: Sequence[str] = (),
) -> Location:
    return Location(
        LocationId(location_id),
        kind=kind,
        active=active,
        groups=frozenset(groups),
        channel_ids=frozenset(channel_ids),
    )


def record(location_id: str, on_hand: int, allocated: int = 0) -> StockRecord:
    return StockRecord(LocationId(location_id), SHIRT, on_hand, allocated)


def ids(*location_ids: str) -> frozenset[LocationId]:
    return frozenset(LocationId(each) for each in location_ids)


def allocation(
    name: str,
    quantity_units: int,
    *channel_ids: str,
    follow: bool = False,
    purpose: Purpose = Purpose.RESERVE,
    consumed_units: int = 0,
    rank: int = 9,
    created_number: int = 0,
) -> Allocation:
    members = frozenset(channel_ids)
    return Allocation(
        name,
        SHIRT,
        quantity_units,
        purpose,
        members,
        members if follow else frozenset(),
        consumed_units,
        rank,
        created_number,
    )


def one(
    stock: int | Mapping[str, int] | Sequence[StockRecord],
    settings: Settings = NOTHING,
    *allocations: Allocation,
    channel_id: str = "web",
    queued_units: Mapping[str, int] | None = None,
    supplies: Sequence[FutureSupply] = (),
    stale_ids: Sequence[str] = (),
    rules: Sequence[SupplyRule] = (),
    locations: Sequence[Location] = (),
    book: SettingsBook | None = None,
    now_seconds: int = NOW_SECONDS,
) -> Offer:
    """Return the offer of shirts on one of two channels, `web` and `b2b`.

    Both are fed by all locations, `web` by ``rules``; ``promise`` says the same, or
    this fails.
    """
    if isinstance(stock, int):
        stock = {"dc": stock}
    if isinstance(stock, Mapping):
        stock = [record(location_id, units) for location_id, units in stock.items()]
    places = locations or [place(each.location_id) for each in stock]
    market = Market(
        Network.of(places),
        (Channel("web", tuple(rules)), Channel("b2b")),
        book or SettingsBook(everything=settings),
    )
    known = SkuStock(
        SHIRT,
        tuple(stock),
        ids(*stale_ids),
        queued_units or {},
        allocations,
        tuple(supplies),
    )
    offer = explain(market, known, channel_id, now_seconds)
    check(offer)
    row = [each.channel_id for each in market.channels].index(channel_id)
    world = lay_out(market, [known], now_seconds)
    assert flat(promise(world), row, 0) == plain(offer)
    return offer


def check(offer: Offer) -> None:
    """The waterfall has every step, in order, and adds up."""
    assert [step.rule for step in offer.steps] == list(Rule)[: len(offer.steps)]
    assert offer.steps[-1].rule is Rule.AVAILABILITY_THRESHOLD
    total_units = 0
    for step in offer.steps:
        total_units += step.effect_units
        assert step.total_units == total_units
    assert offer.quantity_units in (None, total_units)
    assert offer.quantity_units is None or offer.quantity_units >= 0


def effects(offer: Offer) -> dict[str, int]:
    """Return the steps that did something."""
    return {
        step.rule.value: step.effect_units for step in offer.steps if step.effect_units
    }


def flat(offers: Offers, channel: int, sku: int) -> tuple[object, ...]:
    """Return one offer of many, in plain values."""
    cells = [column[channel, sku].item() for column in offers]
    cells[1] = STATUSES[cells[1]]
    return tuple(cells)


def plain(offer: Offer) -> tuple[object, ...]:
    """Return an offer as `flat` does."""

    def said(units: int | None, none: int) -> int:
        return none if units is None else units

    return (
        said(offer.quantity_units, UNLIMITED),
        offer.status,
        offer.published,
        offer.known,
        offer.fixed,
        offer.declared,
        offer.net_units is not None,
        said(offer.net_units, 0),
        said(offer.max_orderable_units, UNLIMITED),
        said(offer.single_location_units, UNLIMITED),
        said(offer.available_from_seconds, NOT_GIVEN),
        offer.backorder_notice,
    )
