"""Messages of a setup: items, changes, and results."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from availability.errors import Violation
from availability.model import Location, Sku
from availability.setup.channels import Allocation, Channel, FutureSupply
from availability.setup.settings import Settings
from availability.setup.setup import Kit, Place, Setup, SetupChange, changed
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


def decode_setup_change(
    wire: channel_service_pb2.PutSetupRequest, violations: Violations
) -> SetupChange:
    """Read what is to be put and removed, each key at most once.

    The locations are not among it.
    """
    found: dict[str, dict[Any, Any]] = {kind.name: {} for kind in _KINDS}
    for kind in _KINDS:
        _put(found[kind.name], kind, getattr(wire, kind.name), violations)
    for kind in _KINDS:
        _remove(found[kind.name], kind, getattr(wire, kind.removed), violations)
    return SetupChange(**found)


class _Kind(NamedTuple):
    """A kind of item.

    A request lists what it puts under ``name``, as a `SetupChange` does, and what it
    removes under ``removed``. ``field`` of an item has its key; it is empty for
    settings, whose key is a `Place`.
    """

    name: str
    removed: str
    field: str
    decode: Callable[[Any, str, Violations], Any]
    encode: Callable[[Any, Any], Any]

    def key(self, wire: Any) -> Any:
        """Return the key of an item."""
        return getattr(wire, self.field) if self.field else _place(wire)


def _put(
    found: dict[Any, Any], kind: _Kind, items: Iterable[Any], violations: Violations
) -> None:
    for n, each in enumerate(items):
        key = kind.key(each)
        path = f"{kind.name}[{n}]"
        if key in found:
            where = f"{path}.{kind.field}" if kind.field else path
            message = f"{_shown(key)} comes twice"
            violations.append(Violation(where, "DUPLICATE", message))
        found[key] = kind.decode(each, path, violations)


def _remove(
    found: dict[Any, Any], kind: _Kind, items: Iterable[Any], violations: Violations
) -> None:
    """Add what is to be removed, after all that is to be put."""
    for n, each in enumerate(items):
        key: Any = each if kind.field else _place(each)
        path = f"{kind.removed}[{n}]"
        if key in found:
            put = found[key] is not None
            reason = "CONFLICT" if put else "DUPLICATE"
            problem = "is both put and removed" if put else "comes twice"
            violations.append(Violation(path, reason, f"{_shown(key)} {problem}"))
            continue
        if kind.field:
            decode_id(key, path, violations)
        else:
            _judge_place(key, path, violations)
        found[key] = None


def _shown(key: object) -> str:
    if isinstance(key, tuple):
        return f"channel {key[0]!r}, SKU {key[1]!r}"
    return repr(key)


def _decode_entry(
    wire: channel_pb2.SettingsEntry, path: str, violations: Violations
) -> Settings:
    _judge_place(_place(wire), path, violations)
    if not wire.HasField("settings"):
        violations.append(required(f"{path}.settings"))
    return decode_settings(wire.settings, f"{path}.settings", violations)


def _place(wire: channel_pb2.SettingsEntry | channel_service_pb2.SettingsKey) -> Place:
    return wire.channel_id, wire.sku


def _judge_place(place: tuple[str, ...], path: str, violations: Violations) -> None:
    for name, value in zip(("channel_id", "sku"), place, strict=True):
        if value:
            decode_id(value, f"{path}.{name}", violations)


_KINDS = (
    _Kind(
        "channels",
        "removed_channel_ids",
        "channel_id",
        decode_channel,
        lambda _, channel: encode_channel(channel),
    ),
    _Kind("settings", "removed_settings", "", _decode_entry, encode_entry),
    _Kind(
        "allocations",
        "removed_allocation_ids",
        "allocation_id",
        decode_allocation,
        lambda _, allocation: encode_allocation(allocation),
    ),
    _Kind("kits", "removed_kit_skus", "sku", decode_kit, encode_kit),
    _Kind(
        "supplies",
        "removed_supply_ids",
        "supply_id",
        decode_supply,
        lambda _, supply: encode_supply(supply),
    ),
)


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
    for kind in _KINDS:
        for key, value in getattr(change, kind.name).items():
            if value is not None:
                getattr(wire, kind.name).append(kind.encode(key, value))
            elif kind.field:
                getattr(wire, kind.removed).append(key)
            else:
                wire.removed_settings.add(channel_id=key[0], sku=key[1])
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
        for kind in _KINDS:
            found = getattr(self, kind.name)
            for each in getattr(wire, kind.name):
                found[kind.key(each)] = kind.decode(each, "", [])
        for each in wire.allocations:
            allocation = self.allocations[each.allocation_id]
            self.allocations[each.allocation_id] = replace(
                allocation, consumed_units=each.consumed_units
            )

    def setup(self, version: int) -> Setup:
        """Return them as a setup, in the order they were read."""
        put = SetupChange(self.channels, self.settings, {}, self.kits, self.supplies)
        # A change would take from allocations what was consumed of them.
        return replace(
            changed(Setup(), put), allocations=self.allocations, version=version
        )
