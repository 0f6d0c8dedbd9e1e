"""Locations in SQLite: one row each, most of it JSON that only Python reads."""

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from availability.errors import InvalidChange, Violation
from availability.ledger.mirror import Places
from availability.ledger.protocol import MAX_VIOLATIONS
from availability.ledger.sqlite import Cursor
from availability.model import Location, LocationId, LocationKind

_PUT = """
INSERT INTO location (location_key, location_id, rank, body)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) WHERE true
ON CONFLICT DO UPDATE SET rank = excluded.rank, body = excluded.body
"""

_LOAD = "SELECT location_key, location_id, rank, body FROM location ORDER BY 1"

_SETS = ("groups", "shipping_methods", "channel_ids")
_IN_BODY = tuple(
    each.name for each in fields(Location) if each.name not in ("location_id", "rank")
)


def check_locations(locations: Sequence[Location]) -> None:
    """Refuse a location that comes twice.

    Raises
    ------
    InvalidChange
        Every repetition, up to `MAX_VIOLATIONS`.
    """
    seen: set[LocationId] = set()
    violations = []
    for n, location in enumerate(locations):
        if location.location_id in seen:
            path = f"locations[{n}].location_id"
            message = f"{location.location_id!r} comes twice"
            violations.append(Violation(path, "DUPLICATE", message))
        seen.add(location.location_id)
    if violations:
        raise InvalidChange(violations[:MAX_VIOLATIONS])


def put_locations(db: Cursor, locations: Sequence[Location], places: Places) -> None:
    """Create or replace locations; ``places`` has their keys already."""
    rows = [
        (places.keys[each.location_id], each.location_id, each.rank, _body(each))
        for each in locations
    ]
    db.execute(_PUT, (json.dumps(rows, ensure_ascii=False),))


def load_places(db: Cursor, version: int) -> Places:
    """Return all locations; ``version`` is the network's."""
    locations, keys = {}, {}
    for key, location_id, rank, body in db.execute(_LOAD):
        locations[location_id] = _location(location_id, rank, json.loads(body))
        keys[location_id] = key
    return Places.of(locations, keys, version)


def _body(location: Location) -> str:
    values = {name: getattr(location, name) for name in _IN_BODY}
    values |= {name: sorted(values[name]) for name in _SETS}
    return json.dumps(values, ensure_ascii=False)


def _location(location_id: str, rank: int, body: dict[str, Any]) -> Location:
    body |= {name: frozenset(body[name]) for name in _SETS}
    body["kind"] = LocationKind(body["kind"])
    return Location(LocationId(location_id), rank, **body)
