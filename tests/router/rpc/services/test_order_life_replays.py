"""A repeated change of an order gets the first reply, whatever happened since."""

from typing import Any

import pytest

from tests.router.rpc.calls import CALL_SECONDS, order, reason, refused, route, status
from tests.router.rpc.conftest import Running
from tests.router.rpc.life import (
    CALLS,
    EXTEND,
    NAMED,
    PLACE,
    asked,
    balances,
    cancel,
    get,
    state,
)


def raw(server: Running, call: str, message: Any) -> bytes:
    """Call and return the reply's bytes as they came."""
    method: Any = server.channel.unary_unary(f"/router.v1.RoutingService/{call}")
    reply: bytes = method(message.SerializeToString(), timeout=CALL_SECONDS)
    return reply


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("named", [False, True])
def test_a_repeat_gets_the_first_reply_whatever_happened_since(
    timed: Running, call: str, named: bool
) -> None:
    hold: dict[str, Any] = {"hold_seconds": 60} if call in (PLACE, EXTEND) else {}
    plan_id = route(timed, order("o", hat=4), **hold).plan_id
    fields = NAMED.get(call, {}) if named else {}
    message = asked(call, plan_id, request_id="r-1", **fields)

    first = raw(timed, call, message)
    after = balances(timed)
    assert raw(timed, call, message) == first
    assert balances(timed) == after
    if state(get(timed, plan_id).reservation) in ("held", "placed"):
        cancel(timed, "o")

    assert raw(timed, call, message) == first


@pytest.mark.parametrize("call", CALLS)
def test_a_reused_id_is_refused(timed: Running, call: str) -> None:
    plan_id = route(timed, order("o", hat=4), request_id="r-1").plan_id

    for fields in ({}, NAMED.get(call, {})):
        message = asked(call, plan_id, request_id="r-1", **fields)
        error = refused(getattr(timed.routing, call), message)
        assert reason(status(error)) == "REQUEST_ID_REUSED"
