import pytest

from availability.errors import BadFile
from availability.imports.staging import Weight
from availability.model import ImportMode, Location, LocationId, Sku, StockChange
from router.cli.importing.chunks import (
    CHUNK_BYTES,
    CHUNK_CHANGES,
    CHUNK_LOCATIONS,
    MAX_BYTES,
    MAX_CHANGES,
    check_snapshot,
    location_chunks,
    stock_chunks,
)
from router.cli.remote.requests import import_request


def stock(**sku_counts: int) -> list[StockChange]:
    return [
        StockChange(LocationId(location), Sku(f"sku-{n}"), n)
        for location, count in sku_counts.items()
        for n in range(count)
    ]


@pytest.mark.parametrize("mode", ImportMode)
def test_every_record_comes_once_and_in_order(mode: ImportMode) -> None:
    changes = stock(a=CHUNK_CHANGES + 1, b=1, c=2 * CHUNK_CHANGES)

    chunks = stock_chunks(iter(changes), mode)

    assert [each for chunk in chunks for each in chunk] == changes


def test_set_is_cut_anywhere() -> None:
    chunks = list(stock_chunks(stock(a=CHUNK_CHANGES + 1, b=1), ImportMode.SET))

    assert [len(chunk) for chunk in chunks] == [CHUNK_CHANGES, 2]


def test_a_snapshot_is_never_cut_inside_a_location() -> None:
    changes = stock(a=6_000, b=6_000, c=1, d=MAX_CHANGES, e=1, f=1)

    chunks = list(stock_chunks(changes, ImportMode.SNAPSHOT))

    locations = [sorted({each.location_id for each in chunk}) for chunk in chunks]
    assert locations == [["a"], ["b", "c"], ["d"], ["e", "f"]]


def test_refuses_a_snapshot_that_would_have_to_be_cut() -> None:
    with pytest.raises(BadFile) as caught:
        check_snapshot(
            Weight(LocationId(location), MAX_CHANGES + more, 0)
            for location, more in (("a", 1), ("b", 0), ("c", 2))
        )

    assert caught.value.lines == [
        "location a: 50,001 records exceed one snapshot (50,000 records, 3,900,000 "
        "bytes): use --mode set",
        "location c: 50,002 records exceed one snapshot (50,000 records, 3,900,000 "
        "bytes): use --mode set",
    ]


@pytest.mark.parametrize(
    ("mode", "most"), [("set", CHUNK_BYTES), ("delta", CHUNK_BYTES)]
)
def test_requests_with_the_longest_ids_keep_the_limit_on_bytes(
    mode: str, most: int
) -> None:
    """Four bytes a character: 10,000 such records would be 15 MB."""
    changes = [long(n, on_hand=-(10**12), safety_stock=10**12) for n in range(9_000)]

    chunks = list(stock_chunks(changes, ImportMode(mode)))

    assert len(chunks) > 1
    for chunk in chunks:
        request = import_request("x" * 128, ImportMode(mode), chunk)
        assert request.ByteSize() <= most + 200


def test_a_snapshot_with_long_ids_is_measured_in_bytes() -> None:
    """The most that is let through is little less than a server takes."""
    first = long(0)
    ids = f"{first.location_id}{first.sku}{first.zone_id}"
    id_bytes = len(ids.encode())
    count = next(n for n in range(9_000) if not fits(n, id_bytes)) - 1
    changes = [long(n, safety_stock=10**12) for n in range(count)]

    [chunk] = stock_chunks(changes, ImportMode.SNAPSHOT)

    request = import_request("x" * 128, ImportMode.SNAPSHOT, chunk)
    assert MAX_BYTES * 0.98 < request.ByteSize() <= MAX_BYTES


def fits(count: int, id_bytes: int) -> bool:
    """Tell whether a snapshot of one location is let through."""
    weight = Weight(LocationId("a"), count, count * id_bytes)
    try:
        check_snapshot([weight])
    except BadFile:
        return False
    return True


def long(n: int, on_hand: int = 10**12, safety_stock: int | None = None) -> StockChange:
    """Return a change with ids as long as may be."""
    sku = Sku(f"{n:06}" + "😀" * 122)
    location, zone = LocationId("😀" * 128), "😀" * 128
    return StockChange(location, sku, on_hand, safety_stock, zone)


def test_cuts_locations() -> None:
    locations = [Location(LocationId(str(n))) for n in range(CHUNK_LOCATIONS + 1)]

    chunks = location_chunks(locations)

    assert [len(chunk) for chunk in chunks] == [CHUNK_LOCATIONS, 1]
    assert [each for chunk in chunks for each in chunk] == locations
