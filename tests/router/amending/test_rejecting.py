"""What a refusal releases, corrects and bars, worked out by hand."""

import dataclasses
from typing import Any

import pytest

from availability.errors import UnitsNotOpen
from availability.model import LocationId, Sku
from availability.reservations import Cause, Correction, Holding
from router.amending.rejecting import Consequences, consequences, relaxations, swap
from router.amending.rejection import RejectedLine, Rejection, RejectionReason
from router.errors import InvalidOrder
from router.model import Order, SplitRung, Unassigned, UnassignedReason
from router.policies import DEFAULT, PRESETS
from router.stored_plans import PlanInputs
from tests.builders import kit, line, order, picked, policy
from tests.router.held import held, planned, record

Reason = RejectionReason
LAVAL = LocationId("laval")
HOLDINGS = (held("hat:3 at laval"), held("cap:1 at laval"), held("hat:2 at montreal"))
ORDER = order("hat:5", "cap")


def refusing(
    *lines: RejectedLine, reason: Reason = Reason.OTHER, blocking: bool = False
) -> Rejection:
    return Rejection(LAVAL, reason, lines, blocking)


def refused(
    rejection: Rejection,
    wanted: Order = ORDER,
    holdings: tuple[Holding, ...] = HOLDINGS,
) -> Consequences:
    return consequences(wanted, record(*holdings), rejection)


def released(found: Consequences) -> dict[str, int]:
    assert {at for _, at in found.released} <= {"laval"}
    return {line_id: units for (line_id, _), units in found.released.items()}


@pytest.mark.parametrize(
    ("lines", "blocking", "units", "barred"),
    [
        pytest.param([], False, {"hat": 3, "cap": 1}, {"hat", "cap"}, id="all_it_has"),
        pytest.param([("cap", 1)], False, {"cap": 1}, {"cap"}, id="one_line"),
        pytest.param([("hat", 2)], False, {"hat": 2}, {"hat"}, id="part_of_a_line"),
        pytest.param(
            [("hat", 2)], True, {"hat": 3, "cap": 1}, {"hat", "cap"},
            id="blocking_takes_what_was_not_named",
        ),
        pytest.param([], True, {"hat": 3, "cap": 1}, {"hat", "cap"}, id="all_blocking"),
    ],
)  # fmt: skip
def test_what_is_released_and_who_is_barred(
    lines: list[tuple[str, int]],
    blocking: bool,
    units: dict[str, int],
    barred: set[str],
) -> None:
    named = [RejectedLine(*each) for each in lines]

    found = refused(refusing(*named, blocking=blocking))

    assert released(found) == units
    assert found.order.rejected == {(line_id, "laval") for line_id in barred}
    assert found.replan.rejected == found.order.rejected


def test_a_blocking_refusal_bars_lines_it_never_had() -> None:
    found = refused(refusing(blocking=True), order("hat:5", "cap", "tie"))

    assert {line_id for line_id, _ in found.order.rejected} == {"hat", "cap", "tie"}


def test_all_refusals_are_remembered() -> None:
    wanted = ORDER._replace(rejected=frozenset([("hat", "sherbrooke")]))

    found = refused(refusing(RejectedLine("cap", 1)), wanted)

    assert found.order.rejected == {("hat", "sherbrooke"), ("cap", "laval")}


def test_what_is_open_or_shipped_elsewhere_stays_and_is_the_orders_own() -> None:
    holdings = (
        held("hat:3 at laval", shipped=1),
        held("hat:0 at montreal", shipped=2),
        held("cap:1 at montreal"),
    )

    found = refused(refusing(RejectedLine("hat", 2)), order("hat:6", "cap"), holdings)

    assert found.staying == {
        ("hat", "laval"): 2,  # One shipped, one it did not refuse.
        ("hat", "montreal"): 2,
        ("cap", "montreal"): 1,
    }
    assert set(found.replan.frozen) == {
        picked("hat", "laval", 2),
        picked("hat", "montreal", 2),
        picked("cap", "montreal", 1),
    }
    assert found.own.held == {
        ("laval", "hat"): 2,
        ("montreal", "hat"): 2,
        ("montreal", "cap"): 1,
    }


