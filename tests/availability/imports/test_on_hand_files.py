from collections.abc import Callable
from pathlib import Path

import pytest

from availability.errors import BadFile
from availability.imports.csv_rows import MAX_FAULTS, MAX_LINE_BYTES
from availability.imports.on_hand_files import StockFiles, read_files
from availability.model import Location, LocationId

HEADER = b"location,sku,on_hand\n"
Read = Callable[..., StockFiles]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read files of the given contents; they are stock.csv and locations.csv."""

    def read(stock: bytes, locations: bytes | None = None) -> StockFiles:
        stock_path, path = tmp_path / "stock.csv", tmp_path / "locations.csv"
        stock_path.write_bytes(stock)
        if locations is None:
            return read_files(stock_path)
        path.write_bytes(locations)
        return read_files(stock_path, path)

    return read


def faults(read: Read, *contents: bytes) -> list[str]:
    """Return the faults, one `file:line: reason` each, without the folder."""
    with pytest.raises(BadFile) as caught:
        read(*contents)
    return [line.rpartition("/")[2] for line in caught.value.lines]


def test_reads_the_seed(read: Read) -> None:
    files = read(HEADER + b"montreal,shirt,10\nmontreal,hat,3\nlaval,shirt,15\n")

    assert files.on_hand == {
        "montreal": {"shirt": 10, "hat": 3},
        "laval": {"shirt": 15},
    }


def test_without_a_locations_file_the_order_of_appearance_is_the_rank(
    read: Read,
) -> None:
    files = read(HEADER + b"b,s,1\na,s,1\nb,t,1\nc,s,0\n")

    assert files.locations == tuple(
        Location(LocationId(name), rank)
        for rank, name in ((1, "b"), (2, "a"), (3, "c"))
    )


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"location,sku,on_hand\na,s,7\n", id="plain"),
        pytest.param(
            b"\xef\xbb\xbflocation,sku,on_hand\na,s,7\n", id="byte_order_mark"
        ),
        pytest.param(b"location,sku,on_hand\r\na,s,7\r\n", id="windows_line_ends"),
        pytest.param(b"location,sku,on_hand\na,s,7", id="no_last_line_end"),
        pytest.param(b"on_hand,location,sku\n7,a,s\n", id="another_order_of_columns"),
        pytest.param(b"location,sku,on_hand\n\na,s,7\n\n", id="empty_lines"),
        pytest.param(b'"location",sku,on_hand\n"a",s,"7"\n', id="quoted"),
        pytest.param(b"location,sku,on_hand\na,s,007\n", id="leading_zeros"),
    ],
)
def test_reads_what_means_the_same(read: Read, content: bytes) -> None:
    assert read(content).on_hand == {"a": {"s": 7}}


def test_quotes_may_hold_commas_and_quotes(read: Read) -> None:
    content = HEADER + '"Montréal, QC","12"" vinyl",1\n'.encode()

    assert read(content).on_hand == {"Montréal, QC": {'12" vinyl': 1}}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (b"a,s", "stock.csv:2: has 2 columns, the header has 3"),
        (b"a,s,1,", "stock.csv:2: has 4 columns, the header has 3"),
        (b",s,1", "stock.csv:2: location is empty"),
        (b"a,,1", "stock.csv:2: sku is empty"),
        (b"a, s,1", "stock.csv:2: sku begins or ends with a space: ' s'"),
        (
            b"a,s\t1,1",
            "stock.csv:2: sku holds a character that cannot be printed: 's\\t1'",
        ),
        (b"a," + b"s" * 129 + b",1", "stock.csv:2: sku is longer than 128 characters"),
        (b"a\0,s,1", "stock.csv:2: holds a NUL byte: save the file as UTF-8"),
        (
            b"a,\xe9t\xe9,1",
            "stock.csv:2: is not UTF-8 (byte 3 of the line): save as UTF-8",
        ),
    ],
)
def test_refuses_a_row(read: Read, row: bytes, expected: str) -> None:
    assert faults(read, HEADER + row + b"\n") == [expected]


@pytest.mark.parametrize(
    "quantity", ["-1", "", "1.0", "1e3", "1_000", " 1", "+1", "٣", "x", "1000000000001"]
)
def test_refuses_a_quantity(read: Read, quantity: str) -> None:
    assert faults(read, HEADER + f"a,s,{quantity}\n".encode()) == [
        "stock.csv:2: on_hand must be a whole number, 0 to 1000000000000, "
        f"got {quantity!r}"
    ]


def test_a_refused_quantity_of_a_known_sku_is_refused_too(read: Read) -> None:
    """Known locations and SKUs take a shorter way; it must be as strict."""
    content = HEADER + b"a,s,1\na,t,1\nb,s,1\nb,t,-1\na,s,2\n"

    assert faults(read, content) == [
        "stock.csv:5: on_hand must be a whole number, 0 to 1000000000000, got '-1'",
        "stock.csv:6: s at a appears twice",
    ]


def test_takes_the_largest_quantity(read: Read) -> None:
    assert read(HEADER + b"a,s,1000000000000\n").on_hand == {"a": {"s": 10**12}}


@pytest.mark.parametrize("row", ["a,s,1,back,", "a,s,1,,0"])
def test_zones_and_safety_stocks_are_for_an_import(read: Read, row: str) -> None:
    header = "location,sku,on_hand,zone,safety_stock\na,t,1,,\n"

    assert faults(read, f"{header}{row}\n".encode()) == [
        "stock.csv:3: zone and safety_stock are for imports: remove these columns"
    ]


@pytest.mark.parametrize("row", [b'a,s"t,1', b'a,"s"t,1', b'a,"s,1', b'"a,s,1\nb",s,1'])
def test_refuses_a_stray_quote(read: Read, row: bytes) -> None:
    assert faults(read, HEADER + row + b"\n")[0].startswith("stock.csv:2: stray quote")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"", ["stock.csv: is empty: a header is needed: location,sku,on_hand"]),
        (b"location,sku\n", ["stock.csv:1: column 'on_hand' is missing"]),
        (
            b"location,sku,on_hand,price\n",
            [
                "stock.csv:1: unknown column 'price': known are location, sku, "
                "on_hand, zone, safety_stock"
            ],
        ),
        (b"location,sku,sku,on_hand\n", ["stock.csv:1: column 'sku' appears twice"]),
        (
            b"location;sku;on_hand\n",
            [
                "stock.csv:1: unknown column 'location;sku;on_hand': "
                "separate columns by commas",
                "stock.csv:1: column 'location' is missing",
                "stock.csv:1: column 'sku' is missing",
                "stock.csv:1: column 'on_hand' is missing",
            ],
        ),
        (
            "location,sku,on_hand\n".encode("utf-16"),
            ["stock.csv:1: holds a NUL byte: save the file as UTF-8"],
        ),
    ],
)
def test_refuses_a_header(read: Read, header: bytes, expected: list[str]) -> None:
    """And reads no further: each row after it would be a fault of its own."""
    assert faults(read, header + (b"a,s,x\n" if header else b"")) == expected


def test_lists_every_fault_of_both_files(read: Read) -> None:
    stock = HEADER + b",s,-1\na,s,1\nnowhere,s,1\n"
    locations = b"location,rank\na,0\nb,1\n"

    assert faults(read, stock, locations) == [
        "locations.csv:2: rank must be a whole number, 1 to 1000000, got '0'",
        "stock.csv:2: location is empty",
        "stock.csv:2: on_hand must be a whole number, 0 to 1000000000000, got '-1'",
    ]


def test_refuses_stock_at_a_location_that_is_not_listed(read: Read) -> None:
    stock = HEADER + b"a,s,1\nb,s,1\nb,t,1\n"

    assert faults(read, stock, b"location\na\n") == [
        "stock.csv:3: location 'b' is not in the locations file",
        "stock.csv:4: location 'b' is not in the locations file",
    ]


def test_counts_the_faults_it_does_not_list(read: Read) -> None:
    lines = faults(read, HEADER + b"a,s,x\n" * (MAX_FAULTS + 1_234))

    assert len(lines) == MAX_FAULTS + 1
    assert lines[-1] == "and 1,234 more"


def test_a_line_without_an_end_is_not_read_into_memory(read: Read) -> None:
    stock = HEADER + b"a" * (MAX_LINE_BYTES * 3) + b"\na,s,x\n"

    assert faults(read, stock) == [
        "stock.csv:2: line is longer than 65,536 bytes: this is no CSV file"
    ]


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"none\.csv: cannot be read: No such file"):
        read_files(tmp_path / "none.csv")


def test_reads_a_hundred_thousand_rows(read: Read) -> None:
    rows = (f"loc-{n % 50},sku-{n // 50},{n % 97}\n" for n in range(100_000))
    content = HEADER + "".join(rows).encode()

    files = read(content)

    assert sum(map(len, files.on_hand.values())) == 100_000
