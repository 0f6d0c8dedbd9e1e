"""The setup of channels as one value: read whole, changed item by item.

Locations are not in it: they are the network's. Nothing here reads a database.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

from availability.errors import Violation
from availability.model import Network, Sku, StoredResult
from availability.setup.channels import Allocation, Channel, FutureSupply
from availability.setup.checks import (
    check_allocations,
    check_book,
    check_channels,
    check_kits,
    check_supplies,
)
from availability.setup.kits import Component
from availability.setup.settings import Settings, SettingsBook

ValueT = TypeVar("ValueT")
KeyT = TypeVar("KeyT")

Kit = tuple[Component, ...]
Place = tuple[str, str]
"""The scope of settings: (channel_id, sku), empty for all of them."""


@dataclass(frozen=True, slots=True)
class Setup:
    """Channels, settings, allocations, kits and expected receipts.

    In the order they were first put. The ``consumed_units`` of an allocation are
    what its channels' promises are short of, or above, what they consumed: what is
    consumed now is that and all they have promised. ``version`` is the ledger's
    when any of it last changed.
    """

    channels: Mapping[str, Channel] = field(default_factory=dict)
    book: SettingsBook = field(default_factory=SettingsBook)
    allocations: Mapping[str, Allocation] = field(default_factory=dict)
    kits: Mapping[Sku, Kit] = field(default_factory=dict)
    supplies: Mapping[str, FutureSupply] = field(default_factory=dict)
    version: int = 0


NOTHING_SAID = Setup()
"""No channels, and so nothing but stock."""


@dataclass(frozen=True, slots=True)
class SetupChange:
    """Items to put, by their keys; None takes one away. What is not named stays."""

    channels: Mapping[str, Channel | None] = field(default_factory=dict)
    settings: Mapping[Place, Settings | None] = field(default_factory=dict)
    allocations: Mapping[str, Allocation | None] = field(default_factory=dict)
    kits: Mapping[Sku, Kit | None] = field(default_factory=dict)
    supplies: Mapping[str, FutureSupply | None] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many items it names."""
        return sum(len(getattr(self, each.name)) for each in fields(self))


@dataclass(frozen=True, slots=True)
class SetupResult(StoredResult):
    """What a put of a setup did: items, and locations, by what became of them."""

    created_count: int
    replaced_count: int
    removed_count: int
    unchanged_count: int
    stock_version: int


def changed(setup: Setup, change: SetupChange) -> Setup:
    """Return the setup after a change; its version stays.

    An allocation that was there keeps its place in time and what was consumed of
    it.
    """
    allocations = dict(change.allocations)
    newest = max(
        (each.created_number for each in setup.allocations.values()), default=0
    )
    for key, each in change.allocations.items():
        if each is None:
            continue
        before = setup.allocations.get(key)
        if before is not None:
            each = replace(
                each,
                created_number=before.created_number,
                consumed_units=before.consumed_units,
            )
        else:
            newest += 1
            each = replace(each, created_number=newest)
        allocations[key] = each
    return Setup(
        _merged(setup.channels, change.channels),
        _book(setup.book, change.settings),
        _merged(setup.allocations, allocations),
        _merged(setup.kits, change.kits),
        _merged(setup.supplies, change.supplies),
        setup.version,
    )


def _merged(
    before: Mapping[KeyT, ValueT], change: Mapping[KeyT, ValueT | None]
) -> Mapping[KeyT, ValueT]:
    if not change:
        return before
    merged = dict(before)
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged


def _book(book: SettingsBook, change: Mapping[Place, Settings | None]) -> SettingsBook:
    if not change:
        return book
    channels: dict[str, Settings | None] = {}
    skus: dict[Sku, Settings | None] = {}
    channel_skus: dict[tuple[str, Sku], Settings | None] = {}
    everything = book.everything
    for (channel_id, sku), settings in change.items():
        if channel_id and sku:
            channel_skus[channel_id, Sku(sku)] = settings
        elif sku:
            skus[Sku(sku)] = settings
        elif channel_id:
            channels[channel_id] = settings
        else:
            everything = settings or Settings()
    return SettingsBook(
        everything,
        _merged(book.channels, channels),
        _merged(book.skus, skus),
        _merged(book.channel_skus, channel_skus),
    )


