from collections.abc import Callable
from pathlib import Path

import pytest

from availability.errors import BadFile
from availability.imports.csv_rows import Faults
from availability.imports.stock_formats import StockFormat, StockRow, read_stock
from availability.model import ImportMode

CSV = "location,sku,on_hand,zone,safety_stock\n"
SOURCE_ITEMS = "source_code,sku,status,quantity\n"
STOCKSTOCKS = "depot_type;depot_code;art_ref;type_ref;qte\r\n"
HEADERS = {
    StockFormat.CSV: CSV,
    StockFormat.SOURCE_ITEMS: SOURCE_ITEMS,
    StockFormat.STOCKSTOCKS: STOCKSTOCKS,
}
NOT_WHOLE = (
    "has a fraction, {!r}, and units are whole: count this SKU in its smallest unit "
    "(in grams, not in kilograms)"
)

Read = Callable[..., list[StockRow]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read a stock file of the given content; raise its faults."""

    def read(
        stock_format: StockFormat,
        content: str | bytes,
        mode: ImportMode = ImportMode.SET,
    ) -> list[StockRow]:
        path = tmp_path / "stock.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        found = Faults()
        rows = list(read_stock(path, stock_format, mode, found))
        found.raise_any()
        return rows

    return read


def faults(read: Read, *args: object) -> list[str]:
    """Return the faults, one `file:line: reason` each, without the folder."""
    with pytest.raises(BadFile) as caught:
        read(*args)
    return [line.rpartition("/")[2] for line in caught.value.lines]


# --- csv ---------------------------------------------------------------------------


def test_csv_has_zones_and_safety_stocks(read: Read) -> None:
    rows = read(StockFormat.CSV, f"{CSV}a,s,1,back,5\na,s,2,front,\na,t,3,,0\na,u,4,,")

    assert rows == [
        StockRow(2, "a", "s", 1, safety_stock=5, zone="back"),
        StockRow(3, "a", "s", 2, safety_stock=None, zone="front"),
        StockRow(4, "a", "t", 3, safety_stock=0),
        StockRow(5, "a", "u", 4),
    ]


def test_csv_needs_neither(read: Read) -> None:
    assert read(StockFormat.CSV, "safety_stock,sku,on_hand,location\n2,s,1,a") == [
        StockRow(2, "a", "s", 1, safety_stock=2)
    ]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (" x,1", "zone begins or ends with a space: ' x'"),
        (
            ",-1",
            "safety_stock must be a whole number, 0 to 1000000000000, got '-1'",
        ),
        (
            ",1.0",
            "safety_stock must be a whole number, 0 to 1000000000000, got '1.0'",
        ),
    ],
)
def test_csv_refuses(read: Read, cells: str, expected: str) -> None:
    assert faults(read, StockFormat.CSV, f"{CSV}a,s,1,{cells}\n") == [
        f"stock.csv:2: {expected}"
    ]


# --- source items ------------------------------------------------------------------


def test_source_items(read: Read) -> None:
    rows = [
        "default,shirt,1,10.0000",
        "default,hat,0,3.0000",
        "paris,hat,,7",
        'paris,"a, ""b""",1,0.00',
    ]

    assert read(StockFormat.SOURCE_ITEMS, SOURCE_ITEMS + "\n".join(rows)) == [
        StockRow(2, "default", "shirt", 10),
        StockRow(3, "default", "hat", 0),
        StockRow(4, "paris", "hat", 7),
        StockRow(5, "paris", 'a, "b"', 0),
    ]


def test_source_items_without_a_status_are_in_stock(read: Read) -> None:
    content = "source_code,sku,quantity\ndefault,shirt,10\n"

    assert read(StockFormat.SOURCE_ITEMS, content) == [
        StockRow(2, "default", "shirt", 10)
    ]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ("2,1", "status must be 0, 1 or empty, got '2'"),
        ("01,1", "status must be 0, 1 or empty, got '01'"),
        ("1,2.5000", f"quantity {NOT_WHOLE.format('2.5000')}"),
        ("1,0.0001", f"quantity {NOT_WHOLE.format('0.0001')}"),
        ("0,2.5000", f"quantity {NOT_WHOLE.format('2.5000')}"),
        *(
            (f"1,{cell}", "quantity must be a whole number, 0 to 1000000000000, got ")
            for cell in ("", "-1.0000", "-1", "1.", ".5", "1e3", "x", "1.0.0", "+1.0")
        ),
    ],
)
def test_source_items_refuse(read: Read, cells: str, expected: str) -> None:
    [fault] = faults(read, StockFormat.SOURCE_ITEMS, f"{SOURCE_ITEMS}a,s,{cells}\n")

    assert fault.startswith(f"stock.csv:2: {expected}")


