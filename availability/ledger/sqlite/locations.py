"""Locations in SQLite: one row each, most of it JSON that only Python reads."""

import json
from collections.abc import Sequence

from availability.ledger.memory.places import Places
from availability.ledger.sqlite.session import Cursor
from availability.ledger.statements.locations import body_of, location_of
from availability.model import Location

_PUT = """
INSERT INTO location (location_key, location_id, rank, body)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) WHERE true
ON CONFLICT DO UPDATE SET rank = excluded.rank, body = excluded.body
"""

_LOAD = "SELECT location_key, location_id, rank, body FROM location ORDER BY 1"


def put_locations(db: Cursor, locations: Sequence[Location], places: Places) -> None:
    """Create or replace locations; ``places`` has their keys already."""
    rows = [
        (places.keys[each.location_id], each.location_id, each.rank, body_of(each))
        for each in locations
    ]
    db.execute(_PUT, (json.dumps(rows, ensure_ascii=False),))


def load_places(db: Cursor, version: int) -> Places:
    """Return all locations; ``version`` is the network's."""
    locations, keys = {}, {}
    for key, location_id, rank, body in db.execute(_LOAD):
        locations[location_id] = location_of(location_id, rank, body)
        keys[location_id] = key
    return Places.of(locations, keys, version)
