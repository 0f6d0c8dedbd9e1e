"""The contract every ledger keeps, whichever database is under it.

A database's test inherits `LedgerContract` and gives one fixture, `make_ledger`,
which makes an empty ledger with the clock it is given, and closes it at the end;
and two methods, `tamper` and `capacity_on_disk`.
"""

from collections.abc import Callable, Iterator, Mapping
from random import Random

import pytest

from availability.errors import AvailabilityError, StockConflict, StoreUnavailable
from availability.ledger.protocol import CapacityLeft, Ledger, StockCursor
from availability.model import ImportMode, LocationId, Sku, StockChange
from availability.reservations import Reservation, Ship
from tests.availability.ledger.contract.audit import AuditContract
from tests.availability.ledger.contract.capacity import MIDNIGHT, CapacityContract
from tests.availability.ledger.contract.counts import (
    CountedContract,
    DeleteContract,
    DropContract,
    DryRunContract,
)
from tests.availability.ledger.contract.expiry import ExpiryContract
from tests.availability.ledger.contract.freed import FreedCapacityContract
from tests.availability.ledger.contract.imports import ImportContract, ReplayContract
from tests.availability.ledger.contract.life import LifeContract
from tests.availability.ledger.contract.locations import LocationContract
from tests.availability.ledger.contract.movements import MovementContract
from tests.availability.ledger.contract.orders import OrderContract
from tests.availability.ledger.contract.queue import QueueContract
from tests.availability.ledger.contract.races import RaceContract
from tests.availability.ledger.contract.reserve import ReserveContract
from tests.availability.ledger.contract.selling import SellingContract
from tests.availability.ledger.contract.swap import SwapContract
from tests.availability.ledger.contract.together import (
    OpenPlansContract,
    TogetherContract,
)
from tests.availability.ledger.contract.withdrawals import WithdrawalContract
from tests.availability.ledger.contract.zones import ZoneContract
from tests.availability.ledger.world import (
    Clock,
    change,
    check_books,
    check_grid,
    location,
    records,
    ref,
    request,
    reservation,
    stocked,
    withdrawals,
)