def test_what_was_picked_is_trimmed_to_what_stays() -> None:
    wanted = ORDER._replace(
        frozen=(picked("hat", "laval", 2), picked("hat", "montreal", 1))
    )

    found = refused(refusing(RejectedLine("hat", 2)), wanted)

    assert found.order.frozen == (
        picked("hat", "laval", 1),
        picked("hat", "montreal", 1),
    )


HAT, CAP = Sku("hat"), Sku("cap")


@pytest.mark.parametrize(
    ("reason", "corrections", "gone"),
    [
        (Reason.NOT_IN_STOCK, [Correction(LAVAL, HAT, None)], {("laval", "hat")}),
        (Reason.MISMATCH, [Correction(LAVAL, HAT, 2)], set()),
        (Reason.DAMAGED, [Correction(LAVAL, HAT, 0, 2, "damaged")], set()),
        (Reason.TOO_BUSY, [], set()),
        (Reason.CLOSED, [], set()),
        (Reason.OTHER, [], set()),
    ],
)
@pytest.mark.parametrize("blocking", [False, True])
def test_a_reason_corrects_what_was_named_and_no_more(
    reason: Reason,
    corrections: list[Correction],
    gone: set[tuple[str, str]],
    blocking: bool,
) -> None:
    rejection = refusing(RejectedLine("hat", 2), reason=reason, blocking=blocking)

    found = refused(rejection)

    assert list(found.corrections) == corrections
    assert found.own.gone == gone


def test_lines_of_one_sku_are_one_correction() -> None:
    wanted = order("hat:3", line("hat:1", line_id="again"))
    holdings = (held("hat:3 at laval"), held("hat:1 at laval for again"))

    found = refused(refusing(reason=Reason.MISMATCH), wanted, holdings)

    assert found.corrections == (Correction(LAVAL, HAT, 4),)


@pytest.mark.parametrize(
    ("sku", "corrections"),
    [
        # Two kits of one hat and three caps each.
        ("", [Correction(LAVAL, CAP, 6), Correction(LAVAL, HAT, 2)]),
        ("cap", [Correction(LAVAL, CAP, 6)]),
    ],
)
def test_of_a_kit_one_part_may_be_what_is_missing(
    sku: str, corrections: list[Correction]
) -> None:
    wanted = order(kit("set:2", hat=1, cap=3))
    holdings = (held("hat:2 at laval for set"), held("cap:6 at laval for set"))
    rejection = refusing(RejectedLine("set", 2, Sku(sku)), reason=Reason.MISMATCH)

    found = refused(rejection, wanted, holdings)

    assert list(found.corrections) == corrections
    assert released(found) == {"set": 2}


def test_a_part_that_a_kit_has_not_is_a_violation() -> None:
    wanted = order(kit("set:2", hat=1, cap=3))
    holdings = (held("hat:2 at laval for set"), held("cap:6 at laval for set"))

    with pytest.raises(InvalidOrder) as caught:
        refused(refusing(RejectedLine("set", 1, Sku("tie"))), wanted, holdings)

    (violation,) = caught.value.violations
    assert (violation.path, violation.reason) == ("lines[0].sku", "UNKNOWN_SKU")


@pytest.mark.parametrize(
    ("wanted", "units"),
    [
        # A part of it could not leave by itself.
        (order(line("hat:3", indivisible=True), "cap"), {"hat": 3}),
        (
            order(line("hat:3", ship_together="g"), line("cap", ship_together="g")),
            {"hat": 3, "cap": 1},
        ),
        (
            order(line("hat:3", ship_together="g"), line("cap", ship_together="h")),
            {"hat": 3},
        ),
        (order("hat:3", line("cap", indivisible=True)), {"hat": 1}),
    ],
)
def test_what_leaves_whole_is_refused_whole(
    wanted: Order, units: dict[str, int]
) -> None:
    holdings = (held("hat:3 at laval"), held("cap:1 at laval"))
    rejection = refusing(RejectedLine("hat", 1), reason=Reason.MISMATCH)

    found = refused(rejection, wanted, holdings)

    assert released(found) == units
    assert {line_id for line_id, _ in found.order.rejected} == set(units)
    # The count is off by what was named, whatever went with it.
    assert found.corrections == (Correction(LAVAL, HAT, 1),)


