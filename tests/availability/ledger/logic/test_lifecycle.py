"""What a command makes of a reservation: each answer was worked out on paper."""

from dataclasses import replace
from typing import Any

import pytest

from availability.errors import (
    AvailabilityError,
    PlanChanged,
    ReservationResolved,
    StockConflict,
    UnitsNotOpen,
)
from availability.ledger.logic.decision import Decision, Key, StockBalances
from availability.ledger.logic.lifecycle import (
    MAX_HOLD_SECONDS,
    decide,
    touched,
)
from availability.model import LocationId, Sku
from availability.reservations import (
    Cancel,
    Cause,
    Command,
    Expire,
    Extend,
    Holding,
    Movement,
    Place,
    ReservationRecord,
    ReservationState,
    Ship,
)
from tests.availability.ledger.world import (
    cancel,
    claim,
    correction,
    holding,
    queue,
    ship,
    swap,
)

State = ReservationState
CREATED, NOW = 1_000.0, 1_500.0


def plan(
    state: ReservationState, *holdings: Holding, **fields: Any
) -> ReservationRecord:
    """Revision 7 of plan p; a hold was made at 1,000 s for 600 s."""
    held = state is State.HELD
    usual: dict[str, Any] = {
        "hold_seconds": 600 if held else None,
        "expires_seconds": CREATED + 600 if held else None,
        "work": "",
    }
    usual |= fields
    head = "p", "o", state, 7, b"body", b"reply", CREATED
    return ReservationRecord(*head, holdings=holdings, **usual)


def key(location_id: str, sku: str) -> Key:
    return LocationId(location_id), Sku(sku)


def at(location_id: str, sku: str = "x", **fields: Any) -> dict[Key, StockBalances]:
    return {key(location_id, sku): StockBalances(**fields)}


def decided(
    record: ReservationRecord,
    command: Command,
    rows: dict[Key, StockBalances] | None = None,
    now: float = NOW,
) -> Decision:
    return decide(record, command, rows or {}, now)


PLACED = plan(State.PLACED, holding("a", "x", 4))
HELD = plan(State.HELD, holding("a", "x", 4))
TEN = at("a", on_hand=10, allocated=4)
TEN_HELD = at("a", on_hand=10, held=4)


@pytest.mark.parametrize(
    ("record", "command", "rows", "state", "after", "moved"),
    [
        pytest.param(
            HELD, Place(), TEN_HELD,
            State.PLACED, at("a", on_hand=10, allocated=4),
            [Movement(Cause.PLACED, "x", "a", held=-4, allocated=4)],
            id="place_turns_held_into_allocated",
        ),
        pytest.param(
            PLACED, Ship(), TEN,
            State.SHIPPED, at("a", on_hand=6),
            [Movement(Cause.SHIPPED, "x", "a", on_hand=-4, allocated=-4)],
            id="ship_takes_off_both",
        ),
        pytest.param(
            PLACED, ship(("a", "x", 3)), TEN,
            State.PLACED, at("a", on_hand=7, allocated=1),
            [Movement(Cause.SHIPPED, "x", "a", on_hand=-3, allocated=-3)],
            id="one_is_still_open",
        ),
        pytest.param(
            PLACED, Ship(), at("a", on_hand=1, allocated=4),
            State.SHIPPED, at("a"),
            [
                Movement(Cause.FOUND, "x", "a", on_hand=3),
                Movement(Cause.SHIPPED, "x", "a", on_hand=-4, allocated=-4),
            ],
            id="three_more_left_than_were_counted",
        ),
        pytest.param(
            PLACED, Ship(), at("a", on_hand=6, allocated=4, zones=(("p", 1), ("q", 4))),
            State.SHIPPED, at("a", on_hand=2, zones=(("p", 0), ("q", 2))),
            [
                Movement(Cause.SHIPPED, "x", "a", on_hand=-1, allocated=-1),
                Movement(Cause.SHIPPED, "x", "a", "p", on_hand=-1, zone_units=-1,
                         allocated=-1),
                Movement(Cause.SHIPPED, "x", "a", "q", on_hand=-2, zone_units=-2,
                         allocated=-2),
            ],
            id="one_is_in_no_zone_then_zone_by_zone",
        ),
        pytest.param(
            PLACED, Ship(), at("a", on_hand=2, allocated=4, zones=(("p", 2),)),
            State.SHIPPED, at("a", zones=(("p", 0),)),
            [
                Movement(Cause.FOUND, "x", "a", on_hand=2),
                Movement(Cause.SHIPPED, "x", "a", on_hand=-2, allocated=-2),
                Movement(Cause.SHIPPED, "x", "a", "p", on_hand=-2, zone_units=-2,
                         allocated=-2),
            ],
            id="what_was_found_was_in_no_zone",
        ),
        pytest.param(
            HELD, cancel(("a", "x", 3)), TEN_HELD,
            State.HELD, at("a", on_hand=10, held=1),
            [Movement(Cause.CANCELLED, "x", "a", held=-3)],
            id="a_smaller_cart",
        ),
        pytest.param(
            PLACED, Cancel(), TEN,
            State.CANCELLED, at("a", on_hand=10),
            [Movement(Cause.CANCELLED, "x", "a", allocated=-4)],
            id="no_location_is_credited",
        ),
        pytest.param(
            PLACED, swap(7, [("a", "x", 3)], [("b", "x", 3)]),
            TEN | at("b", on_hand=3),
            State.PLACED, at("a", on_hand=10, allocated=1)
            | at("b", on_hand=3, allocated=3),
            [
                Movement(Cause.REROUTED, "x", "a", allocated=-3),
                Movement(Cause.ALLOCATED, "x", "b", allocated=3),
            ],
            id="the_last_units_of_b",
        ),
        pytest.param(
            HELD,
            swap(7, [("a", "x", 4)], cause=Cause.REJECTED,
                 corrections=[correction("a", "x", None)],
                 queued=[queue("web", "x", 4)]),
            TEN_HELD,
            State.HELD, at("a"),
            [
                Movement(Cause.REJECTED, "x", "a", held=-4),
                Movement(Cause.CORRECTED, "x", "a", on_hand=-10),
                Movement(Cause.QUEUED, "x", channel_id="web", queued=4),
            ],
            id="nothing_was_there_and_the_customer_waits",
        ),
        pytest.param(
            PLACED,
            swap(7, [("a", "x", 4)], cause=Cause.REJECTED,
                 corrections=[correction("a", "x", 0, 2)]),
            TEN,
            State.REJECTED, at("a", on_hand=10, withdrawn=2),
            [
                Movement(Cause.REJECTED, "x", "a", allocated=-4),
                Movement(Cause.WITHDRAWN, "x", "a", withdrawn=2),
            ],
            id="two_are_broken",
        ),
    ],
)  # fmt: skip
def test_a_command_by_hand(
    record: ReservationRecord,
    command: Command,
    rows: dict[Key, StockBalances],
    state: ReservationState,
    after: dict[Key, StockBalances],
    moved: list[Movement],
) -> None:
    decision = decided(record, command, rows)

    assert decision.record.state is state
    assert decision.record.revision == 8
    assert decision.rows == after
    assert list(decision.movements) == moved


