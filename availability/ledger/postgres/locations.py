"""Locations in PostgreSQL."""

from collections.abc import Sequence

from availability.ledger.memory.places import Places
from availability.ledger.postgres.session import PostgresSession
from availability.ledger.statements.locations import body_of, location_of
from availability.model import Location

_PLACES = "SELECT location_key, location_id, rank, body FROM location ORDER BY 1"


_PUT = """
INSERT INTO location (location_key, location_id, rank, body)
SELECT * FROM unnest(%(keys)s::bigint[], %(ids)s::text[], %(ranks)s::bigint[],
  %(bodies)s::text[])
ON CONFLICT (location_key) DO UPDATE SET rank = excluded.rank, body = excluded.body
"""


def read_places(session: PostgresSession) -> Places:
    """Return all locations and the network's version, as this transaction sees them."""
    ((network_version,),) = session.run("SELECT network_version FROM ledger")
    locations, keys = {}, {}
    for key, location_id, rank, body in session.run(_PLACES):
        locations[location_id] = location_of(location_id, rank, body)
        keys[location_id] = key
    return Places.of(locations, keys, network_version)


def write_locations(
    session: PostgresSession, locations: Sequence[Location], places: Places
) -> None:
    """Create or replace locations; ``places`` has their keys already.

    Raises
    ------
    ValueError
        One contains NUL, which is in no text or JSON of PostgreSQL's.
    """
    for each in locations:
        if "\0" in each.location_id or "\\u0000" in body_of(each):
            raise ValueError(f"a location must not contain NUL: {each.location_id!r}")
    values: dict[str, object] = {
        "keys": [places.keys[each.location_id] for each in locations],
        "ids": [each.location_id for each in locations],
        "ranks": [each.rank for each in locations],
        "bodies": [body_of(each) for each in locations],
    }
    session.run(_PUT, values)
