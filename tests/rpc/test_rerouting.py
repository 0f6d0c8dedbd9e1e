"""Pending orders decided again together, over the wire."""

import pytest

from router.optimize.batch.saved import Saved
from tests.rpc.calls import load, order, route, shipped
from tests.rpc.conftest import Running
from tests.rpc.life import get, state
from tests.rpc.rerouting import reroute

# Each order by itself takes the first location; so the second has to split.
TRAP = {"a": {"hat": 1, "cap": 1}, "b": {"hat": 1, "cap": 0}}


@pytest.fixture
def trapped(server: Running) -> list[str]:
    """Plans of a hat at a, and of a hat at b with a cap from a."""
    load(server, TRAP)
    plans = [
        route(server, order("one", hat=1)),
        route(server, order("two", hat=1, cap=1)),
    ]
    assert [len(each.shipments) for each in plans] == [1, 2]
    return [each.plan_id for each in plans]


def test_orders_exchange_what_they_hold(server: Running, trapped: list[str]) -> None:
    done = reroute(server, certificate=True)

    one, two = (get(server, plan_id) for plan_id in trapped)
    assert shipped(one.plan) == {"b": {"hat": 1}}
    assert shipped(two.plan) == {"a": {"hat": 1, "cap": 1}}
    assert two.plan.engine == "joint"
    assert state(one.reservation) == state(two.reservation) == "placed"
    before, after = done.report.before, done.report.after
    assert (before.shipment_count, after.shipment_count) == (3, 2)
    assert (before.split_order_count, after.split_order_count) == (1, 0)
    assert (after.moved_count, after.gained_count, after.lost_count) == (2, 0, 0)
    assert done.report.shipment_bound == 2
    assert done.report.given_up_count == done.report.conflict_count == 0
    assert [
        (each.location_id, each.order_count, each.units) for each in after.loads
    ] == [
        ("a", 1, 2),
        ("b", 1, 1),
    ]
    levels = Saved.from_bytes(done.saved).verify()
    assert [(each.level, each.value, each.bound) for each in levels] == [
        (each.name, each.value, each.bound) for each in done.report.levels
    ]
    assert server.ledger.audit().drift_count == 0
