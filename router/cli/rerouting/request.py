"""What `repartir reroute` asks for, from words of a command line."""

import enum
import re
from collections.abc import Sequence
from datetime import timedelta

from google.protobuf import duration_pb2

from router.cli.console.durations import duration_seconds
from router.cli.console.exits import fail
from router.cli.routing.policy_file import read_policies
from router.rpc.codec.policy import encode_policy
from router.rpc.codec.rerouting import (
    MAX_AGE_SECONDS,
    MAX_GAIN_PERMILLE,
    MAX_MOVES,
    MAX_NAMED,
    MAX_NAMED_ORDERS,
    MAX_SECONDS,
    MIN_SECONDS,
)
from router.v1 import policy_pb2, rerouting_pb2, reservation_pb2

_GAIN = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,3}))?")


class State(enum.Enum):
    """Which open orders: those that are placed, or carts."""

    PLACED = "placed"
    HELD = "held"


_STATES = {
    State.PLACED: reservation_pb2.RESERVATION_STATE_PLACED,
    State.HELD: reservation_pb2.RESERVATION_STATE_HELD,
}


def selection(
    channels: Sequence[str],
    locations: Sequence[str],
    orders: Sequence[str],
    states: Sequence[State],
    min_age: str | None,
    *,
    queued_only: bool,
) -> rerouting_pb2.RerouteSelection:
    """Return which orders are meant; end the command on what is none."""
    for option, names, most in (
        ("--channel", channels, MAX_NAMED),
        ("--location", locations, MAX_NAMED),
        ("--order", orders, MAX_NAMED_ORDERS),
    ):
        if len(names) > most:
            raise fail(f"{option}: at most {most:,} are named, got {len(names):,}")
    age = None
    if min_age is not None:
        age = _duration(duration_seconds("--min-age", min_age, 0.0, MAX_AGE_SECONDS))
    return rerouting_pb2.RerouteSelection(
        channel_ids=channels,
        location_ids=locations,
        order_ids=orders,
        states=[_STATES[each] for each in dict.fromkeys(states)],
        min_age=age,
        queued_only=queued_only,
    )


def policy_of(name: str | None) -> policy_pb2.RoutingPolicy | None:
    """Return a policy by its preset's name or from its file; None: the orders' own."""
    return None if name is None else encode_policy(read_policies([name])[0].policy)


def gain_permille(text: str) -> int:
    """Read a least gain, in shipments with at most three decimals, in thousandths."""
    match = _GAIN.fullmatch(text)
    permille = (
        int(match[1]) * 1_000 + int((match[2] or "").ljust(3, "0")) if match else -1
    )
    if not 0 <= permille <= MAX_GAIN_PERMILLE:
        most = MAX_GAIN_PERMILLE // 1_000
        raise fail(
            f"--min-gain must be shipments, 0 to {most} with at most three decimals, "
            f"got {text[:80]!r}"
        )
    return permille


def moves(count: int | None) -> int | None:
    """Return the most moves; end the command if there can not be so many."""
    if count is not None and not 0 <= count <= MAX_MOVES:
        raise fail(f"--max-moves must be 0 to {MAX_MOVES:,}, got {count}")
    return count


def solve_timeout(text: str) -> duration_pb2.Duration:
    """Read the time for solving; end the command if it is none."""
    return _duration(
        duration_seconds("--solve-timeout", text, MIN_SECONDS, MAX_SECONDS)
    )


def _duration(seconds: float) -> duration_pb2.Duration:
    wire = duration_pb2.Duration()
    wire.FromTimedelta(timedelta(seconds=seconds))
    return wire