def test_a_delta_of_source_items_has_no_status_0(read: Read) -> None:
    rows = SOURCE_ITEMS + "a,s,1,-5.0000\na,t,,2\n"
    args = (StockFormat.SOURCE_ITEMS, rows, ImportMode.DELTA)

    assert [row.on_hand for row in read(*args)] == [-5, 2]
    assert faults(read, args[0], f"{rows}a,u,0,1\n", args[2]) == [
        "stock.csv:4: status 0 means 0 on hand, which a delta cannot express: use "
        "--mode set"
    ]


# --- stockstocks -------------------------------------------------------------------


@pytest.mark.parametrize("separator", [";", "|"])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_stockstocks(read: Read, separator: str, end: str, mark: str) -> None:
    """The header says the separator; the other one is a character like any."""
    other = "|" if separator == ";" else ";"
    rows = [
        ("depot_type", "depot_code", "art_ref", "type_ref", "qte"),
        ("DEPOT", "1", "shirt", "", "10"),
        ("MAG", "75", "hat", "REF", "3.00"),
        ("DPT", "1", "hat", "", "0"),
        ('"MAG"', '"75"', f'"a {separator} ""b"""', '""', '"7"'),
        ("MAG", "75", f"{other},", "", "8"),
    ]
    content = mark + "".join(separator.join(row) + end for row in rows)

    assert read(StockFormat.STOCKSTOCKS, content) == [
        StockRow(2, "1", "shirt", 10, place_type="DEPOT"),
        StockRow(3, "75", "hat", 3, place_type="MAG"),
        StockRow(4, "1", "hat", 0, place_type="DEPOT"),
        StockRow(5, "75", f'a {separator} "b"', 7, place_type="MAG"),
        StockRow(6, "75", f"{other},", 8, place_type="MAG"),
    ]


def test_columns_of_stockstocks_are_found_by_name(read: Read) -> None:
    content = "qte|art_ref|depot_code|depot_type\n5|hat|75|MAG\n"

    assert read(StockFormat.STOCKSTOCKS, content) == [
        StockRow(2, "75", "hat", 5, place_type="MAG")
    ]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("DEPOT;;s;;1", "depot_code is empty"),
        ("DEPOT;1;;;1", "art_ref is empty"),
        *(
            (f"{word};1;s;;1", "depot_type must be one of DEPOT, DPT, MAG, got ")
            for word in ("", "depot", "Mag", "dpt", "STORE", "1")
        ),
        ("MAG;1;s;EAN13;1", "type_ref is 'EAN13', and a SKU is known by its main ref"),
        ("MAG;1;s;ref;1", "type_ref is 'ref', and a SKU is known by its main ref"),
        ("MAG;1;s;;2.5", f"qte {NOT_WHOLE.format('2.5')}"),
        *(
            (f"MAG;1;s;;{cell}", "qte must be a whole number, 0 to 1000000000000, got")
            for cell in ("", "1 000", "1,000", "5,0", "-1")
        ),
        ("MAG;1;s;", "has 4 columns, the header has 5"),
        ("MAG;1;s;t;;1", "has 6 columns, the header has 5"),
        ('MAG;1;"s;;1', "stray quote: "),
        ('MAG;1;"s" x;;1', "stray quote: "),
    ],
)
def test_stockstocks_refuse(read: Read, row: str, expected: str) -> None:
    [fault] = faults(read, StockFormat.STOCKSTOCKS, f"{STOCKSTOCKS}{row}\r\n")

    assert fault.startswith(f"stock.csv:2: {expected}")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            "depot_type,depot_code,art_ref,type_ref,qte",
            "the header has none of ; |: it needs one of them, between its columns",
        ),
        (
            "depot_type;depot_code;art_ref|type_ref;qte",
            "the header has all of ; |: it needs one of them, between its columns",
        ),
        # Without names, the first row would be lost.
        ("DEPOT;1;shirt;;10", "unknown column 'DEPOT': known are depot_code, art_ref"),
        ("depot_type;depot_code;art_ref", "column 'qte' is missing"),
    ],
)
def test_stockstocks_need_their_header(read: Read, header: str, expected: str) -> None:
    first, *_ = faults(read, StockFormat.STOCKSTOCKS, f"{header}\nMAG;1;s;;1\n")

    assert first.startswith(f"stock.csv:1: {expected}")


# --- every format ------------------------------------------------------------------

