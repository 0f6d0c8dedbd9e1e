import pytest

from availability.errors import BadFile
from availability.model import ImportMode, Location, LocationId, Sku
from router.cli.chunks import (
    CHUNK_BYTES,
    CHUNK_CHANGES,
    CHUNK_LOCATIONS,
    MAX_BYTES,
    MAX_CHANGES,
    check_snapshot,
    location_chunks,
    stock_chunks,
)
from router.cli.targets import import_request

OnHand = dict[LocationId, dict[Sku, int]]


def stock(**sku_counts: int) -> OnHand:
    return {
        LocationId(location): {Sku(f"sku-{n}"): n for n in range(count)}
        for location, count in sku_counts.items()
    }


@pytest.mark.parametrize("mode", ImportMode)
def test_every_record_comes_once_and_in_order(mode: ImportMode) -> None:
    on_hand = stock(a=CHUNK_CHANGES + 1, b=1, c=2 * CHUNK_CHANGES)

    changes = [each for chunk in stock_chunks(on_hand, mode) for each in chunk]

    assert [(each.location_id, each.sku, each.on_hand) for each in changes] == [
        (location, sku, units)
        for location, held in on_hand.items()
        for sku, units in held.items()
    ]


def test_set_is_cut_anywhere() -> None:
    chunks = list(stock_chunks(stock(a=CHUNK_CHANGES + 1, b=1), ImportMode.SET))

    assert [len(chunk) for chunk in chunks] == [CHUNK_CHANGES, 2]


def test_a_snapshot_is_never_cut_inside_a_location() -> None:
    on_hand = stock(a=6_000, b=6_000, c=1, d=MAX_CHANGES, e=1, f=1)

    chunks = list(stock_chunks(on_hand, ImportMode.SNAPSHOT))

    locations = [sorted({each.location_id for each in chunk}) for chunk in chunks]
    assert locations == [["a"], ["b", "c"], ["d"], ["e", "f"]]


def test_refuses_a_snapshot_that_would_have_to_be_cut() -> None:
    with pytest.raises(BadFile) as caught:
        check_snapshot(stock(a=MAX_CHANGES + 1, b=MAX_CHANGES, c=MAX_CHANGES + 2))

    assert caught.value.lines == [
        "location a: 50,001 records are too many for one snapshot, which takes 50,000 "
        "and 3,900,000 bytes: use --mode set",
        "location c: 50,002 records are too many for one snapshot, which takes 50,000 "
        "and 3,900,000 bytes: use --mode set",
    ]


@pytest.mark.parametrize(
    ("mode", "most"), [("set", CHUNK_BYTES), ("delta", CHUNK_BYTES)]
)
def test_requests_with_the_longest_ids_keep_the_limit_on_bytes(
    mode: str, most: int
) -> None:
    """Four bytes a character: 10,000 such records would be 10 MB."""
    on_hand = {
        LocationId("😀" * 128): {
            Sku(f"{n:06}" + "😀" * 122): -(10**12) for n in range(9_000)
        }
    }

    chunks = list(stock_chunks(on_hand, ImportMode(mode)))

    assert len(chunks) > 1
    for chunk in chunks:
        request = import_request("x" * 128, ImportMode(mode), chunk)
        assert request.ByteSize() <= most + 200


def test_a_snapshot_with_long_ids_is_measured_in_bytes() -> None:
    on_hand = {LocationId("a"): {Sku(f"{n:06}" + "😀" * 122): 1 for n in range(9_000)}}

    with pytest.raises(BadFile, match=r"9,000 records are too many"):
        check_snapshot(on_hand)

    half = {LocationId("a"): dict(list(on_hand[LocationId("a")].items())[:7_000])}
    check_snapshot(half)
    [chunk] = stock_chunks(half, ImportMode.SNAPSHOT)
    request = import_request("x" * 128, ImportMode.SNAPSHOT, chunk)
    assert CHUNK_BYTES < request.ByteSize() <= MAX_BYTES


def test_cuts_locations() -> None:
    locations = [Location(LocationId(str(n))) for n in range(CHUNK_LOCATIONS + 1)]

    chunks = location_chunks(locations)

    assert [len(chunk) for chunk in chunks] == [CHUNK_LOCATIONS, 1]
    assert [each for chunk in chunks for each in chunk] == locations
