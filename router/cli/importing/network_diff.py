"""The difference between two networks, for review: one line per item."""

import dataclasses
import datetime
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich.text import Text

from availability.imports.network_values import INSTANTS, OF_THE_LEDGER, key_path
from availability.model import UNRANKED, Location
from availability.setup.setup import (
    Place,
    Setup,
    SetupChange,
    difference,
    places,
    settings_at,
)

_STYLES = {"+": "green", "~": "yellow", "-": "red"}


class Line(NamedTuple):
    """One item: added (+), changed (~) or removed (-), with its details."""

    sign: str
    name: str
    details: tuple[str, ...] = ()

    def text(self) -> Text:
        """Return the line as shown; ids are not markup."""
        details = f": {', '.join(self.details)}" if self.details else ""
        return Text(f"{self.sign} {self.name}{details}", style=_STYLES[self.sign])


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """What a file changes: the change itself, locations to put, and lines to review.

    ``unchanged_count`` items are equal on both sides; ``absent_count`` locations are
    kept although the file does not list them.
    """

    change: SetupChange
    locations: tuple[Location, ...]
    lines: tuple[Line, ...]
    unchanged_count: int
    absent_count: int

    @property
    def empty(self) -> bool:
        """Whether nothing changes."""
        return not self.lines

    def summary(self) -> str:
        """Return the counts, on one line."""
        signs = [each.sign for each in self.lines]
        counts = (
            f"{signs.count('+'):,} to add, {signs.count('~'):,} to change, "
            f"{signs.count('-'):,} to remove, {self.unchanged_count:,} unchanged"
        )
        if not self.absent_count:
            return counts
        noun = "location" if self.absent_count == 1 else "locations"
        return f"{counts}; {self.absent_count:,} {noun} not in the file kept"


def difference_view(
    before: Setup,
    before_locations: Sequence[Location],
    after: Setup,
    after_locations: Sequence[Location],
    *,
    keep: bool = False,
) -> Difference:
    """Return the changes from one network to another, item by item.

    Locations are never removed; with ``keep`` nothing is.
    """
    change = difference(before, after)
    if keep:
        names = (each.name for each in dataclasses.fields(change))
        change = SetupChange(**{name: _put(getattr(change, name)) for name in names})
    known = {each.location_id: each for each in before_locations}
    put = [each for each in after_locations if known.get(each.location_id) != each]
    named = {each.location_id for each in after_locations}
    lines = [
        _line(f"location {each.location_id}", known.get(each.location_id), each)
        for each in put
    ]
    lines += _lines("channel", before.channels, change.channels)
    for place, settings in change.settings.items():
        name = f"settings {place_path(place)}"
        lines.append(_line(name, settings_at(before.book, place), settings))
    lines += _lines("allocation", before.allocations, change.allocations)
    lines += _lines("kit", before.kits, change.kits)
    lines += _lines("supply", before.supplies, change.supplies)
    total = len(after_locations) + _count(after)
    changed = sum(each.sign != "-" for each in lines)
    return Difference(
        change,
        tuple(put),
        tuple(lines),
        total - changed,
        sum(each not in named for each in known),
    )


def _put(items: Mapping[Any, object]) -> dict[Any, Any]:
    """Return the items that are put, without those removed."""
    return {key: value for key, value in items.items() if value is not None}


def _count(setup: Setup) -> int:
    return (
        len(setup.channels)
        + len(setup.allocations)
        + len(setup.kits)
        + len(setup.supplies)
        + len(places(setup.book))
    )


def place_path(place: Place) -> str:
    """Return the path in a file, below ``settings``, of a scope's settings."""
    channel_id, sku = place
    if channel_id and sku:
        return key_path(key_path("channel_skus", channel_id), sku)
    if sku:
        return key_path("skus", sku)
    return key_path("channels", channel_id) if channel_id else "global"


def _lines(
    noun: str, before: Mapping[Any, object], change: Mapping[Any, object | None]
) -> Iterator[Line]:
    for name, after in change.items():
        yield _line(f"{noun} {name}", before.get(name), after)


def _line(name: str, before: object | None, after: object | None) -> Line:
    if after is None:
        return Line("-", name)
    if before is None:
        return Line("+", name, tuple(_details(after, f"{name.partition(' ')[0]}_id")))
    return Line("~", name, tuple(_changes("", before, after)))


def _details(item: object, but: str = "") -> Iterator[str]:
    """Yield the fields of an item that differ from their defaults, except ``but``."""
    fields = _fields(item)
    if not fields:
        yield _shown("", item)
    for each in fields:
        value = getattr(item, each.name)
        if value != each.default and each.name != but:
            yield f"{each.name} {_shown(each.name, value)}"


def _changes(path: str, before: object, after: object) -> Iterator[str]:
    """Yield every field that differs, with both values."""
    if before == after:
        return
    fields = _fields(before)
    if fields and type(before) is type(after):
        for name in (each.name for each in fields):
            below = f"{path}.{name}" if path else name
            yield from _changes(below, getattr(before, name), getattr(after, name))
    elif isinstance(before, tuple) and isinstance(after, tuple):
        pairs = itertools.zip_longest(before, after)
        for at, (old, new) in enumerate(pairs):
            yield from _changes(f"{path}[{at}]", old, new)
    else:
        name = path.rpartition(".")[2]
        yield f"{path} {_shown(name, before)} -> {_shown(name, after)}"


def _fields(value: Any) -> tuple[dataclasses.Field[Any], ...]:
    """Return the fields a file can set; none if the value is not an item."""
    if not dataclasses.is_dataclass(value):
        return ()
    fields = dataclasses.fields(value)
    return tuple(each for each in fields if each.name not in OF_THE_LEDGER)


def _shown(name: str, value: object) -> str:
    """Return a value as in a file, or "unset"."""
    if value is None or (name == "rank" and value == UNRANKED):
        return "unset"
    if name in INSTANTS and isinstance(value, int):
        return datetime.datetime.fromtimestamp(value, datetime.UTC).isoformat()
    if _fields(value):
        return f"{{{', '.join(_details(value))}}}"
    if isinstance(value, tuple):
        return f"[{', '.join(_shown('', each) for each in value)}]"
    if isinstance(value, frozenset):
        return json.dumps(sorted(value), ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)
