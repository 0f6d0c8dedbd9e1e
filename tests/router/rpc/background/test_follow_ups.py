"""What a server does by itself: who waits is served, closed locations are left."""

import time
from collections.abc import Callable

from availability.v1 import location_pb2, stock_service_pb2
from tests.router.rpc.calls import CALL_SECONDS, load, order, route, shipped
from tests.router.rpc.conftest import Running, Start
from tests.router.rpc.life import get, state

WAIT_SECONDS = 30.0


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.05)


def count(server: Running, at: str, sku: str, units: int) -> None:
    """Say that a location has units now."""
    change = stock_service_pb2.StockChange(location_id=at, sku=sku, on_hand_units=units)
    request = stock_service_pb2.ImportStockRequest(
        mode=stock_service_pb2.IMPORT_MODE_SET, changes=[change]
    )
    server.stock.ImportStock(request, timeout=CALL_SECONDS)


def close(server: Running, at: str, rank: int) -> None:
    place = location_pb2.Location(location_id=at, rank=rank, active=False)
    request = stock_service_pb2.PutLocationsRequest(locations=[place])
    server.stock.PutLocations(request, timeout=CALL_SECONDS)


def waiting(server: Running, name: str, units: int) -> str:
    """Route an order of which nothing is there; return its plan's id."""
    made = route(server, order(name, hat=units), queue_unassigned=True)
    assert not made.assignments
    return made.plan_id


class TestQueue:
    def test_who_was_promised_first_is_served_first(self, server: Running) -> None:
        load(server, {"a": {"hat": 0}, "b": {"hat": 0}})
        first, second, third = (waiting(server, name, 2) for name in "cab")

        count(server, "b", "hat", 3)

        eventually(lambda: server.ledger.queued() == {("", "hat"): 3})
        plans = [get(server, plan_id).plan for plan_id in (first, second, third)]
        assert [shipped(each) for each in plans] == [
            {"b": {"hat": 2}},
            {"b": {"hat": 1}},
            {},
        ]
        assert [sum(u.quantity for u in each.unassigned) for each in plans] == [0, 1, 2]
        count(server, "a", "hat", 9)
        eventually(lambda: not server.ledger.queued())
        assert shipped(get(server, second).plan) == {
            "a": {"hat": 1},
            "b": {"hat": 1},
        }
        assert server.ledger.audit().drift_count == 0

    def test_what_it_holds_stays(self, server: Running) -> None:
        load(server, {"a": {"hat": 0, "cap": 1}, "b": {"hat": 0, "cap": 1}})
        made = route(server, order("o", hat=1, cap=1), queue_unassigned=True)
        assert shipped(made) == {"a": {"cap": 1}}

        count(server, "b", "hat", 1)

        eventually(lambda: not server.ledger.queued())
        record = get(server, made.plan_id)
        assert shipped(record.plan) == {"a": {"cap": 1}, "b": {"hat": 1}}
        assert state(record.reservation) == "placed"

    def test_it_can_be_left_to_others(self, start: Start) -> None:
        server = start(fill_queue=False)
        load(server, {"a": {"hat": 0}})
        plan_id = waiting(server, "o", 1)
        count(server, "a", "hat", 1)

        time.sleep(2.5)

        assert server.ledger.queued() == {("", "hat"): 1}
        assert not get(server, plan_id).plan.assignments


class TestClosed:
    def test_orders_leave_a_closed_location(self, server: Running) -> None:
        stock = {at: {"hat": 2, "cap": 2} for at in ("a", "b", "c")}
        load(server, stock)
        moving = [route(server, order(str(n), hat=1, cap=1)) for n in range(2)]
        assert [shipped(each) for each in moving] == [{"a": {"hat": 1, "cap": 1}}] * 2

        close(server, "a", 1)

        def there() -> list[str]:
            plans = [get(server, each.plan_id).plan for each in moving]
            return [at for each in plans for at in shipped(each)]

        eventually(lambda: "a" not in there())
        assert there() == ["b", "b"]
        assert server.ledger.audit().drift_count == 0

    def test_who_can_not_go_anywhere_stays(self, server: Running) -> None:
        load(server, {"a": {"hat": 2}, "b": {"hat": 1}})
        stays = route(server, order("two", hat=2))
        goes = route(server, order("one", hat=1))
        assert (shipped(stays), shipped(goes)) == (
            {"a": {"hat": 2}},
            {"b": {"hat": 1}},
        )

        close(server, "a", 1)

        time.sleep(4)
        assert shipped(get(server, stays.plan_id).plan) == {"a": {"hat": 2}}
        assert shipped(get(server, goes.plan_id).plan) == {"b": {"hat": 1}}
        assert server.ledger.audit().drift_count == 0
