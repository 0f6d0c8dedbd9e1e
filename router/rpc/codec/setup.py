"""Messages of a setup: items, changes, and results."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from availability.errors import Violation
from availability.model import Location, Sku
from availability.setup.channels import Allocation, Channel, FutureSupply
from availability.setup.settings import Settings, SettingsBook
from availability.setup.setup import Kit, Place, Setup, SetupChange
from availability.v1 import channel_pb2, channel_service_pb2
from router.rpc.codec.enums import required
from router.rpc.codec.request import decode_id
from router.rpc.codec.settings import Violations, decode_settings, encode_entry
from router.rpc.codec.setup_items import (
    decode_allocation,
    decode_channel,
    decode_kit,
    decode_supply,
    encode_allocation,
    encode_channel,
    encode_kit,
    encode_supply,
)
from router.rpc.codec.stock import encode_location

KeyT = TypeVar("KeyT")
WireT = TypeVar("WireT")
ValueT = TypeVar("ValueT")


def decode_setup_change(
    wire: channel_service_pb2.PutSetupRequest, violations: Violations
) -> SetupChange:
    """Read what is to be put and removed, each key at most once.

    The locations are not among it.
    """
    channels: dict[str, Channel | None] = {}
    settings: dict[Place, Settings | None] = {}
    allocations: dict[str, Allocation | None] = {}
    kits: dict[Sku, Kit | None] = {}
    supplies: dict[str, FutureSupply | None] = {}
    into = _Into(violations)
    into.put(channels, "channels", wire.channels, decode_channel, _channel_key)
    into.put(settings, "settings", wire.settings, _decode_entry, _place_key)
    into.put(
        allocations, "allocations", wire.allocations, decode_allocation, _allocation_key
    )
    into.put(kits, "kits", wire.kits, decode_kit, _kit_key)
    into.put(supplies, "supplies", wire.supplies, decode_supply, _supply_key)
    into.remove(channels, "removed_channel_ids", wire.removed_channel_ids)
    into.remove(
        settings,
        "removed_settings",
        [_decode_place(each) for each in wire.removed_settings],
    )
    into.remove(allocations, "removed_allocation_ids", wire.removed_allocation_ids)
    into.remove(kits, "removed_kit_skus", [Sku(each) for each in wire.removed_kit_skus])
    into.remove(supplies, "removed_supply_ids", wire.removed_supply_ids)
    return SetupChange(channels, settings, allocations, kits, supplies)


class _Into:
    """Collects items by key, and reports each key that comes twice."""

    def __init__(self, violations: Violations) -> None:
        self._violations = violations

    def put(
        self,
        found: dict[KeyT, ValueT | None],
        name: str,
        items: Iterable[WireT],
        decode: Callable[[WireT, str, Violations], ValueT],
        key_of: Callable[[WireT], tuple[KeyT, str]],
    ) -> None:
        """Add items; ``key_of`` also returns the field that the key is in."""
        for n, each in enumerate(items):
            key, field = key_of(each)
            path = f"{name}[{n}]"
            if key in found:
                where = f"{path}.{field}" if field else path
                message = f"{_shown(key)} comes twice"
                self._violations.append(Violation(where, "DUPLICATE", message))
            found[key] = decode(each, path, self._violations)

    def remove(
        self, found: dict[KeyT, ValueT | None], name: str, keys: Iterable[KeyT]
    ) -> None:
        """Add what is to be removed; after all that is to be put."""
        for n, key in enumerate(keys):
            path = f"{name}[{n}]"
            if key in found:
                put = found[key] is not None
                reason = "CONFLICT" if put else "DUPLICATE"
                problem = "is both put and removed" if put else "comes twice"
                message = f"{_shown(key)} {problem}"
                self._violations.append(Violation(path, reason, message))
                continue
            if isinstance(key, tuple):
                _judge_place(key, path, self._violations)
            else:
                decode_id(str(key), path, self._violations)
            found[key] = None


def _shown(key: object) -> str:
    if isinstance(key, tuple):
        return f"channel {key[0]!r}, SKU {key[1]!r}"
    return repr(key)


def _channel_key(wire: channel_pb2.Channel) -> tuple[str, str]:
    return wire.channel_id, "channel_id"


def _place_key(wire: channel_pb2.SettingsEntry) -> tuple[Place, str]:
    return (wire.channel_id, wire.sku), ""


def _allocation_key(wire: channel_pb2.Allocation) -> tuple[str, str]:
    return wire.allocation_id, "allocation_id"


def _kit_key(wire: channel_pb2.Kit) -> tuple[Sku, str]:
    return Sku(wire.sku), "sku"


def _supply_key(wire: channel_pb2.FutureSupply) -> tuple[str, str]:
    return wire.supply_id, "supply_id"


def _decode_entry(
    wire: channel_pb2.SettingsEntry, path: str, violations: Violations
) -> Settings:
    _judge_place((wire.channel_id, wire.sku), path, violations)
    if not wire.HasField("settings"):
        violations.append(required(f"{path}.settings"))
    return decode_settings(wire.settings, f"{path}.settings", violations)


def _decode_place(wire: channel_service_pb2.SettingsKey) -> Place:
    return wire.channel_id, wire.sku


def _judge_place(place: tuple[str, ...], path: str, violations: Violations) -> None:
    for name, value in zip(("channel_id", "sku"), place, strict=True):
        if value:
            decode_id(value, f"{path}.{name}", violations)


def encode_setup_change(
    request_id: str,
    change: SetupChange,
    locations: Sequence[Location] = (),
    *,
    dry_run: bool = False,
) -> channel_service_pb2.PutSetupRequest:
    """Write a change: what a client of ours sends."""
    wire = channel_service_pb2.PutSetupRequest(
        request_id=request_id,
        locations=map(encode_location, locations),
        dry_run=dry_run,
    )
    for channel_id, channel in change.channels.items():
        if channel is None:
            wire.removed_channel_ids.append(channel_id)
        else:
            wire.channels.append(encode_channel(channel))
    for place, settings in change.settings.items():
        if settings is None:
            wire.removed_settings.add(channel_id=place[0], sku=place[1])
        else:
            wire.settings.append(encode_entry(place, settings))
    for allocation_id, allocation in change.allocations.items():
        if allocation is None:
            wire.removed_allocation_ids.append(allocation_id)
        else:
            wire.allocations.append(encode_allocation(allocation))
    for sku, kit in change.kits.items():
        if kit is None:
            wire.removed_kit_skus.append(sku)
        else:
            wire.kits.append(encode_kit(sku, kit))
    for supply_id, supply in change.supplies.items():
        if supply is None:
            wire.removed_supply_ids.append(supply_id)
        else:
            wire.supplies.append(encode_supply(supply))
    return wire


class SetupItems(NamedTuple):
    """Items of a setup, by their keys: those of one page, or of many."""

    channels: dict[str, Channel]
    settings: dict[Place, Settings]
    allocations: dict[str, Allocation]
    kits: dict[Sku, Kit]
    supplies: dict[str, FutureSupply]

    @classmethod
    def none(cls) -> "SetupItems":
        """Return no items, to be added to."""
        return cls({}, {}, {}, {}, {})

    def read(self, wire: channel_service_pb2.ListSetupResponse) -> None:
        """Add the items of a page: what a client of ours does."""
        none: Violations = []
        for channel in wire.channels:
            self.channels[channel.channel_id] = decode_channel(channel, "", none)
        for entry in wire.settings:
            settings = decode_settings(entry.settings, "", none)
            self.settings[entry.channel_id, entry.sku] = settings
        for each in wire.allocations:
            self.allocations[each.allocation_id] = replace(
                decode_allocation(each, "", none), consumed_units=each.consumed_units
            )
        for kit in wire.kits:
            self.kits[Sku(kit.sku)] = decode_kit(kit, "", none)
        for supply in wire.supplies:
            self.supplies[supply.supply_id] = decode_supply(supply, "", none)

    def setup(self, version: int) -> Setup:
        """Return them as a setup, in the order they were read."""
        book = SettingsBook(
            self.settings.get(("", ""), Settings()),
            {at: each for (at, sku), each in self.settings.items() if at and not sku},
            {
                Sku(sku): each
                for (at, sku), each in self.settings.items()
                if sku and not at
            },
            {
                (at, Sku(sku)): each
                for (at, sku), each in self.settings.items()
                if sku and at
            },
        )
        return Setup(
            self.channels, book, self.allocations, self.kits, self.supplies, version
        )
