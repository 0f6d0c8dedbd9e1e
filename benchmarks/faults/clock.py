"""A clock that steps: holds may end early or late by the step, and nothing is lost.

The ledger's clock is ``true time + offset``; the offset is 0 or one step, and
changes at random moments, some of them around midnight, when capacities are reset.
A model of what was acknowledged is kept, and compared with the ledger.
"""

import collections
import itertools
import random
import signal
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from availability.errors import ReservationResolved, StockConflict
from availability.ledger.open import open_ledger
from availability.ledger.protocol import Ledger
from availability.model import (
    ImportMode,
    Location,
    LocationId,
    Request,
    Sku,
    StockChange,
)
from availability.reservations import (
    Cancel,
    Claim,
    Place,
    PlanRef,
    Reservation,
    ReservationState,
)
from benchmarks.faults.answers import Verdict
from benchmarks.faults.checker import records
from benchmarks.faults.harness import Server
from benchmarks.faults.kill import Size, strike
from benchmarks.faults.scenario import Probe, Say
from benchmarks.faults.stepped import STEP_SECONDS

DAY_SECONDS = 86_400
CAPACITY = 7
"""Orders a day that the first location takes."""
PLACES = ("capped", "free")
HOLDS_SECONDS = (60, 280, 301, 700)
BEFORE_MIDNIGHT_SECONDS = 900.0


@dataclass
class Hold:
    """A cart that was acknowledged, at a time that never steps."""

    plan_id: str
    at: float
    seconds: int


@dataclass
class Model:
    """What was acknowledged."""

    replies: dict[str, Reservation] = field(default_factory=dict)
    states: dict[str, ReservationState] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    days: collections.Counter[int] = field(default_factory=collections.Counter)


