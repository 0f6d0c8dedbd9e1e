"""What `repartir reroute` requests, from its options."""

import enum
import re
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Annotated

import typer
from google.protobuf import duration_pb2

from router.cli.console.durations import duration_seconds
from router.cli.console.exits import fail
from router.cli.routing.policy_file import SUFFIX, read_policies
from router.policies import PRESETS
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
from router.v1 import rerouting_pb2, reservation_pb2

_option = partial(
    typer.Option, rich_help_panel="Which orders (an option with ID can be repeated)"
)
_GAIN = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,3}))?")


class State(enum.Enum):
    """States of open orders."""

    PLACED = "placed"
    HELD = "held"


_STATES = {
    State.PLACED: reservation_pb2.RESERVATION_STATE_PLACED,
    State.HELD: reservation_pb2.RESERVATION_STATE_HELD,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionOptions:
    """Which open orders are decided again."""

    channel: Annotated[
        list[str] | None, _option(metavar="ID", help="only orders of this channel")
    ] = None
    location: Annotated[
        list[str] | None,
        _option(metavar="ID", help="only orders with open units at this location"),
    ] = None
    order: Annotated[
        list[str] | None, _option(metavar="ID", help="only this order")
    ] = None
    state: Annotated[
        list[State] | None,
        _option(help="placed (default) or held (carts); repeat for both"),
    ] = None
    min_age: Annotated[
        str | None,
        _option(
            metavar="DURATION",
            help="only orders routed at least this long ago, like 2h",
        ),
    ] = None
    queued_only: Annotated[
        bool, _option("--queued-only", help="only orders with units in a queue")
    ] = False

    def encode(self) -> rerouting_pb2.RerouteSelection:
        """Return the message; end the command if an option is out of range."""
        names = self.channel or [], self.location or [], self.order or []
        options = ("--channel", "--location", "--order")
        limits = (MAX_NAMED, MAX_NAMED, MAX_NAMED_ORDERS)
        for option, given, most in zip(options, names, limits, strict=True):
            if len(given) > most:
                raise fail(f"{option}: at most {most:,} are named, got {len(given):,}")
        age = None
        if self.min_age is not None:
            seconds = duration_seconds("--min-age", self.min_age, 0.0, MAX_AGE_SECONDS)
            age = _duration(seconds)
        channels, locations, orders = names
        return rerouting_pb2.RerouteSelection(
            channel_ids=channels,
            location_ids=locations,
            order_ids=orders,
            states=[_STATES[each] for each in dict.fromkeys(self.state or ())],
            min_age=age,
            queued_only=self.queued_only,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionOptions:
    """How orders are decided, and how much may change."""

    policy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help=f"{', '.join(PRESETS)}, or FILE{SUFFIX} with a "
            "router.v1.RoutingPolicy; default: each order's own",
        ),
    ] = None
    min_gain: Annotated[
        str,
        typer.Option(
            metavar="SHIPMENTS",
            help="shipments that moving an order must save at least, 0 to 10",
        ),
    ] = "0"
    max_moves: Annotated[
        int | None,
        typer.Option(help="maximum number of orders to move; default: no limit"),
    ] = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="decide and report, change nothing")
    ] = False
    solve_timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="time limit for solving, 1s to 1h")
    ] = "60s"

    def encode(
        self, selection: SelectionOptions, *, certificate: bool
    ) -> rerouting_pb2.Rerouting:
        """Return the message; end the command if an option is out of range."""
        policy = None
        if self.policy is not None:
            policy = encode_policy(read_policies([self.policy])[0].policy)
        moves = self.max_moves
        if moves is not None and not 0 <= moves <= MAX_MOVES:
            raise fail(f"--max-moves must be 0 to {MAX_MOVES:,}, got {moves}")
        seconds = duration_seconds(
            "--solve-timeout", self.solve_timeout, MIN_SECONDS, MAX_SECONDS
        )
        return rerouting_pb2.Rerouting(
            selection=selection.encode(),
            policy=policy,
            min_gain_permille=_gain_permille(self.min_gain),
            max_moves=moves,
            validate_only=self.dry_run,
            solve_timeout=_duration(seconds),
            certificate=certificate,
        )


def _gain_permille(text: str) -> int:
    """Return shipments with at most three decimals in thousandths."""
    match = _GAIN.fullmatch(text)
    permille = (
        int(match[1]) * 1_000 + int((match[2] or "").ljust(3, "0")) if match else -1
    )
    if not 0 <= permille <= MAX_GAIN_PERMILLE:
        most = MAX_GAIN_PERMILLE // 1_000
        raise fail(
            f"--min-gain must be 0 to {most} shipments with at most three decimals, "
            f"got {text[:80]!r}"
        )
    return permille


def _duration(seconds: float) -> duration_pb2.Duration:
    wire = duration_pb2.Duration()
    wire.FromTimedelta(timedelta(seconds=seconds))
    return wire
