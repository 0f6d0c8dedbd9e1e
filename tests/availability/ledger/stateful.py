"""Anything in any order, against a model: the same machine for every database.

A database's test makes a subclass of `LedgerMachine` with two methods, and gives its
``TestCase`` the `SETTINGS`; test_stateful_sqlite.py shows how.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from availability.errors import AvailabilityError
from availability.ledger.protocol import Ledger
from availability.model import ImportMode, Location, Request, Sku, Zone
from availability.reservations import (
    Cancel,
    Cause,
    Claim,
    Command,
    Extend,
    Place,
    Queued,
    Ship,
)
from tests.availability.ledger.stateful_model import (
    DAY,
    MOST_ORDERS,
    MOST_UNITS,
    ZONES,
    Model,
    Record,
    Refused,
)
from tests.availability.ledger.world import (
    Clock,
    change,
    check_books,
    claim,
    correction,
    location,
    queue,
    record_of,
    records,
    ref,
    reservation,
    swap,
    withdrawal,
    withdrawals,
)

SETTINGS = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=12,
    stateful_step_count=50,
    suppress_health_check=list(HealthCheck),
)
"""The same examples every time; a few seconds for a database."""

PLACES, SKUS = ("a", "b"), ("x", "y")
COLUMNS = ("shipped", "cancelled", "rejected", "expired", "moved")

Units = dict[Record, int]

places = st.tuples(st.sampled_from(PLACES), st.sampled_from(SKUS))
queues = st.tuples(st.just("@web"), st.sampled_from(SKUS))
few = st.integers(1, 4)
any_plan = st.integers(0, 7)
"""Which of the latest eight plans."""


def claims_of(units: Units) -> list[Claim]:
    return [claim(*at, n) for at, n in units.items() if at[0][0] != "@"]


def queued_of(units: Units) -> list[Queued]:
    return [queue(at[0][1:], at[1], n) for at, n in units.items() if at[0][0] == "@"]


class LedgerMachine(RuleBasedStateMachine):
    """Does the same to a ledger and to a model, and compares all they hold."""

    ledger: Ledger

    def open_ledger(self, clock: Clock) -> Ledger:
        """Return a new, empty ledger with this clock."""
        raise NotImplementedError

    def crash_and_reopen(self) -> Ledger:
        """Return a ledger that has what is durable of ``self.ledger``, and no more.

        ``self.ledger`` was not closed before; it may be closed now, or left.
        """
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.model = Model()
        self.version = 0
        self.done: list[tuple[Request, Callable[[Request], bytes], bytes]] = []

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()

    @initialize(
        units=st.integers(4, 20),
        carts=st.lists(
            st.dictionaries(places, few, min_size=1), min_size=3, max_size=5
        ),
        queued=st.dictionaries(queues, few, min_size=1),
    )
    def opened(self, units: int, carts: list[Units], queued: Units) -> None:
        """Begin with some stock and some plans, or most steps would have none."""
        self.ledger = self.open_ledger(self.clock)
        self.ledger.put_locations([self.depot(), location("b", 2)])
        for at in (("a", "x", "p"), ("a", "y", ""), ("b", "x", ""), ("b", "y", "")):
            self.counted("set", {at: units})
        for n, cart in enumerate(carts):
            self.reserved(n, cart, queued if n == 2 else {}, [60, None, None][n % 3])

    def depot(self) -> Location:
        zones = tuple(Zone(each, each in self.model.open_zones) for each in ZONES)
        limits = {"capacity_orders": MOST_ORDERS, "capacity_units": MOST_UNITS}
        return location("a", 1, zones=zones, **limits)

    def both(
        self, write: Callable[[Request], bytes], told: Callable[[Model], object]
    ) -> None:
        """Write, and tell the model: both do it, or refuse it for the same reason."""
        after, expected = deepcopy(self.model), None
        try:
            told(after)
        except Refused as refusal:
            expected = refusal.error
        request = Request(f"request {len(self.done)}", b"digest")
        found = None
        try:
            reply = write(request)
        except AvailabilityError as error:
            found = type(error)
        assert found is expected
        if found is None:
            self.model = after
            self.done.append((request, write, reply))

    def change(
        self, name: str, command: Command, told: Callable[[Model], object]
    ) -> None:
        self.both(lambda request: self.ledger.change(ref(name), command, request), told)

    def named(self, nth: int) -> str:
        latest = list(self.model.plans)[-8:]
        return latest[nth % len(latest)]

    # What happens.

    @rule(
        order=st.integers(0, 9),
        claims=st.dictionaries(places, few, max_size=3),
        queued=st.dictionaries(queues, few, max_size=1),
        hold=st.sampled_from([None, None, 30, 600]),
    )
    def reserve(self, order: int, claims: Units, queued: Units, hold: Any) -> None:
        self.reserved(order, claims, queued, hold)

    @rule(order=st.integers(0, 19), claims=st.dictionaries(places, few, min_size=1))
    def fill_a_cart(self, order: int, claims: Units) -> None:
        self.reserved(order, claims, {}, 60)

    def reserved(self, order: int, claims: Units, queued: Units, hold: Any) -> None:
        name, order_id = str(len(self.done)), f"order {order}"

        def write(request: Request) -> bytes:
            job = reservation(
                name,
                *claims_of(claims),
                order=order_id,
                request=request,
                hold=hold,
                queued=queued_of(queued),
            )
            return self.ledger.reserve(job)

        told = name, order_id, claims, queued, hold, self.clock.now
        self.both(write, lambda model: model.reserve(*told))

    @precondition(lambda self: self.model.plans)
    @rule(nth=any_plan)
    def place(self, nth: int) -> None:
        name = self.named(nth)
        self.change(name, Place(), lambda model: model.place(name))

    @precondition(lambda self: self.model.plans)
    @rule(nth=any_plan, seconds=st.sampled_from([10, 300]), work=st.sampled_from("w "))
    def extend(self, nth: int, seconds: int, work: str) -> None:
        name, work = self.named(nth), work.strip()
        told = name, seconds, work, self.clock.now
        self.change(name, Extend(seconds, work), lambda model: model.extend(*told))

    @precondition(lambda self: self.model.plans)
    @rule(nth=any_plan, units=st.none() | st.dictionaries(places, few, min_size=1))
    def ship(self, nth: int, units: Units | None) -> None:
        self.shipped(self.named(nth), units)

    def shipped(self, name: str, units: Units | None) -> None:
        command = Ship(None if units is None else tuple(claims_of(units)))
        self.change(name, command, lambda model: model.ship(name, units))

    @precondition(lambda self: self.model.plans)
    @rule(nth=any_plan, most=few, resolve=st.sampled_from(["ship", "cancel"]))
    def resolve_a_part(self, nth: int, most: int, resolve: str) -> None:
        name = self.named(nth)
        units = {at: min(n, most) for at, n in self.model.plans[name].placed().items()}
        if resolve == "ship":
            self.shipped(name, units)
        else:
            self.cancelled(name, units)

    @precondition(lambda self: self.model.plans)
    @rule(
        nth=any_plan,
        units=st.none() | st.dictionaries(places | queues, few, min_size=1),
    )
    def cancel(self, nth: int, units: Units | None) -> None:
        self.cancelled(self.named(nth), units)

    def cancelled(self, name: str, units: Units | None) -> None:
        command = Cancel()
        if units is not None:
            command = Cancel(tuple(claims_of(units)), tuple(queued_of(units)))
        self.change(name, command, lambda model: model.cancel(name, units))

    @precondition(lambda self: self.model.plans)
    @rule(
        nth=any_plan,
        most=few,
        to=st.none() | places | queues,
        fewer=st.sampled_from([None, 0, 1, 9]),
        broken=st.integers(0, 2),
        stale=st.sampled_from([0, 0, 0, 1]),
    )
    def reject(
        self,
        nth: int,
        most: int,
        to: Record | None,
        fewer: Any,
        broken: int,
        stale: int,
    ) -> None:
        """A location rejects units: another has them, they queue, or nobody does."""
        name = self.named(nth)
        plan = self.model.plans[name]
        at, count = next(iter(sorted(plan.placed().items())), (("a", "x"), 1))
        released = {at: min(most, count)}
        claims = {} if to is None else {to: released[at]}
        revision = plan.revision - stale
        command = swap(
            revision,
            claims_of(released),
            claims_of(claims),
            cause=Cause.REJECTED,
            corrections=[correction(*at, fewer, broken)],
            queued=queued_of(claims),
        )
        told = (name, revision, released, claims, "rejected", (fewer, broken))
        now = self.clock.now
        self.change(name, command, lambda model: model.swap(*told, now))

    @precondition(lambda self: self.model.plans)
    @rule(nth=any_plan, sku=st.sampled_from(SKUS), to=st.sampled_from(PLACES))
    def serve_the_queue(self, nth: int, sku: str, to: str) -> None:
        name = self.named(nth)
        plan = self.model.plans[name]
        count = plan.open["@web", sku] or 1
        waiting, claims = {("@web", sku): count}, {(to, sku): count}
        command = swap(
            plan.revision, claims=claims_of(claims), dequeued=queued_of(waiting)
        )
        told = (name, plan.revision, waiting, claims, "moved", None, self.clock.now)
        self.change(name, command, lambda model: model.swap(*told))

    @rule(seconds=st.sampled_from([0, 5, 30, 600, DAY, 40 * DAY]), sweep=st.booleans())
    def time_passes(self, seconds: int, sweep: bool) -> None:
        self.clock.now += seconds
        if sweep:
            assert tuple(self.ledger.sweep()) == self.model.sweep(self.clock.now)

    @rule(
        mode=st.sampled_from(["set", "snapshot", "delta", "delete"]),
        changes=st.dictionaries(
            st.tuples(places, st.sampled_from(["", *ZONES])),
            st.integers(0, 12),
            min_size=1,
            max_size=3,
        ),
        lower=st.booleans(),
    )
    def count(
        self, mode: str, changes: dict[tuple[Record, str], int], lower: bool
    ) -> None:
        if mode == "delete":
            self.counted(mode, {(*at, ""): 0 for at, _ in changes})
            return
        sign = -1 if mode == "delta" and lower else 1
        self.counted(
            mode,
            {
                (*at, zone if at[0] == "a" else ""): sign * units
                for (at, zone), units in changes.items()
            },
        )

    def counted(self, mode: str, changes: dict[tuple[str, str, str], int]) -> None:
        given = [change(at, sku, n, None, z) for (at, sku, z), n in changes.items()]
        self.both(
            lambda asked: self.ledger.import_stock(ImportMode(mode), given, asked),
            lambda model: model.import_stock(mode, changes),
        )

    @rule(at=places, units=st.integers(0, 5))
    def keep_back(self, at: Record, units: int) -> None:
        given = [change(*at, 7, units)]

        def told(model: Model) -> None:
            model.import_stock("set", {(*at, ""): 7})
            model.safety[at] = units

        self.both(
            lambda asked: self.ledger.import_stock(ImportMode.SET, given, asked), told
        )

    @rule(
        at=places,
        given=st.dictionaries(
            st.sampled_from("12"),
            st.tuples(
                few,
                st.sampled_from([None, -10, 5, 60]),
                st.sampled_from([None, 0, 61, 600]),
            ),
        ),
    )
    def put_away(
        self, at: Record, given: dict[str, tuple[int, int | None, int | None]]
    ) -> None:
        now = self.clock.now
        dated: list[tuple[str, int, float | None, float | None]] = []
        for name, (units, starts, ends) in given.items():
            start = None if starts is None else now + starts
            end = None if ends is None else max(now + ends, (start or now) + 1)
            dated.append((name, units, start, end))
        away = [withdrawal(name, *at, n, *dates) for name, n, *dates in dated]
        changes = [withdrawals(*at, *away)]
        self.both(
            lambda asked: self.ledger.put_withdrawals(changes, asked),
            lambda model: model.put_away(at, dated, now),
        )

    @rule(zone=st.sampled_from(ZONES))
    def flip(self, zone: str) -> None:
        self.model.open_zones ^= {zone}
        self.ledger.put_locations([self.depot()])

    @precondition(lambda self: self.done)
    @rule(nth=st.integers(0, 1_000))
    def repeat(self, nth: int) -> None:
        request, write, reply = self.done[nth % len(self.done)]
        assert write(request) == reply == self.ledger.replay(request)

    @rule()
    def crash(self) -> None:
        self.ledger = self.crash_and_reopen()

    @rule()
    def nothing_is_to_be_done(self) -> None:
        self.ledger.refresh()
        assert self.ledger.audit(repair=True).drifts == ()

    # What must hold after every step.

    @invariant()
    def balances_are_the_models(self) -> None:
        found = {
            (x.location_id, x.sku): (
                x.on_hand, x.allocated, x.held, x.withdrawn, x.safety_stock
            )
            for x in records(self.ledger, limit=100)
        }  # fmt: skip
        expected = {at: self.model.balances(at) for at in self.model.records}
        assert found == expected
        assert all(min(each) >= 0 for each in found.values())
        for x in records(self.ledger, limit=100):
            assert x.available == max(0, self.model.left((x.location_id, x.sku)))

    @invariant()
    def zones_and_withdrawals_are_the_models(self) -> None:
        found = {
            (x.location_id, x.sku, x.zone_id): x.on_hand
            for x in self.ledger.zones([Sku(each) for each in SKUS])
        }
        counts = self.model.counts
        expected = {at: n for at, n in counts.items() if at[0] == "a" and n}
        assert {at: n for at, n in found.items() if n} == expected
        away = [
            (x.location_id, x.sku, x.quantity, x.starts_seconds, x.ends_seconds)
            for x in self.ledger.withdrawals()
        ]
        assert sorted(away, key=str) == sorted(
            (
                (*at, x.units, x.starts, x.ends)
                for at, here in self.model.away.items()
                for x in here.values()
            ),
            key=str,
        )

    @invariant()
    def plans_are_the_models(self) -> None:
        for name, plan in list(self.model.plans.items())[-8:]:
            found = record_of(self.ledger, name)
            assert (found.state, found.revision) == (plan.state, plan.revision)
            assert (found.order_id, found.work) == (plan.order, plan.work)
            assert found.expires_seconds == plan.expires
            for x in found.holdings:
                at = x.location_id or f"@{x.channel_id}", x.sku
                assert x.open == plan.open[at] >= 0
                for column in COLUMNS:
                    assert getattr(x, column) == plan.ended[(*at, column)]
            assert found.open_units == sum(plan.open.values())

    @invariant()
    def memory_is_the_models(self) -> None:
        assert dict(self.ledger.queued()) == self.model.queued()
        orders, units = self.model.load(int(self.clock.now // DAY))
        left = dict(self.ledger.capacity_left())
        assert {at: tuple(each) for at, each in left.items()} == {
            "a": (MOST_ORDERS - orders, MOST_UNITS - units)
        }

    @invariant()
    def books_balance(self) -> None:
        check_books(self.ledger)
        assert self.ledger.version() >= self.version
        self.version = self.ledger.version()
