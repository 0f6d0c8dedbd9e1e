import io
import json

import pytest

from router.cli.routing.orders_file import MAX_ORDER_BYTES, OrderRow, read_orders
from router.model import Destination, Order, OrderLine

GOOD = b'{"order_id": "o1", "lines": [{"line_id": "a", "sku": "hat", "quantity": 2}]}'


def rows(content: bytes) -> list[OrderRow]:
    return list(read_orders(io.BytesIO(content)))


def reason(line: bytes) -> str:
    [row] = rows(line + b"\n")
    assert row.order is None
    assert "\n" not in row.reason
    return row.reason


def order() -> Order:
    return Order("o1", (OrderLine("a", "hat", 2),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(GOOD, id="as_in_the_contract"),
        pytest.param(GOOD.replace(b"order_id", b"orderId"), id="camel_case"),
        pytest.param(GOOD.replace(b": 2", b': "2"'), id="quantity_as_text"),
        pytest.param(b"\xef\xbb\xbf" + GOOD, id="byte_order_mark"),
        pytest.param(b"  " + GOOD + b"  \r", id="spaces_and_windows_line_end"),
        pytest.param(GOOD[:-1] + b', "destination": null}', id="null_is_unset"),
    ],
)
def test_reads_an_order(line: bytes) -> None:
    [row] = rows(line + b"\n")

    assert row == OrderRow(1, len(line) + 1, order())


def test_reads_every_field_it_is_given() -> None:
    text = json.loads(GOOD)
    text["destination"] = {"latitude": 45.5, "longitude": -73.5, "country_code": "CA"}
    text["promised_minutes"] = 90

    [row] = rows(json.dumps(text).encode())

    assert row.order is not None
    assert row.order.destination == Destination(45.5, -73.5, "CA")
    assert row.order.promised_minutes == 90


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"{", "Expecting property name enclosed in double quotes: line 1 column 2"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'"order"', "not a JSON object"),
        (b'{"order": "o1"}', "unknown field 'order' in Order"),
        (b'{"lines": [{"qty": 1}]}', "unknown field 'qty' in Order.lines[0]"),
        (b'{"order_id": 3}', "expected string or bytes-like object, got 'int'"),
        (b'{"lines": [{"quantity": 1.5}]}', "Couldn't parse integer: 1.5 at Order"),
        (b'{"lines": [{"quantity": NaN}]}', "Couldn't parse integer: nan at Order"),
        (b'{"lines": [{"quantity": 3000000000}]}', "Value out of range: 3000000000"),
        (b'{"lines": {}}', "repeated field lines must be in []"),
        (b'{"order_id": "a", "order_id": "b"}', "duplicate key order_id"),
        (b'{"order_id": "\\ud800"}', "Unpaired surrogate at Order.order_id"),
        (b'{"order_id": "\xff"}', "not UTF-8 (byte 15 of the line)"),
        (b'{"a":' * 100_000, ""),
    ],
)
def test_a_bad_line_has_a_reason(line: bytes, expected: str) -> None:
    assert reason(line).startswith(expected)


def test_goes_on_after_a_bad_line_and_keeps_count() -> None:
    found = rows(GOOD + b"\n\n{\n" + GOOD)

    assert [(row.line, row.order is not None) for row in found] == [
        (1, True),
        (3, False),
        (4, True),
    ]


def test_a_line_without_an_end_is_not_read_into_memory() -> None:
    [first, last] = rows(GOOD + b"\n" + b"x" * (2 * MAX_ORDER_BYTES))

    assert first.order is not None
    assert last.line == 2
    assert last.reason == "longer than 8,388,608 bytes; nothing after it was read"
