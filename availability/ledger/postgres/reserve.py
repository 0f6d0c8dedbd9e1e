"""Reservations in PostgreSQL: a group in one round trip, commit included.

The hot path: the database decides, in the function of ``reserve.sql``, and
returns what is left of every row the group wanted.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from availability.errors import (
    AvailabilityError,
    CustomerLimitReached,
    OrderAlreadyRouted,
    RequestReused,
    StockConflict,
    StoreUnavailable,
)
from availability.ledger.memory.deltas import DayLoad, UnitsDelta, bought_by
from availability.model import MAX_STOCK_UNITS, LocationId
from availability.positions import counted_by
from availability.reservations import Claim, Purchase, Reservation

_TYPES = {
    "plan_ids": "text[]",
    "order_ids": "text[]",
    "bodies": "bytea[]",
    "replies": "bytea[]",
    "request_ids": "text[]",
    "digests": "bytea[]",
    "holds": "bigint[]",
    "same_plans": "bigint[]",
    "same_orders": "bigint[]",
    "same_requests": "bigint[]",
    "row_skus": "text[]",
    "row_locations": "text[]",
    "claim_firsts": "bigint[]",
    "claim_plans": "bigint[]",
    "claim_rows": "bigint[]",
    "claim_lines": "text[]",
    "claim_units": "bigint[]",
    "queued_plans": "bigint[]",
    "queued_channels": "text[]",
    "queued_skus": "text[]",
    "queued_lines": "text[]",
    "queued_units": "bigint[]",
    "channels": "text[]",
    "customers": "text[]",
    "move_skus": "text[]",
    "count_channels": "text[]",
    "count_skus": "text[]",
    "add_firsts": "bigint[]",
    "add_counts": "bigint[]",
    "add_queued": "bigint[]",
    "add_promised": "bigint[]",
    "guard_firsts": "bigint[]",
    "guard_most": "bigint[]",
    "guard_queued": "boolean[]",
    "guard_moves": "bigint[]",
    "guard_move_rows": "bigint[]",
    "guard_count_firsts": "bigint[]",
    "guard_counts": "bigint[]",
    "buy_firsts": "bigint[]",
    "buy_plans": "bigint[]",
    "buy_lines": "text[]",
    "buy_skus": "text[]",
    "buy_sizes": "bigint[]",
    "buy_units": "bigint[]",
    "buy_most": "bigint[]",
    "buy_seconds": "bigint[]",
}

# Binary: what a plan was made from is kilobytes, and text would double it.
RESERVE = "SELECT * FROM reserve_group({}, now_ms => %(now_ms)s::bigint)".format(
    ", ".join(f"{name} => %({name})b::{kind}" for name, kind in _TYPES.items())
)
"""The one statement; `arguments` has its values, `GroupOutcome.of` reads its row."""


@dataclass(frozen=True, slots=True)
class GroupOutcome:
    """What became of a group, and what memory has to take over.

    ``version`` is None if nothing was promised; ``xid`` the transaction's then.
    ``network`` is the network's version in the database; ``guarded`` is whether
    a guard refused a plan, which was made from less than is known by now.
    """

    outcomes: list[bytes | AvailabilityError]
    stored: list[Reservation]
    units: list[UnitsDelta]
    loads: dict[tuple[int, LocationId], DayLoad]
    version: int | None
    xid: int | None
    network: int
    guarded: bool

    @classmethod
    def of(
        cls, reservations: Sequence[Reservation], values: dict[str, Any], row: Any
    ) -> "GroupOutcome":
        """Read the row the function returned for these values."""
        (kinds, live, replies, failed, keys, lefts, caps, orders, units) = row[:9]
        today, version, xid, network = row[9:]
        claims = [claim for each in reservations for claim in each.claims]
        buys = [each for every in reservations for each in _purchases(every)]
        places = dict(zip(keys or (), values["row_locations"], strict=True))
        return cls(
            [
                _outcome(each, kinds[n], live[n], replies[n], claims, buys, failed[n])
                for n, each in enumerate(reservations)
            ],
            [each for n, each in enumerate(reservations) if kinds[n] == "stored"],
            [
                UnitsDelta(sku, key, left)
                for sku, key, left in zip(
                    values["row_skus"], keys or (), lefts or (), strict=True
                )
                if left is not None
            ],
            {
                (today, places[key]): DayLoad(*load)
                for key, *load in zip(
                    caps or (), orders or (), units or (), strict=True
                )
            },
            version,
            xid,
            network,
            "guarded" in kinds,
        )


def _outcome(
    each: Reservation,
    kind: str,
    live: str,
    reply: bytes,
    claims: Sequence[Claim],
    buys: Sequence[Purchase],
    failed: int | None,
) -> bytes | AvailabilityError:
    """Return what `reserve` would have returned or raised."""
    match kind:
        case "stored":
            return each.reply
        case "replayed":
            return reply
        case "reused":
            return RequestReused(each.request.request_id)
        case "routed":
            return OrderAlreadyRouted(each.order_id, live)
        case "refused":
            return StoreUnavailable(f"there is a plan {each.plan_id!r} already")
        case "guarded":
            return StockConflict(f"others took what plan {each.plan_id!r} wanted")
        case "bought":
            buy = buys[(failed or 1) - 1]
            return CustomerLimitReached(buy.line_id, buy.sku, buy.max_units or 0)
    claim = claims[(failed or 1) - 1]
    at, plan_id = claim.location_id, each.plan_id
    if kind == "full":
        return StockConflict(f"{at!r} has no capacity left for plan {plan_id!r}")
    return StockConflict(f"{claim.quantity} of {claim.sku!r} are gone at {at!r}")


def check_text(each: Reservation) -> None:
    """Refuse what cannot be stored, before it would fail others in the same commit.

    Raises
    ------
    ValueError
        A name is no text of PostgreSQL's, is empty, or a number is too large.
    """
    if not each.plan_id:
        raise ValueError("plan_id must not be empty")
    names = [each.plan_id, each.order_id, each.request.request_id]
    names += [each.channel_id, each.customer_id]
    for buy in each.purchases:
        names += [buy.line_id, buy.sku]
    for claim in each.claims:
        names += [claim.location_id, claim.sku, claim.line_id]
    for queued in each.queued:
        names += [queued.channel_id, queued.sku, queued.line_id]
        if queued.quantity > MAX_STOCK_UNITS:
            raise ValueError(f"queued quantity is too large: {queued.quantity}")
    for name in names:
        name.encode()
        if "\0" in name:
            raise ValueError(f"a name must not contain NUL: {name!r}")


def arguments(
    reservations: Sequence[Reservation], now_ms: int | None
) -> dict[str, Any]:
    """Return a group as the parallel arrays of `RESERVE`, which count from 1."""
    values: dict[str, Any] = {name: [] for name in _TYPES}
    claims = [claim for each in reservations for claim in each.claims]
    rows = sorted({(claim.sku, claim.location_id) for claim in claims})
    number = {row: n for n, row in enumerate(rows, start=1)}
    values["row_skus"] = [sku for sku, _ in rows]
    values["row_locations"] = [location_id for _, location_id in rows]
    values["plan_ids"] = [each.plan_id for each in reservations]
    values["order_ids"] = [each.order_id for each in reservations]
    values["bodies"] = [each.body for each in reservations]
    values["replies"] = [each.reply for each in reservations]
    values["request_ids"] = [each.request.request_id for each in reservations]
    values["digests"] = [each.request.digest for each in reservations]
    values["holds"] = [each.hold_seconds for each in reservations]
    values["same_plans"] = _same(values["plan_ids"])
    values["same_orders"] = _same(values["order_ids"])
    values["same_requests"] = _same(values["request_ids"])
    values["now_ms"] = now_ms
    for n, each in enumerate(reservations, start=1):
        values["claim_firsts"].append(len(values["claim_rows"]) + 1)
        for claim in each.claims:
            values["claim_plans"].append(n)
            values["claim_rows"].append(number[claim.sku, claim.location_id])
            values["claim_lines"].append(claim.line_id)
            # More than there can be is as good as any number more.
            values["claim_units"].append(min(claim.quantity, MAX_STOCK_UNITS + 1))
        for queued in each.queued:
            values["queued_plans"].append(n)
            values["queued_channels"].append(queued.channel_id)
            values["queued_skus"].append(queued.sku)
            values["queued_lines"].append(queued.line_id)
            values["queued_units"].append(queued.quantity)
    values["claim_firsts"].append(len(values["claim_rows"]) + 1)
    _add_counts(values, reservations)
    _add_purchases(values, reservations)
    return values


def _add_counts(values: dict[str, Any], reservations: Sequence[Reservation]) -> None:
    """Add what the plans add to the channels' counts, and what guards these."""
    added = [counted_by(each) for each in reservations]
    wanted = {at for each in added for at in each}
    moves: set[str] = set()
    for every in reservations:
        wanted.update((c, each.sku) for each in every.guards for c in each.channel_ids)
        moves.update(each.sku for each in every.guards if each.moves is not None)
    rows = sorted(wanted)
    number = {row: n for n, row in enumerate(rows, start=1)}
    values["move_skus"] = sorted(moves)
    move_row = {sku: n for n, sku in enumerate(values["move_skus"], start=1)}
    values["count_channels"] = [channel_id for channel_id, _ in rows]
    values["count_skus"] = [sku for _, sku in rows]
    for every, counts in zip(reservations, added, strict=True):
        values["channels"].append(every.channel_id)
        values["customers"].append(every.customer_id)
        values["add_firsts"].append(len(values["add_counts"]) + 1)
        for at, count in counts.items():
            values["add_counts"].append(number[at])
            values["add_queued"].append(count.queued)
            values["add_promised"].append(count.promised)
        values["guard_firsts"].append(len(values["guard_most"]) + 1)
        for each in every.guards:
            values["guard_most"].append(each.most_units)
            values["guard_queued"].append(each.queued)
            values["guard_moves"].append(each.moves)
            values["guard_move_rows"].append(move_row.get(each.sku, 0))
            values["guard_count_firsts"].append(len(values["guard_counts"]) + 1)
            values["guard_counts"] += [number[c, each.sku] for c in each.channel_ids]
    values["add_firsts"].append(len(values["add_counts"]) + 1)
    values["guard_firsts"].append(len(values["guard_most"]) + 1)
    values["guard_count_firsts"].append(len(values["guard_counts"]) + 1)


def _add_purchases(values: dict[str, Any], reservations: Sequence[Reservation]) -> None:
    """Add what the customers buy."""
    for n, every in enumerate(reservations, start=1):
        values["buy_firsts"].append(len(values["buy_plans"]) + 1)
        bought = bought_by(every) if every.customer_id else {}
        for each in _purchases(every):
            values["buy_plans"].append(n)
            values["buy_lines"].append(each.line_id)
            values["buy_skus"].append(each.sku)
            values["buy_sizes"].append(each.size_units)
            values["buy_units"].append(bought.get(each.line_id, 0))
            values["buy_most"].append(each.max_units)
            values["buy_seconds"].append(each.window_seconds)
    values["buy_firsts"].append(len(values["buy_plans"]) + 1)


def _purchases(each: Reservation) -> tuple[Purchase, ...]:
    """Return the purchases that count against a customer, none without one."""
    return each.purchases if each.customer_id else ()


def _same(names: Iterable[Hashable]) -> list[int]:
    """Return for each name the number of the last one before that equals it, or 0."""
    last: dict[Hashable, int] = {}
    found = []
    for n, name in enumerate(names, start=1):
        found.append(last.get(name, 0))
        last[name] = n
    return found