@pytest.mark.parametrize(
    ("record", "command", "rows", "error"),
    [
        pytest.param(PLACED, Place(), TEN, ReservationResolved, id="placed_already"),
        pytest.param(PLACED, Extend(9), {}, ReservationResolved, id="no_cart_any_more"),
        pytest.param(HELD, Ship(), TEN_HELD, ReservationResolved, id="only_a_cart"),
        pytest.param(
            plan(State.SHIPPED), Cancel(), {}, ReservationResolved, id="it_has_left"
        ),
        pytest.param(
            plan(State.EXPIRED), swap(6), {}, ReservationResolved,
            id="late_comes_before_changed",
        ),
        pytest.param(PLACED, swap(6), {}, PlanChanged, id="from_an_earlier_one"),
        pytest.param(PLACED, swap(8), {}, PlanChanged, id="from_a_later_one"),
        pytest.param(
            PLACED, replace(cancel(("a", "x", 9)), revision=6), TEN, PlanChanged,
            id="changed_comes_before_too_many",
        ),
        pytest.param(PLACED, ship(("a", "x", 5)), TEN, UnitsNotOpen, id="four_open"),
        pytest.param(
            PLACED, ship(("a", "x", 2), ("a", "x", 3)), TEN, UnitsNotOpen,
            id="five_in_two_parts",
        ),
        pytest.param(
            PLACED, cancel(claim("a", "x", 1, "line")), TEN, UnitsNotOpen,
            id="another_line",
        ),
        pytest.param(
            PLACED, cancel(queued=[queue("web", "x", 1)]), {}, UnitsNotOpen,
            id="nothing_is_queued",
        ),
        pytest.param(
            PLACED, swap(7, [], [("b", "x", 4)]), at("b", on_hand=3), StockConflict,
            id="three_at_b",
        ),
        pytest.param(
            PLACED, swap(7, [], [("b", "x", 2), ("b", "x", 2)]),
            at("b", on_hand=3), StockConflict, id="each_fits_both_do_not",
        ),
        pytest.param(
            PLACED, swap(7, [], [("b", "x", 1)]),
            at("b", on_hand=9, allocated=3, held=2, withdrawn=1, safety_stock=3),
            StockConflict, id="nine_are_all_spoken_for",
        ),
        pytest.param(
            PLACED, swap(7, [], [("b", "x", 1)]), at("b", on_hand=9, sells=False),
            StockConflict, id="b_is_closed",
        ),
        pytest.param(
            PLACED, swap(7, [], [("b", "x", 1)]), {}, StockConflict,
            id="b_never_had_any",
        ),
        pytest.param(
            PLACED,
            swap(7, [("a", "x", 4)], [("a", "x", 4)],
                 corrections=[correction("a", "x", 7)]),
            TEN, StockConflict, id="corrected_before_claimed",
        ),
    ],
)  # fmt: skip
def test_a_refusal_by_hand(
    record: ReservationRecord,
    command: Command,
    rows: dict[Key, StockBalances],
    error: type[AvailabilityError],
) -> None:
    with pytest.raises(error):
        decided(record, command, rows)


