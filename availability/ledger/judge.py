"""Stock imports, judged as a whole before any of it is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from availability.errors import InvalidChange, Violation
from availability.ledger.mirror import Places, Units
from availability.ledger.protocol import MAX_VIOLATIONS
from availability.model import MAX_STOCK_UNITS, ImportMode, StockChange

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
class Judged:
    """An import after what can be judged without the stock.

    ``counted`` has the available zones of all locations, as (location key, zone);
    it holds as long as the network's version is ``zones_of``.
    """

    mode: ImportMode
    breaches: list[Breach]
    sound: list[SoundChange]
    counted: list[tuple[int, str]]
    zones_of: int


def judge(mode: ImportMode, changes: Sequence[StockChange], places: Places) -> Judged:
    """Check everything but what a DELTA would leave on hand.

    Raises
    ------
    InvalidChange
        Outside DELTA, where the stock has no say: the writer need not be kept busy.
    """
    least = -MAX_STOCK_UNITS if mode is ImportMode.DELTA else 0
    breaches: list[Breach] = []
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
            or not least <= change.on_hand <= MAX_STOCK_UNITS
            or not (safety is None or _is_safety(safety, (location_id, sku), safeties))
        ):
            found = _violations(n, change, places, triple in seen, counts, least)
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
    return Judged(mode, breaches, sound, counted, places.network.version)


_NO_ZONES: dict[str, bool] = {}


def _is_safety(
    safety: int, record: tuple[str, str], safeties: dict[tuple[str, str], int]
) -> bool:
    """Tell whether it is in range and the only one said of its record."""
    said = safeties.setdefault(record, safety)
    return 0 <= safety <= MAX_STOCK_UNITS and said == safety


def _violations(
    n: int,
    change: StockChange,
    places: Places,
    repeated: bool,
    counts: bool | None,
    least: int,
) -> list[Violation]:
    """Spell out what is wrong with one change."""
    path, sku = f"changes[{n}]", change.sku
    found = []
    if change.location_id not in places.keys:
        message = f"no location {change.location_id!r}"
        found.append(Violation(f"{path}.location_id", "UNKNOWN_LOCATION", message))
    elif counts is None:
        message = f"no zone {change.zone_id!r} at {change.location_id!r}"
        found.append(Violation(f"{path}.zone_id", "UNKNOWN_ZONE", message))
    if not 0 < len(sku) <= MAX_SKU_CHARACTERS or not sku.isprintable():
        message = f"must be 1 to {MAX_SKU_CHARACTERS} printable characters"
        found.append(Violation(f"{path}.sku", "INVALID_SKU", message))
    elif repeated:
        message = f"{sku!r} at {change.location_id!r} came before"
        found.append(Violation(f"{path}.sku", "DUPLICATE", message))
    for name, value, low in (
        ("on_hand_units", change.on_hand, least),
        ("safety_stock_units", change.safety_stock, 0),
    ):
        if value is not None and not low <= value <= MAX_STOCK_UNITS:
            message = f"must be {low} to {MAX_STOCK_UNITS}, got {value}"
            found.append(Violation(f"{path}.{name}", "OUT_OF_RANGE", message))
    if not found:
        message = "another zone of the same record says another number"
        found.append(Violation(f"{path}.safety_stock_units", "CONFLICT", message))
    return found


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


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, and what it left of each record it touched."""

    changed_count: int
    zeroed_count: int
    units: Sequence[Units]