ROWS = {
    StockFormat.CSV: "a,s,{},,\n",
    StockFormat.SOURCE_ITEMS: "a,s,1,{}\n",
    StockFormat.STOCKSTOCKS: "MAG;a;s;;{}\r\n",
}


@pytest.mark.parametrize("stock_format", StockFormat)
def test_only_a_delta_may_be_negative(read: Read, stock_format: StockFormat) -> None:
    content = HEADERS[stock_format] + ROWS[stock_format].format(-5)

    [row] = read(stock_format, content, ImportMode.DELTA)

    assert row.on_hand == -5
    for mode in (ImportMode.SET, ImportMode.SNAPSHOT):
        assert (
            "must be a whole number, 0 to"
            in faults(read, stock_format, content, mode).pop()
        )
    too_low = content.replace("-5", "-1000000000001")
    [fault] = faults(read, stock_format, too_low, ImportMode.DELTA)
    assert "must be a whole number, -1000000000000 to 1000000000000" in fault


@pytest.mark.parametrize("stock_format", StockFormat)
@pytest.mark.parametrize("units", ["", "7", "-7", "2.5", "x"])
def test_a_delete_looks_at_no_quantity(
    read: Read, stock_format: StockFormat, units: str
) -> None:
    content = HEADERS[stock_format] + ROWS[stock_format].format(units)

    [row] = read(stock_format, content, ImportMode.DELETE)

    assert (row.location, row.sku, row.on_hand, row.safety_stock) == ("a", "s", 0, None)


@pytest.mark.parametrize(
    ("stock_format", "content"),
    [
        (StockFormat.CSV, "location,sku\na,s\n"),
        (StockFormat.SOURCE_ITEMS, "sku,source_code\ns,a\n"),
        (StockFormat.STOCKSTOCKS, "depot_type;depot_code;art_ref\nMAG;a;s\n"),
    ],
)
def test_only_a_delete_needs_no_quantities(
    read: Read, stock_format: StockFormat, content: str
) -> None:
    [row] = read(stock_format, content, ImportMode.DELETE)

    assert (row.location, row.sku, row.on_hand) == ("a", "s", 0)
    [fault] = faults(read, stock_format, content, ImportMode.SET)
    assert fault.endswith("is missing")


def test_a_delete_is_of_all_zones_and_leaves_the_safety_stock(read: Read) -> None:
    [row] = read(StockFormat.CSV, f"{CSV}a,s,1,,5\n", ImportMode.DELETE)

    assert row.safety_stock is None
    assert faults(read, StockFormat.CSV, f"{CSV}a,s,1,x,\n", ImportMode.DELETE) == [
        "stock.csv:2: a delete is of all zones: leave zone empty"
    ]


@pytest.mark.parametrize("stock_format", StockFormat)
def test_a_header_alone_says_nothing(read: Read, stock_format: StockFormat) -> None:
    assert read(stock_format, HEADERS[stock_format]) == []


@pytest.mark.parametrize("stock_format", StockFormat)
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "stock.csv: is empty: a header is needed: "),
        (b"\n\r\n", "stock.csv: is empty: a header is needed: "),
        (b"PK\x03\x04\x14\0\0\0", "stock.csv:1: holds a NUL byte"),
        (b"\x1f\x8b\x08;,|\xff", "stock.csv:1: is not UTF-8 (byte 2 of the line)"),
        (b"x" * 200_000, "stock.csv:1: line is longer than 65,536 bytes"),
    ],
)
def test_a_file_that_is_none(
    read: Read, stock_format: StockFormat, content: bytes, expected: str
) -> None:
    [fault] = faults(read, stock_format, content)

    assert fault.startswith(expected)


@pytest.mark.parametrize("stock_format", StockFormat)
def test_a_last_line_cut_short(read: Read, stock_format: StockFormat) -> None:
    row = ROWS[stock_format].format(5)
    cut = row[: row.index("s") + 1]

    [fault] = faults(read, stock_format, HEADERS[stock_format] + row + cut)

    assert fault.startswith("stock.csv:3: has ")
    assert "columns, the header has" in fault


def test_tells_the_bytes_it_has_read(tmp_path: Path) -> None:
    path = tmp_path / "stock.csv"
    path.write_text("location,sku,on_hand\n" + "a,s,1\n" * 100_000)
    told: list[int] = []

    rows = read_stock(
        path, StockFormat.CSV, ImportMode.SET, Faults(), advance=told.append
    )

    assert sum(1 for _ in rows) == 100_000
    assert sum(told) == path.stat().st_size
    assert len(told) == 3