class ReadContract:
    @pytest.fixture
    def world(self, ledger: Ledger) -> Ledger:
        """Three locations, ranked c, a, b; SKUs that a collation might reorder."""
        ledger.put_locations([location("a", 2), location("b", 2), location("c", 1)])
        ledger.import_stock(
            ImportMode.SET,
            [change(at, sku, 1) for at in "abc" for sku in ("B", "a", "é", "10", "9")],
        )
        return ledger

    @pytest.mark.parametrize("limit", [1, 2, 4, 15, 16])
    def test_pages_are_by_sku_then_rank(self, world: Ledger, limit: int) -> None:
        found: list[tuple[str, str]] = []
        page = world.stock(limit=limit)
        while True:
            found += [(each.sku, each.location_id) for each in page.records]
            assert page.version == world.version()
            if page.after is None:
                break
            assert len(page.records) == limit
            page = world.stock(after=page.after, limit=limit)

        # Code points decide, as Python compares strings.
        assert found == [
            (sku, at) for sku in sorted(["B", "a", "é", "10", "9"]) for at in "cab"
        ]

    def test_filters(self, world: Ledger) -> None:
        def found(skus: list[str], places: list[str], **more: object) -> list[str]:
            page = world.stock(
                [Sku(each) for each in skus],
                [LocationId(each) for each in places],
                **more,  # type: ignore[arg-type]
            )
            return [f"{each.sku}@{each.location_id}" for each in page.records]

        assert found(["é", "9"], []) == ["9@c", "9@a", "9@b", "é@c", "é@a", "é@b"]
        assert found(["9", "nothing", "9"], ["b", "c", "nowhere"]) == ["9@c", "9@b"]
        assert found(["nothing"], []) == found([], ["nowhere"]) == []
        after = StockCursor(Sku("9"), LocationId("c"))
        assert found(["é", "9"], ["b", "c"], after=after) == ["9@b", "é@c", "é@b"]
        # A cursor at a location that is not there goes on with the next SKU.
        after = StockCursor(Sku("9"), LocationId("nowhere"))
        assert found([], ["a"], after=after, limit=1) == ["B@a"]

    @pytest.mark.parametrize("limit", [0, -1, 10_001])
    def test_a_page_has_a_limit(self, ledger: Ledger, limit: int) -> None:
        with pytest.raises(ValueError, match="limit"):
            ledger.stock(limit=limit)

    def test_a_closed_ledger(
        self, make_ledger: Callable[[Clock], Ledger], clock: Clock
    ) -> None:
        ledger = make_ledger(clock)
        stocked(ledger, {("a", "x"): 1})

        ledger.close()
        ledger.close()

        for call in (
            lambda: ledger.put_locations([location("b")]),
            lambda: ledger.import_stock(ImportMode.SET, [change("a", "x", 2)]),
            lambda: ledger.reserve(reservation("1", ("a", "x", 1))),
            lambda: ledger.change(ref("1"), Ship()),
            lambda: ledger.sweep(),
            lambda: ledger.put_withdrawals([withdrawals("a", "x")]),
            lambda: ledger.plan("plan-1"),
            lambda: ledger.reservation(ref("1")),
            lambda: ledger.replay(request("r")),
            lambda: ledger.withdrawals(),
            lambda: ledger.zones([Sku("x")]),
            lambda: ledger.movements(),
            lambda: ledger.audit(),
            lambda: ledger.audit(repair=True),
            lambda: ledger.stock(),
        ):
            with pytest.raises(StoreUnavailable):
                call()
        outcomes = ledger.reserve_many([reservation("1"), reservation("2")])
        assert [type(each) for each in outcomes] == [StoreUnavailable] * 2


class Model:
    """What the stock must be, in a dictionary: (on hand, allocated, safety)."""

    def __init__(self) -> None:
        self.stock: dict[tuple[str, str], tuple[int, int, int]] = {}
        self.inactive: set[str] = set()

    def apply(self, mode: ImportMode, changes: list[StockChange]) -> None:
        if mode is ImportMode.SNAPSHOT:
            places = {each.location_id for each in changes}
            for (at, sku), (_, held, safety) in self.stock.items():
                if at in places:
                    self.stock[at, sku] = (0, held, safety)
        for each in changes:
            key = (each.location_id, each.sku)
            if mode is ImportMode.DELETE and key not in self.stock:
                continue
            on_hand, held, safety = self.stock.get(key, (0, 0, 0))
            on_hand = on_hand if mode is ImportMode.DELTA else 0
            if each.safety_stock is not None:
                safety = each.safety_stock
            self.stock[key] = (on_hand + each.on_hand, held, safety)

    def fits(self, job: Reservation) -> bool:
        for claim in job.claims:
            stock = self.stock.get((claim.location_id, claim.sku), (0, 0, 0))
            on_hand, held, safety = stock
            if claim.location_id in self.inactive:
                return False
            if on_hand - held - safety < claim.quantity:
                return False
        return True

    def take(self, job: Reservation) -> None:
        for claim in job.claims:
            on_hand, held, safety = self.stock[claim.location_id, claim.sku]
            self.stock[claim.location_id, claim.sku] = (
                on_hand,
                held + claim.quantity,
                safety,
            )


