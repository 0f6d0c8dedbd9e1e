"""Settings of a channel, a SKU or both, at four levels, and which of them apply.

The most specific value that is given counts; values are never added up. Where the
vendors leave the order of their levels open (A4) or name levels that do not exist
(D6.7), this is the decision.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from availability.model import Sku
from availability.setup.channels import FULL_PERMILLE


class Level(enum.StrEnum):
    """Where a value comes from, the most specific first."""

    CHANNEL_SKU = "channel_sku"
    """Given for this SKU on this channel."""
    SKU = "sku"
    """Given for this SKU on all channels."""
    CHANNEL = "channel"
    """Given for this channel."""
    GLOBAL = "global"
    """Given for everything."""
    DEFAULT = "default"
    """Given nowhere: the built-in value."""


WIDE_LEVELS = (Level.SKU, Level.GLOBAL)
"""Where the cap of a pre-order is one for all channels; elsewhere each has its own."""


class Backorders(enum.StrEnum):
    """Whether more may be sold than there is (D1)."""

    NONE = "none"
    """No."""
    ALLOW = "allow"
    """Yes, down to the out-of-stock threshold if that is below 0."""
    ALLOW_AND_NOTIFY = "allow_and_notify"
    """As ALLOW, and the customer is notified."""


@dataclass(frozen=True, slots=True)
class Preorder:
    """Units offered before their release (A4).

    From ``starts_seconds`` up to, but not at, ``release_seconds`` since the epoch,
    ``cap_units`` may be sold in all, of which ``presold_units`` are. The cap is
    common to everything that the setting's level covers.
    """

    cap_units: int
    release_seconds: int
    starts_seconds: int = 0
    presold_units: int = 0

    @property
    def left_units(self) -> int:
        """What may still be sold; the cap itself may be."""
        return max(0, self.cap_units - self.presold_units)

    def open_at(self, now_seconds: int) -> bool:
        """Tell whether the window is open; at the release itself it is closed."""
        return self.starts_seconds <= now_seconds < self.release_seconds


@dataclass(frozen=True, slots=True)
class CustomerLimit:
    """Most units of non-cancelled orders of one customer in a rolling window (A4)."""

    max_units: int
    window_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one level; None: not given there.

    ``managed`` False is for what needs no stock. ``out_of_stock_threshold_units``
    keeps units back if positive (backorders off), or bounds backorders if negative
    (backorders on). The four thresholds are strict; 0 is none, as for ``max_units``.
    ``fixed_units`` is sent in place of what is counted. ``floor_units`` is what may
    be sold when the stock is not known.
    """

    managed: bool | None = None
    backorders: Backorders | None = None
    out_of_stock_threshold_units: int | None = None
    preorders: tuple[Preorder, ...] | None = None
    availability_threshold_units: int | None = None
    publication_threshold_units: int | None = None
    low_units: int | None = None
    notify_units: int | None = None
    min_units: int | None = None
    max_units: int | None = None
    multiple_units: int | None = None
    customer_limit: CustomerLimit | None = None
    fixed_units: int | None = None
    share_permille: int | None = None
    buffer_units: int | None = None
    floor_units: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """The settings that apply to one (channel, SKU), and the level of each value."""

    managed: bool = True
    backorders: Backorders = Backorders.NONE
    out_of_stock_threshold_units: int = 0
    preorders: tuple[Preorder, ...] = ()
    availability_threshold_units: int = 0
    publication_threshold_units: int = 0
    low_units: int = 0
    notify_units: int = 0
    min_units: int = 1
    max_units: int = 0
    multiple_units: int = 1
    customer_limit: CustomerLimit | None = None
    fixed_units: int | None = None
    share_permille: int = FULL_PERMILLE
    buffer_units: int = 0
    floor_units: int = 0
    levels: Mapping[str, Level] = field(default_factory=dict)

    def level(self, name: str) -> Level:
        """Return where the value of a field comes from."""
        return self.levels.get(name, Level.DEFAULT)

    @property
    def out_of_stock_units(self) -> int | None:
        """The out-of-stock threshold that counts; None: orders are not bounded (D2).

        With backorders only a negative one does, without only a positive one.
        """
        threshold = self.out_of_stock_threshold_units
        if self.backorders is Backorders.NONE:
            return max(0, threshold)
        return threshold if threshold < 0 else None

    def preorder_at(self, now_seconds: int) -> Preorder | None:
        """Return the pre-order that is open, the first of them."""
        for preorder in self.preorders:
            if preorder.open_at(now_seconds):
                return preorder
        return None


FIELDS = tuple(each.name for each in fields(Settings))
"""Every setting's name."""

_NONE = Settings()


@dataclass(frozen=True, slots=True)
class SettingsBook:
    """All settings, by level."""

    everything: Settings = _NONE
    channels: Mapping[str, Settings] = field(default_factory=dict)
    skus: Mapping[Sku, Settings] = field(default_factory=dict)
    channel_skus: Mapping[tuple[str, Sku], Settings] = field(default_factory=dict)

    def resolve(self, channel_id: str, sku: Sku) -> Effective:
        """Return what counts for a SKU on a channel.

        A value of 0, or no pre-orders, is a value: that is how a more specific
        level lifts the value of a wider one.
        """
        values: dict[str, Any] = {}
        levels: dict[str, Level] = {}
        for level, settings in (
            (Level.GLOBAL, self.everything),
            (Level.CHANNEL, self.channels.get(channel_id)),
            (Level.SKU, self.skus.get(sku)),
            (Level.CHANNEL_SKU, self.channel_skus.get((channel_id, sku))),
        ):
            if settings is None or settings is _NONE:
                continue
            for name in FIELDS:
                value = getattr(settings, name)
                if value is not None:
                    values[name] = value
                    levels[name] = level
        return Effective(**values, levels=MappingProxyType(levels))