@pytest.mark.parametrize(
    ("lines", "breaches"),
    [
        ([("hat", 4)], [("laval", "hat", "hat", 4, 3)]),
        (
            [("hat", 9), ("cap", 2)],
            [("laval", "hat", "hat", 9, 3), ("laval", "cap", "cap", 2, 1)],
        ),
        ([("old", 1)], [("laval", "", "old", 1, 0)]),
    ],
)
@pytest.mark.parametrize("blocking", [False, True])
def test_more_than_it_has_is_refused(
    lines: list[tuple[str, int]], breaches: list[Any], blocking: bool
) -> None:
    named = [RejectedLine(*each) for each in lines]

    with pytest.raises(UnitsNotOpen) as caught:
        refused(refusing(*named, blocking=blocking))

    assert list(caught.value.breaches) == breaches


def test_who_has_nothing_has_nothing_to_refuse() -> None:
    with pytest.raises(UnitsNotOpen) as caught:
        refused(refusing(), holdings=(held("hat:0 at laval", shipped=5),))

    assert caught.value.breaches == (("laval", "", "", 1, 0),)


# --- The change of the reservation ------------------------------------------------


def swapped(
    queue: bool, holdings: tuple[Holding, ...], made: Any, wanted: Order
) -> Any:
    what = PlanInputs(wanted, PRESETS[DEFAULT], queue)
    found = consequences(wanted, record(*holdings), refusing())
    return swap(record(*holdings), what, found, made, reply=b"new", body=b"order")


def units(claims: Any) -> list[tuple[str, str, int]]:
    return [(each.location_id, each.line_id, each.quantity) for each in claims]


def test_only_what_is_new_is_claimed() -> None:
    holdings = (held("hat:3 at laval"), held("hat:2 at montreal", shipped=1))
    made = planned("hat:5 at montreal", "hat:1 at sherbrooke")

    change = swapped(False, holdings, made, order("hat:6"))

    assert change.revision == 3
    assert change.cause is Cause.REJECTED
    assert units(change.released) == [("laval", "hat", 3)]
    # Of the five at Montréal three were there: two open and one that left.
    assert units(change.claims) == [("montreal", "hat", 2), ("sherbrooke", "hat", 1)]
    assert (change.reply, change.body) == (b"new", b"order")
    assert change.queued == change.dequeued == ()


@pytest.mark.parametrize(
    ("queue", "before", "short", "queued", "dequeued"),
    [
        (False, 0, 3, [], []),
        (True, 0, 3, [3], []),
        (True, 2, 3, [1], []),
        (True, 2, 2, [], []),
        (True, 2, 0, [], [2]),
    ],
)
def test_the_queue_follows_what_is_unassigned(
    queue: bool, before: int, short: int, queued: list[int], dequeued: list[int]
) -> None:
    holdings: tuple[Holding, ...] = (held("hat:3 at laval"),)
    if before:
        holdings += (held(f"hat:{before}"),)
    made = planned()
    if short:
        reason = UnassignedReason.OUT_OF_STOCK
        rest = (Unassigned("hat", HAT, short, reason),)
        made = dataclasses.replace(made, unassigned=rest)

    change = swapped(queue, holdings, made, order("hat:9", channel_id="web"))

    assert [each.quantity for each in change.queued] == queued
    assert [each.quantity for each in change.dequeued] == dequeued


def test_limits_are_given_up_one_after_another_and_stock_never() -> None:
    wanted = order(line("hat:3", indivisible=True), line("cap", ship_together="g"))
    by = policy(min_split_value_micros=9, max_shipments=1, routing_floor_units=2)

    plain, whole, free = relaxations(wanted, by)

    assert plain == (wanted, by)
    assert whole[0].lines == order("hat:3", "cap").lines
    assert (whole[1].min_split_value_micros, whole[1].max_shipments) == (0, 1)
    assert (free[1].max_shipments, free[1].split_rung) == (0, SplitRung.QUANTITY_SPLIT)
    assert free[1].routing_floor_units == 2