class ModelContract:
    @pytest.mark.parametrize("seed", range(8))
    def test_random_operations_match_a_model(self, ledger: Ledger, seed: int) -> None:
        random = Random(seed)
        places, skus = ["a", "b", "c"], ["x", "y", "z"]
        ledger.put_locations([location(at, n) for n, at in enumerate(places)])
        model = Model()
        for step in range(150):
            dice = random.random()
            if dice < 0.1:
                at = random.choice(places)
                active = random.random() < 0.6
                rank = random.randint(0, 3)
                ledger.put_locations([location(at, rank, active=active)])
                (model.inactive.discard if active else model.inactive.add)(at)
            elif dice < 0.35:
                mode = random.choice(list(ImportMode))
                changes = [
                    change(at, sku, 0)
                    if mode is ImportMode.DELETE
                    else change(
                        at, sku, random.randint(0, 9), random.choice([None, 0, 2])
                    )
                    for at, sku in {
                        (random.choice(places), random.choice(skus)) for _ in range(3)
                    }
                ]
                ledger.import_stock(mode, changes)
                model.apply(mode, changes)
            else:
                jobs = [
                    _random_job(random, f"{step}-{n}", places, skus)
                    for n in range(random.randint(1, 3))
                ]
                for job, outcome in zip(jobs, _reserve(ledger, jobs), strict=True):
                    assert isinstance(outcome, bytes) == model.fits(job), step
                    if isinstance(outcome, bytes):
                        model.take(job)
            check_grid(ledger)
        found = {
            (each.location_id, each.sku): (
                each.on_hand,
                each.allocated,
                each.safety_stock,
            )
            for each in records(ledger)
        }
        assert found == model.stock


def _reserve(
    ledger: Ledger, jobs: list[Reservation]
) -> list[bytes | AvailabilityError]:
    if len(jobs) > 1:
        return ledger.reserve_many(jobs)
    try:
        return [ledger.reserve(jobs[0])]
    except StockConflict as error:
        return [error]


def _random_job(
    random: Random, name: str, places: list[str], skus: list[str]
) -> Reservation:
    pairs = {
        (random.choice(places), random.choice(skus))
        for _ in range(random.randint(0, 3))
    }
    return reservation(name, *((at, sku, random.randint(1, 3)) for at, sku in pairs))


class LedgerContract(
    LocationContract,
    ImportContract,
    CountedContract,
    DeleteContract,
    DryRunContract,
    DropContract,
    ReplayContract,
    ReserveContract,
    RaceContract,
    CapacityContract,
    FreedCapacityContract,
    ReadContract,
    ModelContract,
    LifeContract,
    OrderContract,
    ExpiryContract,
    SwapContract,
    TogetherContract,
    OpenPlansContract,
    QueueContract,
    ZoneContract,
    WithdrawalContract,
    MovementContract,
    AuditContract,
    SellingContract,
):
    """All of it; and after each test the books must balance."""

    @pytest.fixture
    def clock(self) -> Clock:
        """Stands one second before midnight UTC."""
        return Clock(MIDNIGHT - 1)

    @pytest.fixture
    def ledger(
        self,
        make_ledger: Callable[[Clock], Ledger],
        clock: Clock,
        request: pytest.FixtureRequest,
    ) -> Iterator[Ledger]:
        ledger = make_ledger(clock)
        yield ledger
        if "tampering" not in request.fixturenames:
            check_books(ledger)
            left = self.capacity_on_disk(ledger)
            assert dict(ledger.capacity_left()) == dict(left)

    @pytest.fixture
    def tampering(self, ledger: Ledger) -> Callable[[str], None]:
        """Runs SQL behind the ledger's back; the books need not balance after it."""
        return lambda sql: self.tamper(ledger, sql)

    def test_no_two_parts_of_the_contract_share_a_name(self) -> None:
        """One of them would never run."""
        names = [name for part in LedgerContract.__bases__ for name in vars(part)]
        twice = {name for name in names if names.count(name) > 1}
        assert {name for name in twice if not name.startswith("__")} == set()

    def tamper(self, ledger: Ledger, sql: str) -> None:
        """Run a statement on the database under a ledger, and commit it."""
        raise NotImplementedError

    def capacity_on_disk(self, ledger: Ledger) -> Mapping[LocationId, CapacityLeft]:
        """Return what `capacity_left` would be if memory were read anew.

        Where a store does not say, memory is compared with itself.
        """
        return ledger.capacity_left()