class Stepping:
    """One ledger under a clock that steps, and the model of it."""

    def __init__(self, database: str, step: float, seed: int) -> None:
        self.now = 20_000 * DAY_SECONDS - BEFORE_MIDNIGHT_SECONDS
        self.offset = 0.0
        self.model, self.verdict = Model(), Verdict()
        self.steps = self.expired = 0
        self._database, self._step = database, step
        self._rng = random.Random(f"clock/{step}/{seed}")
        self._numbers = itertools.count()
        self.ledger = self._opened()

    def clock(self) -> float:
        """Return the time that the ledger sees."""
        return self.now + self.offset

    def _opened(self) -> Ledger:
        return open_ledger(self._database, self.clock)

    def load(self) -> None:
        """Put two locations, one with a capacity, and their stock."""
        self.ledger.put_locations(
            [
                Location(LocationId("capped"), 1, capacity_orders=CAPACITY),
                Location(LocationId("free"), 2),
            ]
        )
        self.ledger.import_stock(
            ImportMode.SET,
            [StockChange(LocationId(each), Sku("s"), 1_000_000) for each in PLACES],
        )

    def act(self) -> None:
        """Advance the time, and do one thing at random."""
        self.now += self._rng.uniform(0.1, 20.0)
        actions: list[Callable[[], None]] = [
            *(self.reserve, self.reserve, self.reserve),
            *(self.repeat, self.place, self.cancel, self.sweep, self.sweep, self.step),
        ]
        if self._rng.random() < 0.02:
            self.reopen()
        self._rng.choice(actions)()

    def step(self) -> None:
        """Step the clock, or step it back."""
        self.offset = self._step if self.offset == 0.0 else 0.0
        self.steps += 1

    def reopen(self) -> None:
        """Restart: memory is read from the database."""
        self.ledger.close()
        self.ledger = self._opened()

    def reserve(self) -> None:
        """Place an order, or hold a cart."""
        name = f"{next(self._numbers)}"
        at = LocationId(self._rng.choice(PLACES))
        seconds = self._rng.choice((None, *HOLDS_SECONDS))
        reservation = Reservation(
            plan_id=f"plan-{name}",
            order_id=f"order-{name}",
            claims=(Claim(at, Sku("s"), self._rng.randint(1, 3), line_id="1"),),
            reply=f"reply-{name}".encode(),
            request=Request(f"request-{name}", b"body"),
            hold_seconds=seconds,
        )
        day = int(self.clock() // DAY_SECONDS)
        full = at == "capped" and self.model.days[day] >= CAPACITY
        try:
            reply = self.ledger.reserve(reservation)
        except StockConflict:
            if not full:
                self.verdict.breaches.append(f"{name} was refused on day {day}")
            return
        if full:
            self.verdict.breaches.append(f"{name} is too much for day {day}")
        if reply != reservation.reply:
            self.verdict.breaches.append(f"{name} was answered {reply!r}")
        plan_id = reservation.plan_id
        self.model.replies[plan_id] = reservation
        self.model.days[day] += at == "capped"
        self.model.states[plan_id] = ReservationState.PLACED
        if seconds is not None:
            self.model.states[plan_id] = ReservationState.HELD
            self.model.holds[plan_id] = Hold(plan_id, self.now, seconds)

    def repeat(self) -> None:
        """Send a request again: it has no effect and the same answer."""
        if self.model.replies:
            each = self._rng.choice(list(self.model.replies.values()))
            if self.ledger.reserve(each) != each.reply:
                self.verdict.breaches.append(f"{each.plan_id} has another reply")

    def place(self) -> None:
        """Make a cart an order; refused only if its time may be over."""
        if not self.model.holds:
            return
        hold = self._rng.choice(list(self.model.holds.values()))
        del self.model.holds[hold.plan_id]
        try:
            self.ledger.change(PlanRef(hold.plan_id), Place())
        except ReservationResolved:
            self._ended(hold)
        else:
            self.model.states[hold.plan_id] = ReservationState.PLACED

    def cancel(self) -> None:
        """Cancel an order, or a cart."""
        open_ = [
            plan_id
            for plan_id, state in self.model.states.items()
            if state is ReservationState.PLACED
        ]
        if open_ and self._rng.random() < 0.5:
            plan_id = self._rng.choice(open_)
            self.ledger.change(PlanRef(plan_id), Cancel())
            self.model.states[plan_id] = ReservationState.CANCELLED
            self._free(plan_id)

    def _free(self, plan_id: str) -> None:
        """Give a day its order back in the model; the ledger knows which day."""
        plan = self.model.replies[plan_id]
        if plan.claims[0].location_id == "capped":
            self.model.days[self.reserved_on(plan_id)] -= 1

    def reserved_on(self, plan_id: str) -> int:
        """Return the UTC day, by the ledger's clock, when a plan was made."""
        record = self.ledger.reservation(PlanRef(plan_id))
        return int(record.created_seconds // DAY_SECONDS)

    def sweep(self) -> None:
        """End what is due: early or late by one step, and by no more."""
        self.ledger.sweep()
        for hold in list(self.model.holds.values()):
            state = self.ledger.reservation(PlanRef(hold.plan_id)).state
            if state is ReservationState.EXPIRED:
                del self.model.holds[hold.plan_id]
                self._ended(hold)
            elif self.now >= hold.at + hold.seconds + abs(self._step) + 1:
                self.verdict.breaches.append(f"{hold} ends too late, at {self.now}")

    def _ended(self, hold: Hold) -> None:
        self.expired += 1
        self.model.states[hold.plan_id] = ReservationState.EXPIRED
        self._free(hold.plan_id)
        if self.now < hold.at + hold.seconds - abs(self._step) - 1:
            self.verdict.breaches.append(f"{hold} ended too early, at {self.now}")

    def judge(self) -> None:
        """Compare the ledger with the model: in memory, and as it is stored."""
        self.sweep()
        for _ in range(2):
            self._judge_once()
            self.reopen()

    def _judge_once(self) -> None:
        ledger, model, claim = self.ledger, self.model, self.verdict.claim
        held: collections.Counter[str] = collections.Counter()
        for plan_id, plan in model.replies.items():
            record = ledger.reservation(PlanRef(plan_id))
            if ledger.replay(plan.request) != plan.reply:
                claim("acknowledged and lost", [plan_id])
            if record.state is not model.states[plan_id]:
                claim("state", [f"{record.state}, not {model.states[plan_id]}"])
            if record.state in (ReservationState.HELD, ReservationState.PLACED):
                held[plan.claims[0].location_id] += plan.claims[0].quantity
        for each in records(ledger):
            if each.allocated + each.held != held[each.location_id]:
                claim("balance", [f"{each}, not {held[each.location_id]}"])
        left = ledger.capacity_left()[LocationId("capped")].orders
        day = int(self.clock() // DAY_SECONDS)
        if left != CAPACITY - model.days[day]:
            claim("capacity", [f"{left} left on day {day}, {model.days[day]} taken"])
        claim("audit", ledger.audit().drifts)
        self.verdict.acknowledged = len(model.replies)


def served(
    database: str, folder: Path, size: Size, seed: int = 0, say: Say = print
) -> Verdict:
    """Step the clock of a whole server back and forth, under load."""
    turns = itertools.cycle((signal.SIGUSR1, signal.SIGUSR2))
    say(f"{size.kills} steps of a server's clock, forwards and back")

    def turn(server: Server, _: Probe) -> None:
        server.signal(next(turns))

    module = "benchmarks.faults.stepped"
    return strike(database, folder, size, seed, say, turn, module=module)


def step(
    database: str,
    _folder: Path,
    *,
    actions: int,
    sign: int,
    seed: int = 0,
    say: Say = print,
) -> Verdict:
    """Step a ledger's clock by 5 minutes, forwards (sign 1) or backwards (-1)."""
    run = Stepping(database, sign * STEP_SECONDS, seed)
    try:
        run.load()
        for _ in range(actions):
            run.act()
        run.judge()
    finally:
        with closing(run.ledger):
            pass
    days = {day - 20_000: n for day, n in sorted(run.model.days.items())}
    say(
        f"{actions} actions over {(run.now / DAY_SECONDS - 20_000) * 24:.1f} h after "
        f"midnight, {run.steps} steps of {sign * STEP_SECONDS:.0f} s, seed {seed}: "
        f"{run.verdict.acknowledged} acknowledged, {run.expired} expired, taken per "
        f"day {days}"
    )
    for each in run.verdict.breaches:
        say(f"BREACH {each}")
    say(f"breaches: {len(run.verdict.breaches)}")
    return run.verdict
