"""Values of one cell of a file; a fault is returned as a sentence."""

import datetime
import re

from availability.model import MAX_ID_CHARACTERS, LocationKind

KINDS = tuple(kind.value for kind in LocationKind)
BOOLEANS = {
    "true": True,
    "false": False,
    "1": True,
    "0": False,
    "yes": True,
    "no": False,
}

_DECIMAL = re.compile(r"-?[0-9]{1,15}\.[0-9]{1,20}")
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,15}")
# Neither NaN, nor infinity, nor the underscores and exponents that float() takes.
_DEGREES = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,20})?")


def id_fault(name: str, text: str) -> str:
    """Say what is wrong with an id, or nothing."""
    if not text:
        return f"{name} is empty"
    if len(text) > MAX_ID_CHARACTERS:
        return f"{name} is longer than {MAX_ID_CHARACTERS} characters"
    if not text.isprintable():
        return f"{name} holds a character that cannot be printed: {text!r}"
    if text[0].isspace() or text[-1].isspace():
        return f"{name} begins or ends with a space: {text!r}"
    return ""


def whole_number_fault(name: str, text: str, least: int, most: int) -> str:
    """Say what is wrong with a whole number between two limits, or nothing."""
    if not _WHOLE_NUMBER.fullmatch(text) or not least <= int(text) <= most:
        return f"{name} must be a whole number, {least} to {most}, got {text[:80]!r}"
    return ""


def decimal_fault(name: str, text: str, least: int, most: int) -> str:
    """As `whole_number_fault`, of a number that may be written like ``5.0000``."""
    if not _DECIMAL.fullmatch(text):
        return whole_number_fault(name, text, least, most)
    whole, _, fraction = text.partition(".")
    if fraction.strip("0"):
        return (
            f"{name} has a fraction, {text!r}, and units are whole: count this SKU in "
            "its smallest unit (in grams, not in kilograms)"
        )
    return whole_number_fault(name, whole, least, most)


def coordinate_fault(name: str, text: str, limit: int) -> str:
    """Say what is wrong with an angle in degrees, or nothing."""
    if not _DEGREES.fullmatch(text) or abs(float(text)) > limit:
        return f"{name} must be -{limit} to {limit} degrees, got {text[:80]!r}"
    return ""


_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def instant_seconds(text: str) -> int | None:
    """Return an RFC 3339 instant in seconds since the epoch, None if it is none.

    Rounded down; it needs its offset, and is after 1970 began.
    """
    if not _INSTANT.fullmatch(text):
        return None
    try:
        instant = datetime.datetime.fromisoformat(text.upper())
        seconds = int(instant.timestamp() // 1)
    except (ValueError, OverflowError):
        return None
    return seconds if seconds > 0 else None
