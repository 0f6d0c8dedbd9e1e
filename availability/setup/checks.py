"""Checks of channels, settings, allocations and kits: every breach, with its path."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise

from availability.errors import Violation
from availability.model import MAX_STOCK_UNITS, LocationId, Network, Sku
from availability.setup.channels import (
    FULL_PERMILLE,
    UNDECLARED,
    Allocation,
    Channel,
    FutureSupply,
    Purpose,
    SupplyRule,
)
from availability.setup.kits import Component
from availability.setup.settings import (
    FIELDS,
    Effective,
    Level,
    Preorder,
    Settings,
    SettingsBook,
)

UNBOUNDED_BELOW = "out_of_stock_threshold_units"
"""The one number of units that may be negative."""
AT_LEAST_ONE = ("min_units", "multiple_units")
OF_STOCK = (
    "managed",
    "backorders",
    "out_of_stock_threshold_units",
    "preorders",
    "notify_units",
    "fixed_units",
    "floor_units",
)
"""Settings of stock, which a kit does not have."""
PAIRED = (
    "availability_threshold_units",
    "publication_threshold_units",
    "min_units",
    "max_units",
    "multiple_units",
)
"""Values that must agree with each other, each from whatever level it is."""


def check_channels(
    channels: Sequence[Channel], network: Network, *, ties: bool = True
) -> list[Violation]:
    """Return what is wrong with channels, their rules, and what names them.

    Without ``ties`` a location may be tied to a channel that is not declared.
    """
    found: list[Violation] = []
    found_ids: set[str] = set()
    for at, channel in enumerate(channels):
        path = f"channels[{at}]"
        if channel.channel_id in found_ids:
            found.append(_twice(f"{path}.channel_id", channel.channel_id))
        found_ids.add(channel.channel_id)
        if channel.channel_id == UNDECLARED:
            message = f"{UNDECLARED!r} stands for what is not declared"
            found.append(Violation(f"{path}.channel_id", "RESERVED", message))
        for number, rule in enumerate(channel.rules):
            found += _rule(f"{path}.rules[{number}]", rule, network)
    for at, location in enumerate(network.locations if ties else ()):
        path = f"locations[{at}].channel_ids"
        found += _unknown(path, "channel", location.channel_ids, found_ids)
    return found


def check_book(
    book: SettingsBook,
    channels: Sequence[Channel],
    skus: Collection[Sku] | None = None,
    within: SettingsBook | None = None,
) -> list[Violation]:
    """Return what is wrong with settings, each level by itself and over the wider.

    ``skus`` None leaves SKUs unchecked: settings may come before the catalogue.
    ``within`` is the whole that the book is a part of, if it is one.
    """
    whole = book if within is None else within
    channel_ids = {each.channel_id for each in channels}
    found: list[Violation] = []
    for path, level, channel_id, sku, settings in _entries(book):
        if channel_id:
            found += _unknown(path, "channel", [channel_id], channel_ids)
        if sku and skus is not None:
            found += _unknown(path, "sku", [sku], skus)
        alone = list(_settings(path, settings))
        found += alone
        if not alone and any(getattr(settings, name) is not None for name in PAIRED):
            # A value of a SKU meets those of each channel: one breach is enough.
            for other in [channel_id] if level is not Level.SKU else [*channel_ids, ""]:
                together = list(_together(path, level, whole.resolve(other, sku)))
                found += together
                if together:
                    break
    return found


def check_allocations(
    allocations: Sequence[Allocation], channels: Sequence[Channel]
) -> list[Violation]:
    """Return what is wrong with allocations; more than there is in stock is not."""
    channel_ids = {each.channel_id for each in channels}
    found: list[Violation] = []
    found_ids: set[str] = set()
    for at, each in enumerate(allocations):
        path = f"allocations[{at}]"
        if each.allocation_id in found_ids:
            found.append(_twice(f"{path}.allocation_id", each.allocation_id))
        found_ids.add(each.allocation_id)
        found += _range(f"{path}.quantity_units", each.quantity_units)
        found += _range(f"{path}.consumed_units", each.consumed_units)
        found += _unknown(
            f"{path}.channel_ids", "channel", each.channel_ids, channel_ids
        )
        if not each.following <= each.channel_ids:
            others = ", ".join(sorted(each.following - each.channel_ids))
            message = f"follow, but are not among its channels: {others}"
            found.append(Violation(f"{path}.following", "NOT_A_MEMBER", message))
        if each.purpose is Purpose.PRESELL and not each.channel_ids:
            message = "a pre-sell without channels does nothing"
            found.append(Violation(f"{path}.channel_ids", "EMPTY", message))
    return found


def check_kits(
    kits: Mapping[Sku, Sequence[Component]], book: SettingsBook
) -> list[Violation]:
    """Return what is wrong with kits, and with their settings.

    A kit has no stock of its own: settings of stock are those of its
    components. A kit in a kit is refused, and so is a circle of them.
    """
    found: list[Violation] = []
    for sku, kit in kits.items():
        path = f"kits[{sku}]"
        if not kit:
            found.append(Violation(f"{path}.components", "EMPTY", "has no components"))
        found_ids: set[Sku] = set()
        for at, each in enumerate(kit):
            where = f"{path}.components[{at}]"
            found += _range(f"{where}.quantity_units", each.quantity_units, 1)
            if each.sku in found_ids:
                found.append(_twice(f"{where}.sku", each.sku))
            found_ids.add(each.sku)
            if _reaches(kits, each.sku, sku):
                message = f"{each.sku!r} leads back to {sku!r}"
                found.append(Violation(f"{where}.sku", "CYCLE", message))
            elif each.sku in kits:
                message = f"{each.sku!r} is a kit: name its components instead"
                found.append(Violation(f"{where}.sku", "KIT_IN_KIT", message))
    for path, _, _, sku, settings in _entries(book):
        for name in OF_STOCK if sku in kits else ():
            if getattr(settings, name) is not None:
                message = f"{sku!r} is a kit: its components have the stock"
                found.append(Violation(f"{path}.{name}", "NOT_FOR_KITS", message))
    return found


def _reaches(kits: Mapping[Sku, Sequence[Component]], start: Sku, end: Sku) -> bool:
    """Tell whether a kit is, or is made of, another, however deep."""
    visited: set[Sku] = set()
    left = [start]
    while left:
        sku = left.pop()
        if sku == end:
            return True
        if sku not in visited:
            visited.add(sku)
            left += [each.sku for each in kits.get(sku, ())]
    return False


def check_supplies(
    supplies: Sequence[FutureSupply], network: Network
) -> list[Violation]:
    """Return what is wrong with expected receipts."""
    found: list[Violation] = []
    for at, each in enumerate(supplies):
        path = f"supplies[{at}]"
        found += _range(f"{path}.quantity_units", each.quantity_units)
        found += _unknown(
            f"{path}.location_id", "location", [each.location_id], network.index
        )
    return found


def _rule(path: str, rule: SupplyRule, network: Network) -> Iterator[Violation]:
    yield from _range(f"{path}.share_permille", rule.share_permille, most=FULL_PERMILLE)
    for name in ("min_units", "max_units", "threshold_units", "min_locations"):
        value = getattr(rule, name)
        if value is not None:
            yield from _range(f"{path}.{name}", value)
    if rule.max_units is not None and rule.max_units < rule.min_units:
        message = f"max_units {rule.max_units} is below min_units {rule.min_units}"
        yield Violation(f"{path}.max_units", "MAX_BELOW_MIN", message)
    known: Collection[LocationId | str] = network.index.keys()
    yield from _unknown(f"{path}.include_ids", "location", rule.include_ids, known)
    yield from _unknown(f"{path}.exclude_ids", "location", rule.exclude_ids, known)


def _entries(
    book: SettingsBook,
) -> Iterator[tuple[str, Level, str, Sku, Settings]]:
    """Yield (path, level, channel, SKU, settings) of all settings."""
    none = Sku("")
    yield "settings.global", Level.GLOBAL, "", none, book.everything
    for channel_id, settings in book.channels.items():
        path = f"settings.channels[{channel_id}]"
        yield path, Level.CHANNEL, channel_id, none, settings
    for sku, settings in book.skus.items():
        yield f"settings.skus[{sku}]", Level.SKU, "", sku, settings
    for (channel_id, sku), settings in book.channel_skus.items():
        path = f"settings.channel_skus[{channel_id},{sku}]"
        yield path, Level.CHANNEL_SKU, channel_id, sku, settings


def _settings(path: str, settings: Settings) -> Iterator[Violation]:
    """Yield what is wrong at one level, whatever the others have."""
    for name in FIELDS:
        value = getattr(settings, name)
        if isinstance(value, bool) or not isinstance(value, int):
            continue
        least = -MAX_STOCK_UNITS if name == UNBOUNDED_BELOW else name in AT_LEAST_ONE
        most = FULL_PERMILLE if name == "share_permille" else MAX_STOCK_UNITS
        yield from _range(f"{path}.{name}", value, least, most)
    if settings.customer_limit is not None:
        limit = settings.customer_limit
        yield from _range(f"{path}.customer_limit.max_units", limit.max_units)
        yield from _range(
            f"{path}.customer_limit.window_seconds", limit.window_seconds, 1
        )
    yield from _preorders(f"{path}.preorders", settings.preorders or ())


def _preorders(path: str, preorders: Sequence[Preorder]) -> Iterator[Violation]:
    for at, each in enumerate(preorders):
        yield from _range(f"{path}[{at}].cap_units", each.cap_units)
        yield from _range(f"{path}[{at}].presold_units", each.presold_units)
        if each.release_seconds <= each.starts_seconds:
            message = "the release is not after the start"
            yield Violation(f"{path}[{at}].release_seconds", "EMPTY_WINDOW", message)
    order = sorted(range(len(preorders)), key=lambda at: preorders[at].starts_seconds)
    for before, after in pairwise(order):
        if preorders[after].starts_seconds < preorders[before].release_seconds:
            message = f"starts before preorders[{before}] is released"
            yield Violation(f"{path}[{after}].starts_seconds", "OVERLAP", message)


def _together(path: str, level: Level, counts: Effective) -> Iterator[Violation]:
    """Yield what this level's values do wrong with those of the wider levels."""

    def mine(*names: str) -> bool:
        return any(counts.level(name) is level for name in names)

    published = counts.publication_threshold_units
    available = counts.availability_threshold_units
    if published > available and mine(*PAIRED[:2]):
        message = f"hidden below {published}, though on sale from {available}"
        yield Violation(
            f"{path}.publication_threshold_units",
            "PUBLICATION_ABOVE_AVAILABILITY",
            message,
        )
    most = counts.max_units - counts.max_units % counts.multiple_units
    if counts.max_units > 0 and most < counts.min_units and mine(*PAIRED[2:]):
        message = (
            f"nothing from {counts.min_units} to {counts.max_units} can be ordered"
        )
        yield Violation(f"{path}.max_units", "MAX_BELOW_MIN", message)


def _range(
    path: str, value: int, least: int = 0, most: int = MAX_STOCK_UNITS
) -> Iterator[Violation]:
    if not least <= value <= most:
        message = f"must be from {int(least)} to {most}, got {value}"
        yield Violation(path, "OUT_OF_RANGE", message)


def _unknown(
    path: str, noun: str, names: Collection[str], known: Collection[str]
) -> Iterator[Violation]:
    for name in sorted(names):
        if name not in known:
            yield Violation(path, f"UNKNOWN_{noun.upper()}", f"no {noun} {name!r}")


def _twice(path: str, name: str) -> Violation:
    return Violation(path, "DUPLICATE", f"{name!r} appears twice")
