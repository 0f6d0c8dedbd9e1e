"""Settings of a channel, a SKU or both, with their pre-orders."""

from typing import Any

from google.protobuf import timestamp_pb2

from availability.errors import Violation
from availability.setup.settings import CustomerLimit, Preorder, Settings
from availability.setup.setup import Place
from availability.v1 import channel_pb2
from router.rpc.codec.enums import (
    BACKORDERS_FROM_WIRE,
    BACKORDERS_TO_WIRE,
    no_member,
    required,
)
from router.rpc.codec.lists import at_most
from router.rpc.codec.movements import LAST_SECONDS

MAX_PREORDERS = 100
"""Most pre-orders of one scope."""
_NUMBERS = (
    *("managed", "out_of_stock_threshold_units", "availability_threshold_units"),
    *("publication_threshold_units", "low_units", "notify_units", "min_units"),
    *("max_units", "multiple_units", "fixed_units", "share_permille"),
    *("buffer_units", "floor_units"),
)
"""Settings that are a number, or a bool, in the message as in the value."""

Violations = list[Violation]


def decode_settings(
    wire: channel_pb2.Settings, path: str, violations: Violations
) -> Settings:
    """Read the settings of one scope."""
    has = wire.HasField
    numbers: dict[str, Any] = {
        name: getattr(wire, name)
        for name in _NUMBERS
        if wire.HasField(name)  # type: ignore[arg-type]
    }
    backorders = BACKORDERS_FROM_WIRE.get(wire.backorders)
    if backorders is None and wire.backorders:
        violations.append(no_member(f"{path}.backorders", wire.backorders))
    preorders: tuple[Preorder, ...] | None = None
    if has("preorders"):
        here = f"{path}.preorders"
        listed = at_most(MAX_PREORDERS, wire.preorders.preorders, here, violations)
        preorders = tuple(
            _decode_preorder(each, f"{here}[{n}]", violations)
            for n, each in enumerate(listed)
        )
    limit = None
    if has("customer_limit"):
        limit = CustomerLimit(
            wire.customer_limit.max_units, wire.customer_limit.window_seconds
        )
    return Settings(
        backorders=backorders, preorders=preorders, customer_limit=limit, **numbers
    )


def _decode_preorder(
    wire: channel_pb2.Preorder, path: str, violations: Violations
) -> Preorder:
    release_seconds = starts_seconds = 0
    if wire.HasField("release_time"):
        release_seconds = decode_instant(
            wire.release_time, f"{path}.release_time", violations
        )
    else:
        violations.append(required(f"{path}.release_time"))
    if wire.HasField("start_time"):
        starts_seconds = decode_instant(
            wire.start_time, f"{path}.start_time", violations
        )
    return Preorder(wire.cap_units, release_seconds, starts_seconds, wire.presold_units)


def encode_settings(settings: Settings) -> channel_pb2.Settings:
    """Write the settings of one scope."""
    wire = channel_pb2.Settings(**{name: getattr(settings, name) for name in _NUMBERS})
    if settings.backorders is not None:
        wire.backorders = BACKORDERS_TO_WIRE[settings.backorders]
    if settings.preorders is not None:
        wire.preorders.SetInParent()
        wire.preorders.preorders.extend(map(_encode_preorder, settings.preorders))
    if settings.customer_limit is not None:
        wire.customer_limit.SetInParent()
        wire.customer_limit.max_units = settings.customer_limit.max_units
        wire.customer_limit.window_seconds = settings.customer_limit.window_seconds
    return wire


def _encode_preorder(preorder: Preorder) -> channel_pb2.Preorder:
    wire = channel_pb2.Preorder(
        cap_units=preorder.cap_units, presold_units=preorder.presold_units
    )
    wire.release_time.FromSeconds(preorder.release_seconds)
    if preorder.starts_seconds:
        wire.start_time.FromSeconds(preorder.starts_seconds)
    return wire


def encode_entry(place: Place, settings: Settings) -> channel_pb2.SettingsEntry:
    """Write settings with their scope."""
    return channel_pb2.SettingsEntry(
        channel_id=place[0], sku=place[1], settings=encode_settings(settings)
    )


def decode_instant(
    wire: timestamp_pb2.Timestamp, path: str, violations: Violations
) -> int:
    """Read an instant of whole seconds, 0 where it is refused."""
    if not 0 <= wire.seconds <= LAST_SECONDS:
        message = "must be 1970-01-01T00:00:00Z to 9999-12-31T23:59:59Z"
        violations.append(Violation(path, "OUT_OF_RANGE", message))
        return 0
    if wire.nanos:
        message = "must be a whole second"
        violations.append(Violation(path, "NOT_WHOLE_SECONDS", message))
    return wire.seconds
