"""Stock imports, judged as a whole before any of it is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from availability.errors import MAX_VIOLATIONS, InvalidChange, SnapshotDrops, Violation
from availability.ledger.memory.deltas import UnitsDelta
from availability.ledger.memory.places import Places
from availability.model import (
    MAX_STOCK_UNITS,
    ImportMode,
    ImportResult,
    StockChange,
)

MAX_SKU_CHARACTERS = 128
"""Longest SKU."""


class Breach(NamedTuple):
    """A violation, and the change it stands at."""

    position: int
    violation: Violation


class SoundChange(NamedTuple):
    """A change that has no breach; ``counts`` is 1 if its zone is available."""

    position: int
    sku: str
    location_key: int
    zone_id: str
    counts: int
    on_hand: int
    safety_stock: int | None


@dataclass(slots=True)
class CheckedImport:
    """An import after what can be judged without the stock.

    ``counted`` has the available zones of all locations, as (location key, zone);
    it holds as long as the network's version is ``zones_of``.
    """

    mode: ImportMode
    breaches: list[Breach]
    sound: list[SoundChange]
    counted: list[tuple[int, str]]
    zones_of: int
    max_drop_permille: int | None = None

    @property
    def counts(self) -> bool:
        """Whether the records named are counted by it."""
        return self.mode is not ImportMode.DELETE


def judge(
    mode: ImportMode,
    changes: Sequence[StockChange],
    places: Places,
    max_drop_permille: int | None = None,
) -> CheckedImport:
    """Check everything but what a DELTA would leave on hand, or a SNAPSHOT drop.

    Raises
    ------
    InvalidChange
        Outside DELTA, where the stock has no say: the writer need not be kept busy.
    """
    least, most = _RANGES[mode]
    deletes = mode is ImportMode.DELETE
    breaches = _guard_breaches(mode, max_drop_permille)
    sound: list[SoundChange] = []
    seen: set[tuple[str, str, str]] = set()
    zones = {
        each.location_id: {zone.zone_id: zone.available for zone in each.zones}
        for each in places.locations.values()
        if each.zones
    }
    safeties: dict[tuple[str, str], int] = {}
    for n, change in enumerate(changes):
        location_id, sku, zone_id = change.location_id, change.sku, change.zone_id
        key = places.keys.get(location_id)
        safety = change.safety_stock
        triple = (location_id, sku, zone_id)
        counts = zones.get(location_id, _NO_ZONES).get(zone_id) if zone_id else True
        if (
            key is None
            or counts is None
            or triple in seen
            or not 0 < len(sku) <= MAX_SKU_CHARACTERS
            or not sku.isprintable()
            or not least <= change.on_hand <= most
            or (deletes and (zone_id or safety is not None))
            or not (safety is None or _is_safety(safety, (location_id, sku), safeties))
        ):
            found = _violations(n, change, places, triple in seen, counts, mode)
            breaches += [Breach(n, each) for each in found]
            if len(breaches) >= MAX_VIOLATIONS:
                break
        else:
            sound.append(
                SoundChange(n, sku, key, zone_id, counts, change.on_hand, safety)
            )
        seen.add(triple)
    if breaches and mode is not ImportMode.DELTA:
        raise refusal(breaches)
    counted = [
        (places.keys[location_id], zone_id)
        for location_id, known in zones.items()
        for zone_id, available in known.items()
        if available
    ]
    version = places.network.version
    return CheckedImport(mode, breaches, sound, counted, version, max_drop_permille)


_NO_ZONES: dict[str, bool] = {}
_RANGES = {
    ImportMode.SET: (0, MAX_STOCK_UNITS),
    ImportMode.SNAPSHOT: (0, MAX_STOCK_UNITS),
    ImportMode.DELTA: (-MAX_STOCK_UNITS, MAX_STOCK_UNITS),
    ImportMode.DELETE: (0, 0),
}
"""Least and most units that a change may say."""


def _guard_breaches(mode: ImportMode, max_drop_permille: int | None) -> list[Breach]:
    """Say what is wrong with the guard of an import; it stands before all changes."""
    if max_drop_permille is None:
        return []
    path = "max_drop_permille"
    if mode is not ImportMode.SNAPSHOT:
        violation = Violation(path, "NOT_ALLOWED", "only a snapshot drops anything")
    elif not 0 <= max_drop_permille <= 1_000:
        message = f"must be 0 to 1000, got {max_drop_permille}"
        violation = Violation(path, "OUT_OF_RANGE", message)
    else:
        return []
    return [Breach(-1, violation)]


def _is_safety(
    safety: int, record: tuple[str, str], safeties: dict[tuple[str, str], int]
) -> bool:
    """Return whether it is in range and agrees with the other changes of its record."""
    first = safeties.setdefault(record, safety)
    return 0 <= safety <= MAX_STOCK_UNITS and first == safety


def _violations(
    n: int,
    change: StockChange,
    places: Places,
    repeated: bool,
    counts: bool | None,
    mode: ImportMode,
) -> list[Violation]:
    """Spell out what is wrong with one change."""
    path, sku = f"changes[{n}]", change.sku
    found = []
    deletes = mode is ImportMode.DELETE
    if change.location_id not in places.keys:
        message = f"no location {change.location_id!r}"
        found.append(Violation(f"{path}.location_id", "UNKNOWN_LOCATION", message))
    elif counts is None and not deletes:
        message = f"no zone {change.zone_id!r} at {change.location_id!r}"
        found.append(Violation(f"{path}.zone_id", "UNKNOWN_ZONE", message))
    if not 0 < len(sku) <= MAX_SKU_CHARACTERS or not sku.isprintable():
        message = f"must be 1 to {MAX_SKU_CHARACTERS} printable characters"
        found.append(Violation(f"{path}.sku", "INVALID_SKU", message))
    elif repeated:
        message = f"{sku!r} at {change.location_id!r} came before"
        found.append(Violation(f"{path}.sku", "DUPLICATE", message))
    found += _out_of_range(path, "on_hand_units", change.on_hand, *_RANGES[mode])
    if deletes:
        return found + _not_deleted(path, change)
    safety = change.safety_stock
    if safety is not None:
        found += _out_of_range(path, "safety_stock_units", safety, 0, MAX_STOCK_UNITS)
    if not found:
        message = "another zone of the same record says another number"
        found.append(Violation(f"{path}.safety_stock_units", "CONFLICT", message))
    return found


def _out_of_range(
    path: str, name: str, value: int, least: int, most: int
) -> list[Violation]:
    if least <= value <= most:
        return []
    allowed = f"{least} to {most}" if least < most else f"{least}"
    message = f"must be {allowed}, got {value}"
    return [Violation(f"{path}.{name}", "OUT_OF_RANGE", message)]


def _not_deleted(path: str, change: StockChange) -> list[Violation]:
    """Say what a DELETE has no room for: it is of a record, in all its zones."""
    given = {
        "safety_stock_units": change.safety_stock is not None,
        "zone_id": bool(change.zone_id),
    }
    message = "must not be set in a delete"
    return [
        Violation(f"{path}.{name}", "NOT_ALLOWED", message)
        for name, is_set in given.items()
        if is_set
    ]


def refusal(breaches: list[Breach]) -> InvalidChange:
    """Return the error that lists breaches in the order of their changes."""
    ordered = sorted(breaches, key=lambda breach: breach.position)
    return InvalidChange([each.violation for each in ordered[:MAX_VIOLATIONS]])


def left_out_of_range(rows: Sequence[tuple[int, int]]) -> list[Breach]:
    """Say of (position, units left on hand) that it is too little or too much."""
    breaches = []
    for position, on_hand in rows:
        reason = "BELOW_ZERO" if on_hand < 0 else "OUT_OF_RANGE"
        message = f"would leave {on_hand} on hand"
        path = f"changes[{position}].on_hand_units"
        breaches.append(Breach(position, Violation(path, reason, message)))
    return breaches


class Drop(NamedTuple):
    """What a snapshot takes away; as in `availability.model.ImportResult`."""

    dropped_count: int = 0
    known_count: int = 0
    dropped_units: int = 0
    known_units: int = 0


def check_drop(drop: Drop, max_drop_permille: int | None) -> None:
    """Refuse a snapshot that takes away too much.

    Raises
    ------
    SnapshotDrops
        More than ``max_drop_permille`` of the records, or of the units.
    """
    if max_drop_permille is None:
        return
    for dropped, known in (drop[:2], drop[2:]):
        if dropped * 1_000 > known * max_drop_permille:
            raise SnapshotDrops(*drop, max_drop_permille)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, and what it left of each record it changed or confirmed."""

    changed_count: int
    zeroed_count: int
    drop: Drop
    units: Sequence[UnitsDelta]

    @property
    def changes(self) -> bool:
        """Whether it changed anything but when something was counted."""
        return bool(self.changed_count or self.zeroed_count)

    def result(self, version: int) -> ImportResult:
        """Return the caller's result, with the ledger's version after it."""
        return ImportResult(self.changed_count, self.zeroed_count, version, *self.drop)