def test_a_claim_may_take_exactly_what_is_left() -> None:
    row = at("b", on_hand=9, allocated=3, held=2, withdrawn=1, safety_stock=2)

    decision = decided(PLACED, swap(7, [], [("b", "x", 1)]), row)

    assert decision.rows[key("b", "x")].left == 0


@pytest.mark.parametrize(
    ("fields", "now", "state", "expires"),
    [
        pytest.param({}, 1_599.9, State.HELD, 1_600.0, id="not_yet"),
        pytest.param({}, 1_600.0, State.EXPIRED, None, id="at_the_very_moment"),
        pytest.param({"work": "payment"}, 1_599.9, State.HELD, 1_600.0, id="early"),
        pytest.param({"work": "payment"}, 1_700.0, State.HELD, 2_300.0, id="paying"),
        pytest.param(
            {"work": "payment"}, CREATED + MAX_HOLD_SECONDS - 1,
            State.HELD, CREATED + MAX_HOLD_SECONDS, id="for_the_last_time",
        ),
        pytest.param(
            {"work": "payment"}, CREATED + MAX_HOLD_SECONDS, State.EXPIRED, None,
            id="paying_for_ever",
        ),
    ],
)  # fmt: skip
def test_expire(
    fields: dict[str, Any], now: float, state: ReservationState, expires: float | None
) -> None:
    record = replace(HELD, **fields)

    decision = decided(record, Expire(), TEN_HELD, now)

    assert (decision.record.state, decision.record.expires_seconds) == (state, expires)
    gone = [Movement(Cause.EXPIRED, "x", "a", held=-4)]
    assert list(decision.movements) == (gone if state is State.EXPIRED else [])
    # Where nothing happens the record is the very same.
    assert (decision.record is record) == (now < 1_600)


@pytest.mark.parametrize("state", [x for x in State if x is not State.HELD])
def test_only_a_hold_expires(state: ReservationState) -> None:
    record = plan(state, holding("a", "x", 4))

    assert decided(record, Expire(), TEN, 10**10) == Decision(record)


@pytest.mark.parametrize(
    ("now", "seconds", "expires"),
    [
        (1_500, 60, 1_560),  # sooner than it was
        (1_500, 600, 2_100),
        (1_500, MAX_HOLD_SECONDS, CREATED + MAX_HOLD_SECONDS),
        (CREATED + MAX_HOLD_SECONDS + 9, 60, CREATED + MAX_HOLD_SECONDS),
    ],
)
def test_extend(now: float, seconds: int, expires: float) -> None:
    after = decided(HELD, Extend(seconds, "payment"), now=now).record

    expected = replace(
        HELD, revision=8, hold_seconds=seconds, expires_seconds=expires, work="payment"
    )
    assert after == expected


@pytest.mark.parametrize(
    ("command", "taken", "freed"),
    [
        (Ship(), {}, {}),
        (cancel(("a", "x", 3)), {}, {"a": 3}),
        (Cancel(), {}, {"a": 4}),
        (swap(7, [("a", "x", 2)], [("b", "x", 1)]), {"b": 1}, {"a": 2}),
        (swap(7, [("a", "x", 2)], [("a", "x", 1)]), {"a": 1}, {"a": 2}),
        (swap(7, queued=[queue("web", "x", 9)]), {}, {}),
    ],
)
def test_capacities(
    command: Command, taken: dict[str, int], freed: dict[str, int]
) -> None:
    decision = decided(PLACED, command, TEN | at("b", on_hand=9))

    assert (decision.taken, decision.freed) == (taken, freed)


MIXED = plan(
    State.PLACED,
    holding("", "x", 2, channel="web"),
    holding("b", "x", 1),
    holding("a", "y", 1),
    holding("c", "x", 0, shipped=1),
    holding("a", "x", 1),
)


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        (Ship(), [("a", "x"), ("b", "x"), ("a", "y")]),
        (Place(), [("a", "x"), ("b", "x"), ("a", "y")]),
        (Cancel(), [("a", "x"), ("b", "x"), ("a", "y")]),
        (Expire(), [("a", "x"), ("b", "x"), ("a", "y")]),
        (Extend(60), []),
        (ship(("b", "x", 1), ("b", "x", 1)), [("b", "x")]),
        (cancel(queued=[queue("web", "x", 1)]), []),
        (
            swap(7, [("b", "x", 1)], [("a", "z", 1)],
                 corrections=[correction("a", "y")]),
            [("b", "x"), ("a", "y"), ("a", "z")],
        ),
    ],
)  # fmt: skip
def test_touched_rows_are_in_the_order_of_their_locks(
    command: Command, keys: list[tuple[str, str]]
) -> None:
    """By SKU, then location; a row whose units are all resolved is left alone."""
    assert touched(MIXED, command) == keys
