"""Messages made of other messages' bytes, which are never parsed for it.

Messages written one after the other read as one, and in the order of their fields
they are the bytes of one.
"""

_LENGTH_DELIMITED = 2


def with_field(number: int, *parts: bytes) -> bytes:
    """Return a field that is a message, whose bytes come in parts."""
    size = sum([len(part) for part in parts])
    tag = number << 3 | _LENGTH_DELIMITED
    return b"".join((varint(tag), varint(size), *parts))


def varint(value: int) -> bytes:
    """Return a number as messages have it: seven bits a byte, the lowest first."""
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