def settings_at(book: SettingsBook, place: Place) -> Settings | None:
    """Return the settings of one scope, None if it has none."""
    channel_id, sku = place
    if channel_id and sku:
        return book.channel_skus.get((channel_id, Sku(sku)))
    if sku:
        return book.skus.get(Sku(sku))
    if channel_id:
        return book.channels.get(channel_id)
    return None if book.everything == Settings() else book.everything


def places(book: SettingsBook) -> list[Place]:
    """Return the scopes that have settings, the widest first."""
    found: list[Place] = [] if book.everything == Settings() else [("", "")]
    found += [(channel_id, "") for channel_id in book.channels]
    found += [("", sku) for sku in book.skus]
    found += book.channel_skus
    return found


def check_setup(
    setup: Setup, network: Network, change: SetupChange | None = None
) -> list[Violation]:
    """Return what is wrong with a setup: every breach, each with its path.

    With ``change``, what led to it from one that was right, settings of a SKU that
    it did not touch are not looked at again unless something wider was.
    """
    channels = tuple(setup.channels.values())
    found = check_channels(channels, network, ties=False)
    book = setup.book
    if change is not None and not _is_wide(change):
        book = _touched(book, change)
    found += check_book(book, channels, within=setup.book)
    declared = tuple(_declared(each) for each in setup.allocations.values())
    found += check_allocations(declared, channels)
    found += check_kits(setup.kits, setup.book)
    found += check_supplies(tuple(setup.supplies.values()), network)
    found += _of_kits("allocations", setup.allocations.values(), setup.kits)
    found += _of_kits("supplies", setup.supplies.values(), setup.kits)
    return found


def _of_kits(
    path: str, items: Iterable[Allocation | FutureSupply], kits: Mapping[Sku, Kit]
) -> list[Violation]:
    """Return which items are of a kit: only its components are set apart or come."""
    message = "{!r} is a kit: its components have the stock"
    return [
        Violation(f"{path}[{n}].sku", "NOT_FOR_KITS", message.format(each.sku))
        for n, each in enumerate(items)
        if each.sku in kits
    ]


def _is_wide(change: SetupChange) -> bool:
    """Tell whether a change may make settings wrong that it does not name."""
    return bool(change.channels) or any(not sku for _, sku in change.settings)


def _touched(book: SettingsBook, change: SetupChange) -> SettingsBook:
    """Return what a change of single SKUs may have made wrong."""
    skus = {Sku(sku) for _, sku in change.settings}
    named = {sku for channel_id, sku in change.settings if not channel_id}
    return SettingsBook(
        skus={sku: book.skus[sku] for sku in skus if sku in book.skus},
        channel_skus={
            at: settings
            for at, settings in book.channel_skus.items()
            if at in change.settings or at[1] in named
        },
    )


def difference(before: Setup, after: Setup) -> SetupChange:
    """Return the change that leads from one setup to another.

    What was consumed of an allocation, and when it was created, is no difference.
    """
    gone: dict[Place, Settings | None] = {
        place: None
        for place in places(before.book)
        if settings_at(after.book, place) is None
    }
    given = {
        place: settings_at(after.book, place)
        for place in places(after.book)
        if settings_at(after.book, place) != settings_at(before.book, place)
    }
    declared = {key: _declared(each) for key, each in before.allocations.items()}
    wanted = {key: _declared(each) for key, each in after.allocations.items()}
    return SetupChange(
        _difference(before.channels, after.channels),
        gone | given,
        _difference(declared, wanted),
        _difference(before.kits, after.kits),
        _difference(before.supplies, after.supplies),
    )


def _declared(each: Allocation) -> Allocation:
    return replace(each, consumed_units=0, created_number=0)


def _difference(
    before: Mapping[KeyT, ValueT], after: Mapping[KeyT, ValueT]
) -> dict[KeyT, ValueT | None]:
    gone: dict[KeyT, ValueT | None] = {key: None for key in before if key not in after}
    return gone | {
        key: value for key, value in after.items() if before.get(key) != value
    }
