"""What a ledger must hold, in plain dictionaries: written from the protocol's words.

Nothing of the engine is called here. What is promised is not kept as a balance but
added up from the plans, so that it can not drift as a ledger's may.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from availability.errors import (
    AvailabilityError,
    InvalidChange,
    OrderAlreadyRouted,
    PlanChanged,
    ReservationResolved,
    StockConflict,
    UnitsNotOpen,
)

DAY = 86_400
OLDEST = 30 * DAY
"""No hold is kept longer, whatever work is open for it."""

Record = tuple[str, str]
"""(location, SKU); a queue's "location" is "@" and its channel."""

ZONES = ("p", "q")
"""Of location a; b has none."""
MOST_ORDERS, MOST_UNITS = 4, 20
"""What location a may take a day; b may take any."""

ENDS = ("shipped", "cancelled", "expired", "rejected")
"""The first of them that befell any unit is how a plan ended."""


class Refused(Exception):
    """The ledger must say no, with this error."""

    def __init__(self, error: type[AvailabilityError]) -> None:
        self.error = error


@dataclass
class ModelPlan:
    """A plan: what is open, and how every other unit ended."""

    order: str
    state: str
    created: float
    hold: int | None
    expires: float | None
    open: Counter[Record]
    work: str = ""
    revision: int = 0
    ended: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    days: dict[int, int] = field(default_factory=dict)
    """Units of location a's capacity, by day."""

    def end(self, units: Mapping[Record, int], how: str) -> None:
        """Resolve units; the last of them end the plan."""
        for (place, sku), count in units.items():
            self.open[place, sku] -= count
            self.ended[place, sku, how] += count

    def settle(self) -> None:
        """Leave the state that follows from what is open."""
        self.revision += 1
        if self.state in ("held", "placed") and not any(self.open.values()):
            ways = {how for (_, _, how), count in self.ended.items() if count}
            self.state = next(how for how in ENDS if how in ways)
        if self.state != "held":
            self.hold, self.expires, self.work = None, None, ""

    def placed(self) -> dict[Record, int]:
        """Units open at locations."""
        return {
            at: count for at, count in self.open.items() if count and at[0][0] != "@"
        }


@dataclass
class ModelWithdrawal:
    """Units out of sale from a time on, and until one."""

    units: int
    starts: float | None
    ends: float | None
    counts: bool


