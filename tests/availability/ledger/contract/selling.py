"""What every ledger promises of channels: what they have promised, and how far."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, replace

import pytest

from availability.errors import (
    CustomerLimitReached,
    InvalidChange,
    RequestReused,
    StockConflict,
)
from availability.ledger.protocol import Ledger
from availability.model import LocationId, Sku
from availability.positions import Counts
from availability.reservations import Cause, Expire, Guard, Place, Purchase, Reservation
from availability.setup.channels import Allocation, Channel, FutureSupply, SupplyRule
from availability.setup.kits import Component
from availability.setup.settings import Backorders, Settings
from availability.setup.setup import Setup, SetupChange, SetupResult
from tests.availability.ledger.world import (
    Clock,
    available,
    cancel,
    change,
    claim,
    do,
    import_set,
    location,
    queue,
    record_of,
    request,
    reservation,
    ship,
    stocked,
    swap,
    withdrawal,
    withdrawals,
)

X = Sku("x")
WEB = ("web",)


def on(
    channel: str,
    each: Reservation,
    *guards: Guard,
    customer: str = "",
    purchases: Sequence[Purchase] = (),
) -> Reservation:
    return replace(
        each,
        channel_id=channel,
        guards=guards,
        customer_id=customer,
        purchases=tuple(purchases),
    )


def counts(ledger: Ledger, channel: str = "web", sku: str = "x") -> Counts:
    of_sku = ledger.positions([Sku(sku)]).counts.get(Sku(sku), {})
    return of_sku.get(channel, Counts())


def put(ledger: Ledger, change: SetupChange, **more: object) -> SetupResult:
    return SetupResult.from_json(ledger.put_setup(change, **more))  # type: ignore[arg-type]


class ShopContract:
    @pytest.fixture
    def selling(self, ledger: Ledger) -> Ledger:
        """A hundred x and y at a, and fifty x at b."""
        stocked(ledger, {("a", "x"): 100, ("a", "y"): 100, ("b", "x"): 50})
        return ledger


class CountsContract(ShopContract):
    def test_what_is_promised_counts_on_its_channel(self, selling: Ledger) -> None:
        selling.reserve(on("web", reservation("1", ("a", "x", 2), ("b", "x", 1))))
        waiting = [queue("web", "x", 4, "line-1")]
        selling.reserve(on("web", reservation("2", ("a", "x", 1), queued=waiting)))
        selling.reserve(reservation("3", ("a", "x", 1)))

        assert counts(selling) == Counts(4, 8)
        assert counts(selling, "pos") == Counts()
        assert dict(selling.queued()) == {("web", "x"): 4}

    def test_what_is_given_up_does_not_count_and_what_ships_does(
        self, selling: Ledger
    ) -> None:
        waiting = [queue("web", "x", 4)]
        selling.reserve(on("web", reservation("1", ("a", "x", 5), queued=waiting)))

        do(selling, "1", ship(("a", "x", 2)))
        assert counts(selling) == Counts(4, 9)
        do(selling, "1", cancel(("a", "x", 1), queued=[queue("web", "x", 3)]))
        assert counts(selling) == Counts(1, 5)

    def test_a_cart_counts_until_its_time_is_over(
        self, selling: Ledger, clock: Clock
    ) -> None:
        selling.reserve(on("web", reservation("1", ("a", "x", 5), hold=60)))
        selling.reserve(on("web", reservation("2", ("a", "x", 1), hold=60)))
        do(selling, "2", Place())
        clock.now += 61

        do(selling, "1", Expire())

        assert counts(selling) == Counts(0, 1)

    def test_what_moves_to_another_place_counts_once(self, selling: Ledger) -> None:
        waiting = [queue("web", "x", 2)]
        selling.reserve(on("web", reservation("1", ("a", "x", 3), queued=waiting)))

        do(
            selling,
            "1",
            swap(
                0,
                released=[("a", "x", 3)],
                claims=[("b", "x", 4)],
                dequeued=[queue("web", "x", 2)],
                queued=[queue("web", "x", 1)],
            ),
        )

        assert counts(selling) == Counts(1, 5)

    def test_movements_name_the_channel(self, selling: Ledger) -> None:
        selling.reserve(on("web", reservation("1", claim("a", "x", 3, "line-1"))))
        do(selling, "1", ship(claim("a", "x", 3, "line-1")))

        moved = [each.movement for each in selling.movements(plan_id="plan-1")]
        assert [(each.cause, each.channel_id) for each in moved] == [
            (Cause.ALLOCATED, "web"),
            (Cause.SHIPPED, "web"),
        ]
        # A holding has no channel of its own: it is not in its plan's queue.
        assert [each.channel_id for each in record_of(selling, "1").holdings] == [""]


class GuardContract(ShopContract):
    def test_a_guard_lets_the_last_unit_go_and_not_one_more(
        self, selling: Ledger
    ) -> None:
        guard = Guard(X, WEB, 5)
        selling.reserve(on("web", reservation("1", ("a", "x", 3)), guard))
        with pytest.raises(StockConflict):
            selling.reserve(on("web", reservation("2", ("a", "x", 3)), guard))
        selling.reserve(on("web", reservation("3", ("a", "x", 2)), guard))

        assert counts(selling) == Counts(0, 5)
        assert available(selling, "x")["a"] == 95

    def test_a_guard_adds_its_channels_up(self, selling: Ledger) -> None:
        guard = Guard(X, ("pos", "web"), 5)
        selling.reserve(on("pos", reservation("1", ("a", "x", 3)), guard))
        with pytest.raises(StockConflict):
            selling.reserve(on("web", reservation("2", ("a", "x", 3)), guard))
        selling.reserve(on("b2b", reservation("3", ("a", "x", 9))))
        selling.reserve(on("web", reservation("4", ("a", "x", 2)), guard))

    def test_a_guard_of_what_waits(self, selling: Ledger) -> None:
        guard = Guard(X, WEB, 3, queued=True)
        first = reservation("1", ("a", "x", 9), queued=[queue("web", "x", 3)])
        selling.reserve(on("web", first, guard))
        more = reservation("2", queued=[queue("web", "x", 1)])
        with pytest.raises(StockConflict):
            selling.reserve(on("web", more, guard))
        do(selling, "1", cancel(queued=[queue("web", "x", 1)]))
        more = reservation("3", queued=[queue("web", "x", 1)])
        selling.reserve(on("web", more, guard))

    def test_a_group_is_guarded_one_by_one(self, selling: Ledger) -> None:
        jobs = [
            on("web", reservation(f"{n}", ("a", "x", 2)), Guard(X, WEB, 7))
            for n in range(6)
        ]
        outcomes = selling.reserve_many(jobs)

        kinds = [isinstance(each, bytes) for each in outcomes]
        assert kinds == [True, True, True, False, False, False]
        assert counts(selling) == Counts(0, 6)

    def test_a_guard_of_stock_that_stays_as_it_was(self, selling: Ledger) -> None:
        put(selling, WEB_SETUP)

        def sell(name: str, moves: int, channel: str = "web") -> None:
            guard = Guard(X, WEB, 100, moves=moves)
            selling.reserve(on(channel, reservation(name, ("a", "x", 1)), guard))

        def moves() -> int:
            return selling.positions([X]).moves.get(X, 0)

        before = moves()
        sell("1", before)
        sell("2", before)  # what others are promised does not move it
        import_set(selling, change("a", "x", 90))
        assert moves() == before + 1
        with pytest.raises(StockConflict):
            sell("3", before)
        sell("3", before + 1)
        do(selling, "1", ship(("a", "x", 1)))
        sell("4", before + 1)  # nor does what leaves
        do(selling, "2", cancel(("a", "x", 1)))
        with pytest.raises(StockConflict):
            sell("5", before + 1)
        sell("5", before + 2)
        out = withdrawals("a", "x", withdrawal("w", "a", "x", 3))
        selling.put_withdrawals([out])
        with pytest.raises(StockConflict):
            sell("6", before + 2)
        assert moves() == before + 3

    def test_many_threads_never_pass_a_guard(self, selling: Ledger) -> None:
        def sell(n: int) -> int:
            guard = Guard(X, ("pos", "web"), 30)
            channel = ("pos", "web")[n % 2]
            sold = 0
            for k in range(10):
                job = on(channel, reservation(f"{n}-{k}", ("a", "x", 1)), guard)
                (outcome,) = selling.reserve_many([job])
                sold += isinstance(outcome, bytes)
            return sold

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(sell, range(6))) == 30
        assert counts(selling).promised + counts(selling, "pos").promised == 30


class PurchaseContract(ShopContract):
    def buy(
        self,
        ledger: Ledger,
        name: str,
        units: int,
        most: int | None = 3,
        who: str = "c",
    ) -> None:
        line = claim("a", "x", units, "line-1")
        bought = [Purchase("line-1", X, 1, most, 100)]
        ledger.reserve(
            on("web", reservation(name, line), customer=who, purchases=bought)
        )

    def test_a_customer_may_have_so_many_at_a_time(self, selling: Ledger) -> None:
        self.buy(selling, "1", 2)
        with pytest.raises(CustomerLimitReached) as refused:
            self.buy(selling, "2", 2)
        self.buy(selling, "3", 2, who="d")
        self.buy(selling, "4", 1)

        assert (refused.value.line_id, refused.value.sku) == ("line-1", "x")
        assert refused.value.max_units == 3
        assert available(selling, "x")["a"] == 95

    def test_the_window_rolls(self, selling: Ledger, clock: Clock) -> None:
        self.buy(selling, "1", 2)
        clock.now += 99
        with pytest.raises(CustomerLimitReached):
            self.buy(selling, "2", 2)
        clock.now += 1
        self.buy(selling, "3", 2)

    def test_what_was_cancelled_was_not_bought(self, selling: Ledger) -> None:
        self.buy(selling, "1", 3)
        do(selling, "1", cancel(claim("a", "x", 2, "line-1")))
        with pytest.raises(CustomerLimitReached):
            self.buy(selling, "2", 3)
        self.buy(selling, "3", 2)

    def test_what_was_shipped_was_bought(self, selling: Ledger) -> None:
        self.buy(selling, "1", 3)
        do(selling, "1", ship(claim("a", "x", 3, "line-1")))
        with pytest.raises(CustomerLimitReached):
            self.buy(selling, "2", 1)

    def test_what_was_bought_before_there_was_a_limit_counts(
        self, selling: Ledger
    ) -> None:
        self.buy(selling, "1", 3, most=None)
        with pytest.raises(CustomerLimitReached):
            self.buy(selling, "2", 1)

    def test_lines_and_orders_of_one_group_add_up(self, selling: Ledger) -> None:
        def job(name: str, *units: int) -> Reservation:
            lines = [claim("a", "x", each, f"line-{n}") for n, each in enumerate(units)]
            bought = [Purchase(f"line-{n}", X, 1, 3, 100) for n, _ in enumerate(units)]
            made = reservation(name, *lines)
            return on("web", made, customer="c", purchases=bought)

        outcomes = selling.reserve_many([job("1", 2, 2), job("2", 1, 1), job("3", 2)])

        assert [isinstance(each, bytes) for each in outcomes] == [False, True, False]

    def test_a_kit_counts_as_one(self, selling: Ledger) -> None:
        def kits(name: str, count: int) -> None:
            parts = [
                claim("a", "x", 2 * count, "line-1"),
                claim("a", "y", count, "line-1"),
            ]
            bought = [Purchase("line-1", Sku("kit"), 3, 2, 100)]
            made = reservation(name, *parts)
            selling.reserve(on("web", made, customer="c", purchases=bought))

        kits("1", 1)
        with pytest.raises(CustomerLimitReached):
            kits("2", 2)
        kits("3", 1)

    def test_many_threads_of_one_customer(self, selling: Ledger) -> None:
        def buy(n: int) -> bool:
            try:
                self.buy(selling, f"{n}", 1, most=5)
            except CustomerLimitReached:
                return False
            return True

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(buy, range(24))) == 5


WEB_SETUP = SetupChange(
    channels={"web": Channel("web", (SupplyRule(share_permille=500),))},
    settings={
        ("", ""): Settings(low_units=3),
        ("web", ""): Settings(buffer_units=1),
        ("", "x"): Settings(backorders=Backorders.ALLOW),
        ("web", "x"): Settings(max_units=2),
    },
    allocations={"a1": Allocation("a1", X, 30, channel_ids=frozenset({"web"}))},
    kits={Sku("kit"): (Component(X, 2), Component(Sku("y"), 1))},
    supplies={"s1": FutureSupply(LocationId("a"), X, 7, 2_000, supply_id="s1")},
)


class SetupContract(ShopContract):
    def test_nothing_is_said_at_first(self, ledger: Ledger) -> None:
        assert ledger.setup() == Setup()

    def test_what_is_put_is_there(self, selling: Ledger) -> None:
        before = selling.version()

        result = put(selling, WEB_SETUP)

        assert result == SetupResult(8, 0, 0, 0, selling.version())
        setup = selling.setup()
        assert selling.version() > before
        assert setup.version == selling.version()
        assert dict(setup.channels) == WEB_SETUP.channels
        assert dict(setup.kits) == WEB_SETUP.kits
        assert dict(setup.supplies) == WEB_SETUP.supplies
        assert setup.book.resolve("web", X).levels == {
            "low_units": "global",
            "buffer_units": "channel",
            "backorders": "sku",
            "max_units": "channel_sku",
        }
        assert selling.setup() is setup

    def test_the_same_again_changes_nothing(self, selling: Ledger) -> None:
        put(selling, WEB_SETUP)
        setup, version = selling.setup(), selling.version()

        assert put(selling, WEB_SETUP) == SetupResult(0, 0, 0, 8, version)
        assert selling.setup() is setup

    def test_what_is_taken_away_is_gone(self, selling: Ledger) -> None:
        put(selling, WEB_SETUP)
        gone = SetupChange(
            settings={("web", "x"): None, ("", ""): None, ("pos", ""): None},
            allocations={"a1": None},
            kits={Sku("kit"): None},
            supplies={"s1": None},
        )

        assert astuple(put(selling, gone))[:4] == (0, 0, 5, 1)

        setup = selling.setup()
        assert (dict(setup.allocations), dict(setup.kits)) == ({}, {})
        assert setup.book.resolve("web", X).max_units == 0

    def test_one_breach_and_nothing_is_changed(self, selling: Ledger) -> None:
        put(selling, WEB_SETUP)
        setup, version = selling.setup(), selling.version()
        bad = SetupChange(
            channels={"pos": Channel("pos")},
            settings={("web", "x"): Settings(publication_threshold_units=3)},
        )

        with pytest.raises(InvalidChange) as refused:
            selling.put_setup(bad, [location("new")], request("bad"))

        assert [each.path for each in refused.value.violations] == [
            "settings.channel_skus[web,x].publication_threshold_units"
        ]
        assert selling.setup() is setup
        assert selling.version() == version
        assert "new" not in selling.network().index

    def test_locations_come_in_the_same_commit(self, selling: Ledger) -> None:
        rule = SupplyRule(include_ids=frozenset({LocationId("new")}))
        change = SetupChange(channels={"web": Channel("web", (rule,))})

        places = [location("new"), location("a", 1), location("b", 1)]
        result = put(selling, change, locations=places)

        assert astuple(result)[:4] == (2, 1, 0, 1)
        assert "new" in selling.network().index
        assert selling.setup().channels["web"].rules == (rule,)
        assert available(selling, "x")["a"] == 100

    def test_a_dry_run_changes_nothing(self, selling: Ledger) -> None:
        version = selling.version()

        result = put(
            selling,
            WEB_SETUP,
            locations=[location("new")],
            request=request("dry"),
            dry_run=True,
        )

        assert astuple(result)[:4] == (9, 0, 0, 0)
        assert selling.version() == version
        assert selling.setup() == Setup()
        # The id was not used up.
        assert (
            put(selling, WEB_SETUP, request=request("dry", b"other")).created_count == 8
        )

    def test_a_repeat_gets_the_first_reply(self, selling: Ledger) -> None:
        first = selling.put_setup(WEB_SETUP, (), request("r"))
        put(selling, SetupChange(kits={Sku("kit"): None}))

        assert selling.put_setup(WEB_SETUP, (), request("r")) == first
        assert dict(selling.setup().kits) == {}
        with pytest.raises(RequestReused):
            selling.put_setup(WEB_SETUP, (), request("r", b"other"))

    def test_an_allocation_is_consumed_from_when_it_is_there(
        self, selling: Ledger
    ) -> None:
        selling.reserve(on("web", reservation("1", ("a", "x", 5))))
        put(selling, WEB_SETUP)
        assert consumed(selling) == 0
        selling.reserve(on("web", reservation("2", ("a", "x", 7))))
        assert consumed(selling) == 7

        more = Allocation("a1", X, 99, channel_ids=frozenset({"web", "pos"}))
        put(
            selling,
            SetupChange(channels={"pos": Channel("pos")}, allocations={"a1": more}),
        )
        assert consumed(selling) == 7
        do(selling, "2", cancel(("a", "x", 3)))
        assert consumed(selling) == 4

        put(selling, SetupChange(allocations={"a1": None}))
        put(selling, SetupChange(allocations={"a1": more}))
        assert consumed(selling) == 0

    def test_positions_are_of_one_moment(self, selling: Ledger) -> None:
        put(selling, WEB_SETUP)
        seen = selling.positions([Sku("nothing"), X])

        assert seen.version == selling.version()
        assert seen.setup is selling.setup()
        assert seen.network is selling.grid().network
        assert seen.units.tolist() == [[0, 0], [100, 50]]
        assert (seen.counted_seconds > 0).tolist() == [[False] * 2, [True] * 2]

    def test_what_changed_since_a_mark(self, selling: Ledger) -> None:
        first = selling.changes()
        assert first.everything
        assert selling.changes(first.mark) == (frozenset(), False, first.mark)

        selling.reserve(on("web", reservation("1", ("a", "x", 1))))
        second = selling.changes(first.mark)
        assert second.skus == {"x"}
        assert not second.everything
        selling.reserve(on("web", reservation("2", queued=[queue("web", "z", 1)])))
        assert selling.changes(second.mark).skus == {"z"}
        assert selling.changes(first.mark).skus == {"x", "z"}

        put(selling, WEB_SETUP)
        assert selling.changes(second.mark).everything
        assert not selling.changes(selling.changes().mark).everything

    def test_marks_of_others_tell_nothing(self, selling: Ledger) -> None:
        mark = selling.changes().mark
        assert selling.changes(mark._replace(process_id="other")).everything
        assert selling.changes(mark._replace(place=mark.place + 1)).everything


def consumed(ledger: Ledger) -> int:
    """What is consumed of the allocation a1 now."""
    each = ledger.setup().allocations["a1"]
    promised = sum(counts(ledger, channel).promised for channel in each.channel_ids)
    return each.consumed_units + promised


class SellingContract(CountsContract, GuardContract, PurchaseContract, SetupContract):
    """All that a ledger promises of channels."""
