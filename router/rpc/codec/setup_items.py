"""The items of a setup: channels, settings, allocations, kits, expected receipts.

What is decoded has keys, enums that are known, and instants of whole seconds. Whether
it makes sense, by itself and with the rest, is `availability.setup.checks`'.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from availability.errors import Violation
from availability.model import (
    MAX_STOCK_UNITS,
    UNRANKED,
    LocationId,
    LocationKind,
    Sku,
)
from availability.setup.channels import (
    FULL_PERMILLE,
    Allocation,
    Channel,
    FutureSupply,
    Purpose,
    SupplyRule,
    SupplySource,
)
from availability.setup.kits import Component
from availability.setup.setup import Kit
from availability.v1 import channel_pb2
from router.rpc.codec.enums import (
    KIND_FROM_WIRE,
    KIND_TO_WIRE,
    PURPOSE_FROM_WIRE,
    PURPOSE_TO_WIRE,
    SOURCE_FROM_WIRE,
    SOURCE_TO_WIRE,
    no_member,
    required,
)
from router.rpc.codec.lists import at_most, decode_ids
from router.rpc.codec.request import decode_id
from router.rpc.codec.settings import Violations, decode_instant
from router.validation.breaches import out_of_range

MAX_RULES = 100
"""Most rules of a channel."""
MAX_KINDS = 100
MAX_GROUPS = 1_000
"""Most kinds, and most groups, of a rule."""
MAX_RULE_IDS = 10_000
"""Most locations in a list of a rule."""
MAX_ITEM_BYTES = 2**20
"""Largest channel; every other item is smaller by its own limits."""
MAX_CHANNEL_IDS = 256
"""Most channels of an allocation."""
MAX_COMPONENTS = 1_000
"""Most components of a kit."""

_ONE = 1
"""Stands for a quantity that is refused, so that the rest can be judged."""
EnumT = TypeVar("EnumT")


def decode_channel(
    wire: channel_pb2.Channel, path: str, violations: Violations
) -> Channel:
    """Read a channel; one without an id has one that is refused."""
    channel_id = decode_id(wire.channel_id, f"{path}.channel_id", violations)
    if wire.ByteSize() > MAX_ITEM_BYTES:
        message = f"must be at most {MAX_ITEM_BYTES} bytes, is {wire.ByteSize()}"
        violations.append(Violation(path, "TOO_LARGE", message))
        return Channel(channel_id or "-")
    rules = at_most(MAX_RULES, wire.rules, f"{path}.rules", violations)
    return Channel(
        channel_id or "-",
        tuple(
            _decode_rule(each, f"{path}.rules[{n}]", violations)
            for n, each in enumerate(rules)
        ),
    )


def _decode_rule(
    wire: channel_pb2.SupplyRule, path: str, violations: Violations
) -> SupplyRule:
    has = wire.HasField
    kinds: set[LocationKind] = set()
    for n, number in enumerate(
        at_most(MAX_KINDS, wire.kinds, f"{path}.kinds", violations)
    ):
        kind = KIND_FROM_WIRE.get(number)
        if kind is None:
            violations.append(no_member(f"{path}.kinds[{n}]", number))
        else:
            kinds.add(kind)
    ids = decode_ids(wire.include_ids, f"{path}.include_ids", MAX_RULE_IDS, violations)
    others = decode_ids(
        wire.exclude_ids, f"{path}.exclude_ids", MAX_RULE_IDS, violations
    )
    return SupplyRule(
        rank=_decode_rank(wire, path, violations),
        kinds=frozenset(kinds),
        groups=decode_ids(wire.groups, f"{path}.groups", MAX_GROUPS, violations),
        include_ids=frozenset(map(LocationId, ids)),
        exclude_ids=frozenset(map(LocationId, others)),
        min_units=wire.min_units,
        max_units=wire.max_units if has("max_units") else None,
        share_permille=(
            wire.share_permille if has("share_permille") else FULL_PERMILLE
        ),
        threshold_units=wire.threshold_units,
        min_locations=wire.min_locations,
    )


def encode_channel(channel: Channel) -> channel_pb2.Channel:
    """Write a channel; sets in order, so that the bytes are always the same."""
    return channel_pb2.Channel(
        channel_id=channel.channel_id, rules=map(_encode_rule, channel.rules)
    )


def _encode_rule(rule: SupplyRule) -> channel_pb2.SupplyRule:
    return channel_pb2.SupplyRule(
        rank=None if rule.rank == UNRANKED else rule.rank,
        kinds=sorted(KIND_TO_WIRE[each] for each in rule.kinds),
        groups=sorted(rule.groups),
        include_ids=sorted(rule.include_ids),
        exclude_ids=sorted(rule.exclude_ids),
        min_units=rule.min_units,
        max_units=rule.max_units,
        share_permille=(
            None if rule.share_permille == FULL_PERMILLE else rule.share_permille
        ),
        threshold_units=rule.threshold_units,
        min_locations=rule.min_locations,
    )


def decode_allocation(
    wire: channel_pb2.Allocation, path: str, violations: Violations
) -> Allocation:
    """Read an allocation; nothing of a declared one is consumed yet."""
    purpose = _member(PURPOSE_FROM_WIRE, wire.purpose, f"{path}.purpose", violations)
    return Allocation(
        decode_id(wire.allocation_id, f"{path}.allocation_id", violations),
        Sku(decode_id(wire.sku, f"{path}.sku", violations)),
        wire.quantity_units,
        purpose or Purpose.RESERVE,
        decode_ids(
            wire.channel_ids, f"{path}.channel_ids", MAX_CHANNEL_IDS, violations
        ),
        decode_ids(
            wire.following_ids, f"{path}.following_ids", MAX_CHANNEL_IDS, violations
        ),
        rank=_decode_rank(wire, path, violations),
    )


def encode_allocation(
    allocation: Allocation, consumed_units: int = 0
) -> channel_pb2.Allocation:
    """Write an allocation, and what is consumed of it by now."""
    return channel_pb2.Allocation(
        allocation_id=allocation.allocation_id,
        sku=allocation.sku,
        quantity_units=allocation.quantity_units,
        purpose=PURPOSE_TO_WIRE[allocation.purpose],
        channel_ids=sorted(allocation.channel_ids),
        following_ids=sorted(allocation.following),
        rank=None if allocation.rank == UNRANKED else allocation.rank,
        consumed_units=consumed_units,
    )


def decode_kit(wire: channel_pb2.Kit, path: str, violations: Violations) -> Kit:
    """Read the components of a kit."""
    decode_id(wire.sku, f"{path}.sku", violations)
    here = f"{path}.components"
    components = at_most(MAX_COMPONENTS, wire.components, here, violations)
    return tuple(
        Component(
            Sku(decode_id(each.sku, f"{here}[{n}].sku", violations)),
            _positive(each.quantity_units, f"{here}[{n}].quantity_units", violations),
        )
        for n, each in enumerate(components)
    )


def encode_kit(sku: Sku, kit: Kit) -> channel_pb2.Kit:
    """Write a kit."""
    return channel_pb2.Kit(
        sku=sku,
        components=[
            channel_pb2.Component(sku=each.sku, quantity_units=each.quantity_units)
            for each in kit
        ],
    )


def decode_supply(
    wire: channel_pb2.FutureSupply, path: str, violations: Violations
) -> FutureSupply:
    """Read an expected receipt."""
    here = f"{path}.available_from_time"
    from_seconds = 0
    if wire.HasField("available_from_time"):
        from_seconds = decode_instant(wire.available_from_time, here, violations)
    else:
        violations.append(required(here))
    source = _member(SOURCE_FROM_WIRE, wire.source, f"{path}.source", violations)
    return FutureSupply(
        LocationId(decode_id(wire.location_id, f"{path}.location_id", violations)),
        Sku(decode_id(wire.sku, f"{path}.sku", violations)),
        _positive(wire.quantity_units, f"{path}.quantity_units", violations),
        from_seconds,
        source or SupplySource.PURCHASE_ORDER,
        decode_id(wire.supply_id, f"{path}.supply_id", violations),
    )


def encode_supply(supply: FutureSupply) -> channel_pb2.FutureSupply:
    """Write an expected receipt."""
    wire = channel_pb2.FutureSupply(
        supply_id=supply.supply_id,
        location_id=supply.location_id,
        sku=supply.sku,
        quantity_units=supply.quantity_units,
        source=SOURCE_TO_WIRE[supply.source],
    )
    wire.available_from_time.FromSeconds(supply.available_from_seconds)
    return wire


def _decode_rank(
    wire: channel_pb2.SupplyRule | channel_pb2.Allocation,
    path: str,
    violations: Violations,
) -> int:
    if not wire.HasField("rank"):
        return UNRANKED
    if not 0 <= wire.rank < UNRANKED:
        violations.append(out_of_range(f"{path}.rank", 0, UNRANKED - 1, wire.rank))
    return wire.rank


def _positive(value: int, path: str, violations: Violations) -> int:
    """Return a number of units that the model can hold."""
    if 1 <= value <= MAX_STOCK_UNITS:
        return value
    violations.append(out_of_range(path, 1, MAX_STOCK_UNITS, value))
    return _ONE


def _member(
    members: Mapping[Any, EnumT], number: int, path: str, violations: Violations
) -> EnumT | None:
    found = members.get(number)
    if found is None:
        violations.append(no_member(path, number))
    return found