@dataclass
class Model:
    """The whole ledger."""

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Units by (location, SKU, zone), zone "" for what is in none."""
    records: set[Record] = field(default_factory=set)
    safety: Counter[Record] = field(default_factory=Counter)
    open_zones: set[str] = field(default_factory=lambda: {"p"})
    away: dict[Record, dict[str, ModelWithdrawal]] = field(default_factory=dict)
    plans: dict[str, ModelPlan] = field(default_factory=dict)

    # Balances.

    def on_hand(self, at: Record) -> int:
        """What counts: the part in no zone, and the zones that are available."""
        zones = ["", *sorted(self.open_zones)]
        return sum(self.counts[(*at, zone)] for zone in zones)

    def promised(self, at: Record, state: str) -> int:
        """Units that plans in a state have open."""
        return sum(x.open[at] for x in self.plans.values() if x.state == state)

    def withdrawn(self, at: Record) -> int:
        """Units out of sale now."""
        return sum(x.units for x in self.away.get(at, {}).values() if x.counts)

    def balances(self, at: Record) -> tuple[int, int, int, int, int]:
        """On hand, allocated, held, withdrawn, safety stock."""
        promised = self.promised(at, "placed"), self.promised(at, "held")
        return self.on_hand(at), *promised, self.withdrawn(at), self.safety[at]

    def left(self, at: Record) -> int:
        """What may be promised; below 0 in a deficit."""
        on_hand, *others = self.balances(at)
        return on_hand - sum(others)

    def load(self, day: int) -> tuple[int, int]:
        """Orders and units that location a was given on a day."""
        units = [plan.days[day] for plan in self.plans.values() if day in plan.days]
        return len(units), sum(units)

    def queued(self) -> dict[tuple[str, str], int]:
        """Units queued by (channel, SKU), where there are any."""
        total: Counter[tuple[str, str]] = Counter()
        for plan in self.plans.values():
            for (place, sku), count in plan.open.items():
                if place.startswith("@"):
                    total[place[1:], sku] += count
        return {at: count for at, count in total.items() if count}

    # What the ledger is told to do.

    def reserve(
        self,
        name: str,
        order: str,
        claims: Mapping[Record, int],
        queued: Mapping[Record, int],
        hold: int | None,
        now: float,
    ) -> None:
        """Promise everything, or refuse."""
        binding = ("held", "placed", "shipped")
        if any(x.order == order and x.state in binding for x in self.plans.values()):
            raise Refused(OrderAlreadyRouted)
        state = "none"
        if claims or queued:
            state = "placed" if hold is None else "held"
        if state != "held":
            hold = None
        expires = None if hold is None else now + hold
        plan = ModelPlan(order, state, now, hold, expires, Counter())
        self.plans[name] = plan
        plan.open.update(queued)
        self._claim(plan, claims, now)

    def _claim(self, plan: ModelPlan, claims: Mapping[Record, int], now: float) -> None:
        plan.open.update(claims)
        for at in claims:
            if at not in self.records or self.left(at) < 0:
                raise Refused(StockConflict)
        units = sum(count for at, count in claims.items() if at[0] == "a")
        if units:
            day = int(now // DAY)
            plan.days[day] = plan.days.get(day, 0) + units
            orders, total = self.load(day)
            if orders > MOST_ORDERS or total > MOST_UNITS:
                raise Refused(StockConflict)

    def _give_back(self, plan: ModelPlan, units: Mapping[Record, int]) -> None:
        count = sum(count for at, count in units.items() if at[0] == "a")
        for day in sorted(plan.days, reverse=True):
            part = min(count, plan.days[day])
            count -= part
            plan.days[day] -= part
            if not plan.days[day]:
                del plan.days[day]

    def place(self, name: str) -> None:
        """Held becomes allocated, be it late or not."""
        plan = self._plan(name, "held")
        plan.state = "placed"
        plan.settle()

    def extend(self, name: str, seconds: int, work: str, now: float) -> None:
        """Hold anew from now on."""
        plan = self._plan(name, "held")
        plan.hold, plan.work = seconds, work
        plan.expires = min(now + seconds, plan.created + OLDEST)
        plan.settle()

    def ship(self, name: str, units: Mapping[Record, int] | None) -> None:
        """Take units off the count and off what is promised."""
        plan = self._plan(name, "placed")
        units = plan.placed() if units is None else units
        self._must_be_open(plan, units)
        for at, count in units.items():
            missing = count - self.on_hand(at)
            self.counts[(*at, "")] += max(0, missing)
            self._take(at, count)
        plan.end(units, "shipped")
        plan.settle()

    def _take(self, at: Record, units: int) -> None:
        for zone in ["", *sorted(self.open_zones)]:
            part = min(units, self.counts[(*at, zone)])
            self.counts[(*at, zone)] -= part
            units -= part
        assert units == 0

    def cancel(self, name: str, units: Mapping[Record, int] | None) -> None:
        """Release units, and give back their capacity."""
        plan = self._plan(name, "held", "placed")
        if units is None:
            units = {at: count for at, count in plan.open.items() if count}
        self._must_be_open(plan, units)
        plan.end(units, "cancelled")
        self._give_back(plan, units)
        plan.settle()

    def swap(
        self,
        name: str,
        revision: int,
        released: Mapping[Record, int],
        claims: Mapping[Record, int],
        how: str,
        correction: tuple[int | None, int] | None,
        now: float,
    ) -> None:
        """Release, correct the count of what was released, claim: all or nothing."""
        plan = self._plan(name, "held", "placed")
        if revision != plan.revision:
            raise Refused(PlanChanged)
        self._must_be_open(plan, released)
        plan.end(released, how)
        self._give_back(plan, released)
        if correction is not None:
            (at,) = released
            fewer, broken = correction
            on_hand = self.on_hand(at)
            self._take(at, on_hand if fewer is None else min(fewer, on_hand))
            if broken:
                always = ModelWithdrawal(broken, None, None, counts=True)
                self.away.setdefault(at, {})[f"{name} {revision}"] = always
        plan.open.update({at: n for at, n in claims.items() if at[0][0] == "@"})
        places = {at: n for at, n in claims.items() if at[0][0] != "@"}
        self._claim(plan, places, now)
        plan.settle()

    def sweep(self, now: float) -> tuple[int, int, int, int]:
        """Return the holds expired and extended, withdrawals begun and ended."""
        expired = extended = begun = ended = 0
        for plan in self.plans.values():
            if plan.expires is None or plan.expires > now:
                continue
            if plan.work and now < plan.created + OLDEST and plan.hold is not None:
                plan.expires = min(now + plan.hold, plan.created + OLDEST)
                extended += 1
            else:
                rest = {at: count for at, count in plan.open.items() if count}
                plan.end(rest, "expired")
                self._give_back(plan, rest)
                expired += 1
            plan.settle()
        for here in self.away.values():
            for name, each in list(here.items()):
                if each.ends is not None and each.ends <= now:
                    del here[name]
                    ended += 1
                elif not each.counts and each.starts is not None and each.starts <= now:
                    each.counts = True
                    begun += 1
        return expired, extended, begun, ended

    def put_away(
        self,
        at: Record,
        given: Iterable[tuple[str, int, float | None, float | None]],
        now: float,
    ) -> None:
        """Replace all withdrawals of a record."""
        if at not in self.records:
            raise Refused(InvalidChange)
        self.away[at] = {
            name: ModelWithdrawal(units, starts, ends, starts is None or starts <= now)
            for name, units, starts, ends in given
            if ends is None or ends > now
        }

    def import_stock(
        self, mode: str, changes: Mapping[tuple[str, str, str], int]
    ) -> None:
        """Count each zone named; a snapshot zeroes the rest of the locations named."""
        if mode == "delete":
            for place, sku, _ in changes:
                for zone in ["", *ZONES]:
                    self.counts[place, sku, zone] = 0
            return
        counts = self.counts.copy()
        if mode == "snapshot":
            places = {place for place, _, _ in changes}
            for at in counts:
                if at[0] in places:
                    counts[at] = 0
        for at, units in changes.items():
            counts[at] = units + (counts[at] if mode == "delta" else 0)
        if any(units < 0 for units in counts.values()):
            raise Refused(InvalidChange)
        self.counts = counts
        self.records |= {(place, sku) for place, sku, _ in changes}

    def _plan(self, name: str, *states: str) -> ModelPlan:
        plan = self.plans[name]
        if plan.state not in states:
            raise Refused(ReservationResolved)
        return plan

    @staticmethod
    def _must_be_open(plan: ModelPlan, units: Mapping[Record, int]) -> None:
        if any(count > plan.open[at] for at, count in units.items()):
            raise Refused(UnitsNotOpen)
