from collections.abc import Callable
from pathlib import Path

import pytest

from availability.errors import BadFile
from availability.imports.csv_rows import Faults
from availability.imports.locations_file import read_locations
from availability.model import UNRANKED, Location, LocationId, LocationKind

Read = Callable[[bytes], list[Location]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read a locations file of the given contents; raise its faults."""

    def read(content: bytes) -> list[Location]:
        path = tmp_path / "locations.csv"
        path.write_bytes(content)
        found = Faults()
        listed = read_locations(path, found)
        found.raise_any()
        return listed

    return read


def faults(read: Read, content: bytes) -> list[str]:
    """Return the faults, one `file:line: reason` each, without the folder."""
    with pytest.raises(BadFile) as caught:
        read(content)
    return [line.rpartition("/")[2] for line in caught.value.lines]


def test_reads_every_column_of_a_location(read: Read) -> None:
    listed = read(
        b"location,rank,kind,latitude,longitude,active,origin,capacity_orders,"
        b"capacity_units,lead_time_minutes\n"
        b"a,2,store,45.5,-73.6,no,site,0,1000,2880\n"
        b"b,,,,,,,,,\n",
    )

    assert listed == [
        Location(
            LocationId("a"),
            rank=2,
            kind=LocationKind.STORE,
            active=False,
            latitude=45.5,
            longitude=-73.6,
            origin_id="site",
            capacity_orders=0,
            capacity_units=1000,
            lead_time_minutes=2_880,
        ),
        Location(LocationId("b"), rank=UNRANKED),
    ]


@pytest.mark.parametrize(
    ("text", "active"),
    [
        *[("true", True), ("TRUE", True), ("1", True), ("yes", True)],
        *[("false", False), ("0", False), ("No", False)],
    ],
)
def test_reads_a_boolean(read: Read, text: str, active: bool) -> None:
    [location] = read(f"location,active\na,{text}\n".encode())

    assert location.active is active


@pytest.mark.parametrize(
    ("column", "text", "expected"),
    [
        ("rank", "1000001", "rank must be a whole number, 1 to 1000000, got '1000001'"),
        (
            "kind",
            "shop",
            "kind must be one of warehouse, store, supplier, manufacturing",
        ),
        ("active", "on", "active must be one of true, false, 1, 0, yes, no, got 'on'"),
        ("origin", "x ", "origin begins or ends with a space: 'x '"),
        (
            "capacity_orders",
            "-1",
            "capacity_orders must be a whole number, 0 to 214748",
        ),
        (
            "capacity_units",
            "1.5",
            "capacity_units must be a whole number, 0 to 1000000",
        ),
        (
            "lead_time_minutes",
            "10000001",
            "lead_time_minutes must be a whole number, 0 to 10000000, got '10000001'",
        ),
    ],
)
def test_refuses_a_field_of_a_location(
    read: Read, column: str, text: str, expected: str
) -> None:
    [fault] = faults(read, f"location,{column}\na,{text}\n".encode())

    assert fault.startswith(f"locations.csv:2: {expected}")


@pytest.mark.parametrize(
    ("latitude", "longitude", "expected"),
    [
        ("nan", "0", "latitude must be -90 to 90 degrees, got 'nan'"),
        ("0", "inf", "longitude must be -180 to 180 degrees, got 'inf'"),
        ("90.1", "0", "latitude must be -90 to 90 degrees, got '90.1'"),
        ("0", "-180.5", "longitude must be -180 to 180 degrees, got '-180.5'"),
        ("1e1", "0", "latitude must be -90 to 90 degrees, got '1e1'"),
        ("45.5", "", "latitude and longitude come together: give both or neither"),
    ],
)
def test_refuses_coordinates(
    read: Read, latitude: str, longitude: str, expected: str
) -> None:
    content = f"location,latitude,longitude\na,{latitude},{longitude}\n"

    assert faults(read, content.encode()) == [f"locations.csv:2: {expected}"]


def test_refuses_a_location_twice(read: Read) -> None:
    assert faults(read, b"location\na\nb\na\n") == [
        "locations.csv:4: location 'a' appears twice"
    ]
