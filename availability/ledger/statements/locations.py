"""Locations as rows: most of a location is JSON that only Python reads."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert as upsert

from availability.errors import MAX_VIOLATIONS, InvalidChange, Violation
from availability.ledger.memory.places import Places
from availability.ledger.statements.session import Session
from availability.ledger.statements.tables import ledger
from availability.ledger.statements.tables import location as location_table
from availability.model import Location, LocationId, LocationKind, Zone

_SETS = ("groups", "shipping_methods", "channel_ids")
_IN_BODY = tuple(
    each.name for each in fields(Location) if each.name not in ("location_id", "rank")
)

_INSERT = upsert(location_table).values(
    {column.name: bindparam(f"new_{column.name}") for column in location_table.c}
)
_PUT = _INSERT.on_conflict_do_update(
    index_elements=["location_key"],
    set_={"rank": _INSERT.excluded.rank, "body": _INSERT.excluded.body},
)
_SET_NETWORK = ledger.update().values(network_version=bindparam("version"))


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


def body_of(location: Location) -> str:
    """Return every field that has no column of its own."""
    values = {name: getattr(location, name) for name in _IN_BODY}
    values |= {name: sorted(values[name]) for name in _SETS}
    values["zones"] = [(each.zone_id, each.available) for each in location.zones]
    return json.dumps(values, ensure_ascii=False)


def location_of(location_id: str, rank: int, text: str) -> Location:
    """Return the location of a row."""
    body: dict[str, Any] = json.loads(text)
    body |= {name: frozenset(body[name]) for name in _SETS}
    body["kind"] = LocationKind(body["kind"])
    body["zones"] = tuple(Zone(*each) for each in body["zones"])
    return Location(LocationId(location_id), rank, **body)


def write_locations(
    session: Session, locations: Sequence[Location], places: Places
) -> None:
    """Create or replace locations; ``places`` has their keys and the new version."""
    rows = [
        {
            "new_location_key": places.keys[each.location_id],
            "new_location_id": each.location_id,
            "new_rank": each.rank,
            "new_body": body_of(each),
        }
        for each in locations
    ]
    session.many(_PUT, rows)
    session.count(_SET_NETWORK, version=places.network.version)


def available_zones(body: Mapping[str, object]) -> frozenset[str]:
    """Return the zones of a location whose units count, from its stored body."""
    zones = body.get("zones")
    if not isinstance(zones, list):
        return frozenset()
    return frozenset(zone_id for zone_id, available in zones if available)
