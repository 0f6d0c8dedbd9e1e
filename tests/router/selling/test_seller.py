"""What a channel is shown can be routed for it, and no more of it can."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from availability.errors import CustomerLimitReached, StockConflict
from availability.ledger.open import open_ledger
from availability.ledger.protocol import Ledger
from availability.memory_stock import MemoryStock
from availability.model import (
    ImportMode,
    Location,
    LocationId,
    Request,
    Sku,
    StockChange,
)
from availability.offers.market import Market, SkuStock
from availability.offers.service import Offering
from availability.setup.channels import Allocation, Channel, SupplyRule
from availability.setup.kits import Component
from availability.setup.settings import (
    Backorders,
    CustomerLimit,
    Preorder,
    Settings,
    SettingsBook,
)
from availability.setup.setup import Setup, SetupChange
from router.errors import InvalidOrder, StockContention
from router.model import (
    WAITING,
    Incomplete,
    KitComponent,
    Order,
    OrderLine,
    PlanStatus,
    RoutingPlan,
    UnassignedReason,
)
from router.pipeline import RouteOptions, Router
from router.policies import DEFAULT, PRESETS
from tests.availability.offers.bulk.test_compute import CHANNELS, SKUS, markets, stocks
from tests.availability.offers.worlds import NOW_SECONDS

POLICY = PRESETS[DEFAULT]
KIT = Sku("kit")
KITS = {KIT: (Component(SKUS[0], 2), Component(SKUS[1], 1))}


def clock() -> float:
    return NOW_SECONDS


def single(n: int, channel_id: str, sku: Sku, units: int) -> Order:
    line = OrderLine("1", sku, units)
    return Order(f"order-{n}", (line,), channel_id=channel_id)


def route(
    router: Router, order: Order, options: RouteOptions = RouteOptions(), **policy: Any
) -> RoutingPlan:
    by = dataclasses.replace(POLICY, **policy)
    plan = router.route(order, by, options).plan
    assert plan is not None
    return plan


def promised(plan: RoutingPlan) -> int:
    """Units that ship, and units that wait."""
    shipped = sum(each.quantity for each in plan.assignments)
    waiting = sum(each.quantity for each in plan.unassigned if each.reason in WAITING)
    return shipped + waiting


def kept(plan: RoutingPlan) -> dict[UnassignedReason, int]:
    """Units that nobody ships, by reason."""
    found: dict[UnassignedReason, int] = {}
    for each in plan.unassigned:
        found[each.reason] = found.get(each.reason, 0) + each.quantity
    return found


def memory(market: Market, known: tuple[SkuStock, ...]) -> MemoryStock:
    """A stock of such a market, its queues empty."""
    allocations = {
        f"{stock.sku}-{each.allocation_id}": dataclasses.replace(
            each, allocation_id=f"{stock.sku}-{each.allocation_id}"
        )
        for stock in known
        for each in stock.allocations
    }
    channels = {each.channel_id: each for each in market.channels}
    setup = Setup(channels, market.book, allocations, KITS)
    records = [record for stock in known for record in stock.records]
    return MemoryStock(market.network.locations, records, setup)


REFUSALS = {"MIN_PER_ORDER", "MAX_PER_ORDER", "MULTIPLE_PER_ORDER", "UNKNOWN_SKU"}


def try_to_route(router: Router, order: Order) -> tuple[RoutingPlan | None, set[str]]:
    """Return the plan of an order, or why it was refused."""
    try:
        return route(router, order), set()
    except InvalidOrder as refused:
        return None, {each.reason for each in refused.violations}


steps = st.lists(
    st.tuples(
        st.sampled_from(CHANNELS),
        st.sampled_from([*SKUS, KIT]),
        st.sampled_from(["all", "all", "least", "more"]),
    ),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    # What it would take to make a world smaller is minutes.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(markets(), st.tuples(*(stocks(sku) for sku in SKUS)), steps)
def test_what_is_shown_can_be_routed(
    market: Market, known: tuple[SkuStock, ...], asked: list[tuple[str, Sku, str]]
) -> None:
    stock = memory(market, known)
    shelf: Any = stock  # it has no records to explain, but all that is promised
    offering, router = Offering(shelf, clock), Router(stock, clock=clock)
    for n, (channel_id, sku, how) in enumerate(asked):
        shown = offering.offers([channel_id], [sku]).offers
        quantity = int(shown.quantity_units[0, 0])
        most = int(shown.max_orderable_units[0, 0])
        limits = market.book.resolve(channel_id, sku)
        if most == 0:
            with_limits = max(limits.min_units, limits.multiple_units)
            units = -(-with_limits // limits.multiple_units) * limits.multiple_units
        elif how == "least":
            units = -(-limits.min_units // limits.multiple_units)
            units *= limits.multiple_units
        elif most < 0 or most > 10**9:
            units = 12 * limits.multiple_units
        else:
            units = most
        if how == "more" and quantity >= 0:
            units = (quantity // limits.multiple_units + 1) * limits.multiple_units
        if units > 10**9:
            continue
        units = max(units, limits.multiple_units)
        order = single(n, channel_id, sku, units)
        plan, reasons = try_to_route(router, order)
        if plan is None:
            assert reasons <= REFUSALS
            assert most == 0 or (0 < most < units), (most, units, reasons)
            continue
        if quantity < 0:
            assert promised(plan) == units
        elif units <= quantity:
            assert promised(plan) == units, (quantity, plan)
        else:
            assert promised(plan) <= quantity, (quantity, plan)


def rule(*names: str, **fields: Any) -> SupplyRule:
    return SupplyRule(include_ids=frozenset(map(LocationId, names)), **fields)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """Ten hats at dc and five at shop; web sells from both, pos from shop."""
    with closing(open_ledger("sqlite://", clock)) as ledger:
        ledger.put_locations(
            [Location(LocationId("dc"), 1), Location(LocationId("shop"), 2)]
        )
        on_hand = {("dc", "hat"): 10, ("shop", "hat"): 5, ("dc", "cap"): 4}
        fill(ledger, on_hand)
        ledger.put_setup(
            SetupChange({"web": Channel("web"), "pos": Channel("pos", (rule("shop"),))})
        )
        yield ledger


def fill(ledger: Ledger, on_hand: Mapping[tuple[str, str], int]) -> None:
    ledger.import_stock(
        ImportMode.SET,
        [
            StockChange(LocationId(at), Sku(sku), units)
            for (at, sku), units in on_hand.items()
        ],
    )


HAT = Sku("hat")


def say(ledger: Ledger, sku: str = "hat", channel: str = "", **fields: Any) -> None:
    ledger.put_setup(SetupChange(settings={(channel, sku): Settings(**fields)}))


def reserve(
    ledger: Ledger, units: int, *channels: str, name: str = "a", follow: bool = False
) -> None:
    members = frozenset(channels)
    following = members if follow else frozenset()
    each = Allocation(name, HAT, units, channel_ids=members, following=following)
    ledger.put_setup(SetupChange(allocations={name: each}))


def sell(ledger: Ledger, n: int, units: int, channel: str = "web") -> RoutingPlan:
    return route(Router(ledger, clock=clock), single(n, channel, HAT, units))


def shown(ledger: Ledger, channel: str = "web", sku: str = "hat") -> int:
    offers = Offering(ledger, clock).offers([channel], [Sku(sku)]).offers
    return int(offers.quantity_units[0, 0])


class TestPool:
    def test_a_channel_ships_from_its_pool(self, ledger: Ledger) -> None:
        plan = sell(ledger, 1, 4, "pos")

        assert [each.location_id for each in plan.assignments] == ["shop"]
        assert plan.eliminated == {"dc": "channel"}
        assert shown(ledger, "pos") == 1

    def test_what_the_pool_does_not_have_is_not_sold(self, ledger: Ledger) -> None:
        plan = sell(ledger, 1, 7, "pos")

        assert promised(plan) == 5
        assert plan.status is PlanStatus.PARTIAL

    def test_a_share_leaves_the_rest_where_it_is(self, ledger: Ledger) -> None:
        half = Channel("web", (SupplyRule(share_permille=500),))
        ledger.put_setup(SetupChange({"web": half}))

        plan = sell(ledger, 1, 9)

        taken = {each.location_id: each.quantity for each in plan.assignments}
        assert taken == {"dc": 5, "shop": 2}
        assert kept(plan) == {UnassignedReason.NOT_FOR_SALE: 2}

    def test_a_channel_that_is_not_declared_has_all(self, ledger: Ledger) -> None:
        reserve(ledger, 12, "pos")

        assert promised(sell(ledger, 1, 15, "elsewhere")) == 15

    def test_a_place_that_is_not_its_own_is_not_used_later(
        self, ledger: Ledger
    ) -> None:
        """`stale` counts are no stock for a channel, and it does not ship them."""
        old = Location(LocationId("dc"), 1, stale_after_seconds=10)
        ledger.put_locations([old])
        late = Router(ledger, clock=lambda: NOW_SECONDS + 11)

        plan = route(late, single(1, "web", HAT, 8))

        taken = {each.location_id: each.quantity for each in plan.assignments}
        assert taken == {"shop": 5}


class TestAllocations:
    def test_others_do_not_get_a_reserve(self, ledger: Ledger) -> None:
        reserve(ledger, 6, "pos")

        assert shown(ledger) == 9
        plan = sell(ledger, 1, 12)
        assert promised(plan) == 9
        assert kept(plan) == {UnassignedReason.NOT_FOR_SALE: 3}

    def test_a_reserve_is_consumed(self, ledger: Ledger) -> None:
        reserve(ledger, 4, "pos")
        sell(ledger, 1, 3, "pos")

        assert shown(ledger, "pos") == 1
        assert shown(ledger) == 11
        assert promised(sell(ledger, 2, 3, "pos")) == 1
        # Nothing of it is left, so nothing is held back any more.
        assert shown(ledger) == 11

    def test_follow_sells_beyond_the_stock_and_it_waits(self, ledger: Ledger) -> None:
        reserve(ledger, 8, "pos", follow=True)

        plan = sell(ledger, 1, 8, "pos")

        assert sum(each.quantity for each in plan.assignments) == 5
        assert kept(plan) == {UnassignedReason.BACKORDERED: 3}
        assert dict(ledger.queued()) == {("pos", "hat"): 3}

    def test_a_stop_sell_stops(self, ledger: Ledger) -> None:
        reserve(ledger, 0, "web")

        plan = sell(ledger, 1, 1)

        assert (plan.status, promised(plan)) == (PlanStatus.NONE, 0)
        assert promised(sell(ledger, 2, 1, "pos")) == 1


class TestBackorders:
    def test_the_story_of_25_and_50(self, ledger: Ledger) -> None:
        fill(ledger, {("dc", "hat"): 25, ("shop", "hat"): 0})
        say(
            ledger,
            backorders=Backorders.ALLOW,
            out_of_stock_threshold_units=-50,
        )
        assert shown(ledger) == 75
        assert kept(sell(ledger, 1, 70)) == {UnassignedReason.BACKORDERED: 45}
        assert shown(ledger) == 5
        assert kept(sell(ledger, 2, 6)) == {
            UnassignedReason.BACKORDERED: 5,
            UnassignedReason.NOT_FOR_SALE: 1,
        }
        assert shown(ledger) == 0

    def test_units_that_are_kept_back_are_not_shipped(self, ledger: Ledger) -> None:
        say(ledger, out_of_stock_threshold_units=5)

        assert promised(sell(ledger, 1, 12)) == 10

    def test_who_waits_comes_first(self, ledger: Ledger) -> None:
        say(ledger, backorders=Backorders.ALLOW)
        sell(ledger, 1, 20)
        say(ledger)
        fill(ledger, {("dc", "hat"): 18, ("shop", "hat"): 5})

        # Fifteen are allocated, and of the eight that came five are waited for.
        assert shown(ledger) == 3
        assert promised(sell(ledger, 2, 8)) == 3

    def test_a_line_that_ships_whole_waits_whole(self, ledger: Ledger) -> None:
        say(ledger, backorders=Backorders.ALLOW)
        line = OrderLine("1", HAT, 17, indivisible=True)

        plan = route(Router(ledger), Order("o", (line,), channel_id="web"))

        assert (plan.assignments, kept(plan)) == (
            (),
            {UnassignedReason.BACKORDERED: 17},
        )


class TestPreorders:
    def test_all_of_it_waits_up_to_the_cap(self, ledger: Ledger) -> None:
        say(ledger, preorders=(Preorder(6, NOW_SECONDS + 100),))

        plan = sell(ledger, 1, 4)
        assert (plan.assignments, kept(plan)) == ((), {UnassignedReason.PREORDERED: 4})
        # The cap is one for all channels of the SKU.
        assert shown(ledger, "pos") == 2
        assert promised(sell(ledger, 2, 3, "pos")) == 2
        assert shown(ledger) == 0

    def test_a_sku_that_never_was_in_stock(self, ledger: Ledger) -> None:
        say(ledger, "new", preorders=(Preorder(6, NOW_SECONDS + 100),))

        plan = route(Router(ledger, clock=clock), single(1, "web", Sku("new"), 2))

        assert kept(plan) == {UnassignedReason.PREORDERED: 2}

    def test_one_that_is_sold_out_is_not_sold_and_not_unknown(
        self, ledger: Ledger
    ) -> None:
        say(ledger, "new", preorders=(Preorder(2, NOW_SECONDS + 100),))
        router = Router(ledger, clock=clock)
        route(router, single(1, "web", Sku("new"), 2))

        plan = route(router, single(2, "web", Sku("new"), 1))

        assert kept(plan) == {UnassignedReason.NOT_FOR_SALE: 1}

    def test_of_two_with_one_release_the_open_one_counts(self) -> None:
        """A ledger refuses windows that overlap; files and replays may hold them."""
        release = NOW_SECONDS + 100
        used_up = Preorder(0, release, presold_units=4)
        said = Settings(preorders=(Preorder(6, release), used_up))
        setup = Setup({"web": Channel("web")}, SettingsBook(skus={HAT: said}))
        stock = MemoryStock([Location(LocationId("dc"), 1)], [], setup)

        plan = route(Router(stock, clock=clock), single(1, "web", HAT, 7))

        assert kept(plan) == {
            UnassignedReason.PREORDERED: 6,
            UnassignedReason.NOT_FOR_SALE: 1,
        }

    def test_a_cap_lowered_below_what_waits_refuses_no_order(
        self, ledger: Ledger
    ) -> None:
        release = NOW_SECONDS + 100
        say(ledger, preorders=(Preorder(6, release),))
        sell(ledger, 1, 4)
        say(ledger, preorders=(Preorder(2, release),))
        lines = OrderLine("1", HAT, 1), OrderLine("2", Sku("cap"), 1)
        order = Order("order-2", lines, channel_id="web")

        plan = route(Router(ledger, clock=clock), order)

        assert shown(ledger) == 0
        assert [each.line_id for each in plan.assignments] == ["2"]
        assert kept(plan) == {UnassignedReason.NOT_FOR_SALE: 1}


class TestLimits:
    @pytest.mark.parametrize(
        ("units", "reason"),
        [
            (1, "MIN_PER_ORDER"),
            (2, None),
            (3, "MULTIPLE_PER_ORDER"),
            (6, None),
            (8, "MAX_PER_ORDER"),
        ],
    )
    def test_limits_per_order(
        self, ledger: Ledger, units: int, reason: str | None
    ) -> None:
        say(ledger, min_units=2, max_units=6, multiple_units=2)
        if reason is None:
            assert promised(sell(ledger, 1, units)) == units
            return
        with pytest.raises(InvalidOrder) as refused:
            sell(ledger, 1, units)
        found = [(each.path, each.reason) for each in refused.value.violations]
        assert found == [("order.lines[0].quantity", reason)]

    def test_lines_of_one_sku_are_one(self, ledger: Ledger) -> None:
        say(ledger, max_units=3)
        lines = OrderLine("1", HAT, 2), OrderLine("2", HAT, 2)
        with pytest.raises(InvalidOrder):
            route(Router(ledger), Order("o", lines, channel_id="web"))

    def test_a_customers_window(self, ledger: Ledger) -> None:
        say(ledger, customer_limit=CustomerLimit(3, 3_600))
        router = Router(ledger, clock=clock)

        def buy(n: int, units: int, customer_id: str = "c") -> RoutingPlan:
            order = single(n, "web", HAT, units)._replace(customer_id=customer_id)
            return route(router, order)

        buy(1, 2)
        with pytest.raises(CustomerLimitReached):
            buy(2, 2)
        assert promised(buy(3, 1)) == 1
        assert promised(buy(4, 3, "d")) == 3

    def test_lines_of_one_sku_share_what_is_for_sale(self, ledger: Ledger) -> None:
        reserve(ledger, 6, "pos")
        lines = OrderLine("1", HAT, 5), OrderLine("2", HAT, 5)

        plan = route(Router(ledger), Order("o", lines, channel_id="web"))

        assert [(e.line_id, e.quantity) for e in plan.unassigned] == [("2", 1)]


class TestPolicies:
    def test_all_or_nothing(self, ledger: Ledger) -> None:
        reserve(ledger, 6, "pos")
        lines = OrderLine("1", HAT, 10), OrderLine("2", Sku("cap"), 1)

        plan = route(
            Router(ledger),
            Order("o", lines, channel_id="web"),
            incomplete=Incomplete.REJECT_ORDER,
        )

        assert (plan.status, promised(plan)) == (PlanStatus.NONE, 0)

    def test_whole_lines_or_none(self, ledger: Ledger) -> None:
        reserve(ledger, 6, "pos")
        lines = OrderLine("1", HAT, 10), OrderLine("2", Sku("cap"), 1)

        plan = route(
            Router(ledger),
            Order("o", lines, channel_id="web"),
            incomplete=Incomplete.DROP_LINE,
        )

        assert [each.line_id for each in plan.assignments] == ["2"]

    def test_what_was_sold_elsewhere_waits(self, ledger: Ledger) -> None:
        reserve(ledger, 6, "pos")
        order = single(1, "web", HAT, 12)

        plan = route(Router(ledger), order, RouteOptions(queue_unassigned=True))

        assert sum(each.quantity for each in plan.assignments) == 9
        assert dict(ledger.queued()) == {("web", "hat"): 3}


class TestKits:
    def test_a_kit_that_is_set_up_is_taken_apart(self, ledger: Ledger) -> None:
        kit = (Component(HAT, 2), Component(Sku("cap"), 1))
        ledger.put_setup(SetupChange(kits={KIT: kit}))

        assert shown(ledger, sku="kit") == 4
        plan = route(Router(ledger), single(1, "web", KIT, 4))

        assert [(e.sku, e.location_id, e.quantity) for e in plan.assignments] == [
            ("kit", "dc", 4)
        ]
        assert shown(ledger) == 7

    def test_components_share_what_is_for_sale(self, ledger: Ledger) -> None:
        ledger.put_setup(SetupChange(kits={KIT: (Component(HAT, 2),)}))
        reserve(ledger, 8, "pos")
        lines = OrderLine("1", HAT, 4), OrderLine("2", KIT, 2)

        plan = route(Router(ledger), Order("o", lines, channel_id="web"))

        assert [(e.line_id, e.quantity) for e in plan.unassigned] == [("2", 1)]

    def test_an_order_may_bring_its_own(self, ledger: Ledger) -> None:
        ledger.put_setup(SetupChange(kits={KIT: (Component(HAT, 2),)}))
        line = OrderLine("1", KIT, 1, components=(KitComponent(Sku("cap"), 3),))

        route(Router(ledger), Order("o", (line,), channel_id="web"))

        assert (shown(ledger), shown(ledger, sku="cap")) == (15, 1)


def test_two_routers_never_sell_a_reserve(ledger: Ledger) -> None:
    """What one planned is refused at the commit when another was first."""
    reserve(ledger, 6, "pos")
    router = Router(ledger, clock=clock, max_attempts=1)
    steps = router.route_steps(
        single(1, "web", HAT, 9), POLICY, RouteOptions(), Request()
    )
    work: Any = next(steps)
    sell(ledger, 2, 5)

    with pytest.raises(StockConflict) as conflict:
        ledger.reserve(work.draft(b""))
    steps.throw(conflict.value)  # looks whether it was answered before
    with pytest.raises(StockContention):
        steps.send(None)
    assert promised(sell(ledger, 3, 9)) == 4


def test_a_location_added_while_an_order_is_read_is_read_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Limits per location and the stock they limit are of one network."""
    say(ledger, buffer_units=1)
    positions = ledger.positions
    added: list[Location] = []

    def positions_of_more(skus: Sequence[Sku]) -> Any:
        if not added:
            added.append(Location(LocationId("annex"), 0))
            ledger.put_locations(added)
        return positions(skus)

    monkeypatch.setattr(ledger, "positions", positions_of_more)

    plan = sell(ledger, 1, 2)

    assert added
    assert promised(plan) == 2


def test_a_network_that_never_rests_is_contention(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(ledger, buffer_units=1)
    positions, ranks = ledger.positions, itertools.count(3)

    def positions_of_more(skus: Sequence[Sku]) -> Any:
        rank = next(ranks)
        ledger.put_locations([Location(LocationId(f"annex-{rank}"), rank)])
        return positions(skus)

    monkeypatch.setattr(ledger, "positions", positions_of_more)

    with pytest.raises(StockContention):
        sell(ledger, 1, 2)
