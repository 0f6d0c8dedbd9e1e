"""Orders from a JSONL file: one `router.v1.Order` a line, in its JSON form."""

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from google.protobuf import json_format

from availability.errors import Violation
from router.errors import InvalidOrder
from router.model import Order
from router.rpc.codec.order import decode_order
from router.v1 import order_pb2

MAX_ORDER_BYTES = 8 * 2**20
"""Longest line: the largest valid order is smaller."""
MAX_DEPTH = 20
"""An order nests four deep."""

_UNKNOWN_FIELD = re.compile(r'has no field named "(.*?)" at "(.*?)"')
# The parser prefixes one message per level; the innermost has the cause.
_NESTING = re.compile(r"^(Failed to (parse|load) [\w ]+: )+")


class OrderRow(NamedTuple):
    """One line of the file: its order, or the reason it has none.

    ``line`` counts from 1; ``byte_count`` is the line's length.
    """

    line: int
    byte_count: int
    order: Order | None
    reason: str = ""


def read_orders(file: BinaryIO) -> Iterator[OrderRow]:
    """Yield every line that is not empty, good or bad, one at a time."""
    line = 0
    while raw := file.readline(MAX_ORDER_BYTES + 1):
        line += 1
        if len(raw) > MAX_ORDER_BYTES:
            reason = f"longer than {MAX_ORDER_BYTES:,} bytes; nothing after it was read"
            yield OrderRow(line, len(raw), None, reason)
            return
        try:
            # Windows programs put a byte order mark at the start of UTF-8 files.
            text = raw.decode("utf-8-sig" if line == 1 else "utf-8").strip()
            if text:
                yield OrderRow(line, len(raw), parse_order(text))
        except UnicodeDecodeError as error:
            reason = f"not UTF-8 (byte {error.start + 1} of the line)"
            yield OrderRow(line, len(raw), None, reason)
        except (json_format.ParseError, InvalidOrder) as error:
            yield OrderRow(line, len(raw), None, one_line(str(error)))


def parse_order(text: str) -> Order:
    """Read one order from JSON.

    Raises
    ------
    ParseError
        The text is not JSON, or not that of an order.
    InvalidOrder
        A value is out of range.
    """
    if not text.startswith("{"):
        raise json_format.ParseError("not a JSON object")
    try:
        wire = json_format.Parse(text, order_pb2.Order(), max_recursion_depth=MAX_DEPTH)
    except RecursionError:
        raise json_format.ParseError("nested too deeply") from None
    violations: list[Violation] = []
    order = decode_order(wire, "order", violations)
    if violations:
        raise InvalidOrder(violations)
    return order


def one_line(message: str) -> str:
    """Reduce a parser's message to the error and its place, on one line."""
    if match := _UNKNOWN_FIELD.search(message):
        return f"unknown field {match[1]!r} in {match[2]}"
    message = _NESTING.sub("", " ".join(message.split())).rstrip(".")
    return message if len(message) <= 500 else f"{message[:500]}..."
