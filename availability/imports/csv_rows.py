"""A strict CSV reader that knows the line of every fault.

The standard module forgives what must not be forgiven in a count of stock: a
quote in the middle of a field, a short row, a record that swallows the lines
after it because a quote was left open. Here a record is one line.
"""

import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from availability.errors import BadFile, Violation

MAX_LINE_BYTES = 65_536
"""A longer line is no row: the file is of another kind, and is not read on."""
MAX_FAULTS = 100
"""Faults kept for the report; the rest are counted."""

Advance = Callable[[int], None]
"""Told of the bytes read since it was called last."""

_ADVANCE_BYTES = 2**18
_SEPARATOR_NAMES = {",": "commas", ";": "semicolons", "|": "bars"}


class Faults:
    """Every fault found while reading, in the order of finding."""

    def __init__(self) -> None:
        self._kept: list[Violation] = []
        self.count = 0

    def add(self, path: str, reason: str, message: str) -> None:
        """Record one fault; ``path`` is ``file:line``, or the file."""
        self.count += 1
        if len(self._kept) < MAX_FAULTS:
            self._kept.append(Violation(path, reason, message))

    def raise_any(self) -> None:
        """Raise BadFile if there were any."""
        if self.count:
            raise BadFile(self._kept, self.count)


def read_rows(
    path: Path,
    columns: Sequence[str],
    optional: Container[str],
    faults: Faults,
    *,
    separators: str = ",",
    advance: Advance | None = None,
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the line number and the fields of every well-formed row.

    The fields come in the order of ``columns``, whatever the order of the file's,
    and one more that is always empty; a column that the file does not have is
    empty, too, and may be missing if ``optional`` has it. The header says which of
    ``separators`` the file uses. Faults are recorded, and their rows left out.
    """
    try:
        with path.open("rb") as file:
            lines = _lines(file, advance)
            yield from _rows(lines, path, columns, optional, separators, faults)
    except OSError as error:
        faults.add(str(path), "UNREADABLE", f"cannot be read: {error.strerror}")


def _rows(
    lines: Iterable[bytes],
    path: Path,
    columns: Sequence[str],
    optional: Container[str],
    separators: str,
    faults: Faults,
) -> Iterator[tuple[int, tuple[str, ...]]]:
    pick: Callable[[Sequence[str]], tuple[str, ...]] | None = None
    width = 0
    separator = ""
    for line, raw in enumerate(lines, start=1):
        text = _text(raw, line)
        if isinstance(text, Violation):
            faults.add(f"{path}:{line}", text.reason, text.message)
            # Without its header nothing else in the file has a meaning, and a
            # line without an end has none after it.
            if pick is None or text.reason == "LINE_TOO_LONG":
                return
            continue
        if not text:
            continue
        if not separator:
            separator = _separator(text, separators, f"{path}:{line}", faults)
            if not separator:
                return
            field = _field_pattern(separator)
        fields = text.split(separator) if '"' not in text else _split(text, field)
        if fields is None:
            faults.add(
                f"{path}:{line}",
                "STRAY_QUOTE",
                'stray quote: a quoted field begins and ends with " and a quote '
                'inside it is written ""',
            )
            if pick is None:
                return
        elif pick is None:
            hint = _SEPARATOR_NAMES[separator]
            places = _places(fields, columns, optional, hint, f"{path}:{line}", faults)
            if places is None:
                return
            width = len(fields)
            # Two columns at least, or itemgetter would not return a tuple.
            pick = itemgetter(*places, width)
        elif len(fields) != width:
            faults.add(
                f"{path}:{line}",
                "COLUMN_COUNT",
                f"has {len(fields)} columns, the header has {width}",
            )
        else:
            fields.append("")
            yield line, pick(fields)
    if pick is None:
        needed = separators[0].join(name for name in columns if name not in optional)
        faults.add(str(path), "EMPTY_FILE", f"is empty: a header is needed: {needed}")


def _separator(header: str, separators: str, path: str, faults: Faults) -> str:
    """Return the one separator that the header has; of one, no choice is left."""
    if len(separators) == 1:
        return separators
    there = [each for each in separators if each in header]
    if len(there) == 1:
        return there[0]
    which = "all" if there else "none"
    message = f"the header has {which} of {' '.join(separators)}: it needs one of them"
    faults.add(path, "SEPARATOR", f"{message}, between its columns")
    return ""


def _lines(file: BinaryIO, advance: Advance | None) -> Iterator[bytes]:
    untold = 0
    while raw := file.readline(MAX_LINE_BYTES + 1):
        untold += len(raw)
        if untold >= _ADVANCE_BYTES and advance is not None:
            advance(untold)
            untold = 0
        yield raw
    if advance is not None:
        advance(untold)


def _text(raw: bytes, line: int) -> str | Violation:
    if len(raw) > MAX_LINE_BYTES:
        message = f"line is longer than {MAX_LINE_BYTES:,} bytes: this is no CSV file"
        return Violation("", "LINE_TOO_LONG", message)
    if b"\0" in raw:
        return Violation("", "NUL_BYTE", "holds a NUL byte: save the file as UTF-8")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 (byte {error.start + 1} of the line): save as UTF-8"
        return Violation("", "NOT_UTF8", message)
    if line == 1:
        # The mark that Windows programs put at the start of UTF-8 files.
        text = text.removeprefix("\ufeff")
    return text.removesuffix("\n").removesuffix("\r")


def _field_pattern(separator: str) -> re.Pattern[str]:
    mark = re.escape(separator)
    return re.compile(rf'(?:"([^"]*(?:""[^"]*)*)"|([^"{mark}]*))({mark}|\Z)')


def _split(text: str, field: re.Pattern[str]) -> list[str] | None:
    """Split a line with quotes in it; None if they do not pair up (RFC 4180)."""
    fields: list[str] = []
    at = 0
    while match := field.match(text, at):
        quoted, plain, end = match.groups()
        fields.append(plain if quoted is None else quoted.replace('""', '"'))
        if not end:
            return fields
        at = match.end()
    return None


def _places(
    header: Sequence[str],
    columns: Sequence[str],
    optional: Container[str],
    separator_name: str,
    path: str,
    faults: Faults,
) -> list[int] | None:
    """Return where each column stands; one past the last for those not there."""
    before = faults.count
    for name in dict.fromkeys(header):
        if name not in columns:
            hint = f"known are {', '.join(columns)}"
            if len(header) == 1 and re.search(r"[,;|\t]", name):
                hint = f"separate columns by {separator_name}"
            faults.add(path, "UNKNOWN_COLUMN", f"unknown column {name[:80]!r}: {hint}")
        elif header.count(name) > 1:
            faults.add(path, "DUPLICATE_COLUMN", f"column {name!r} appears twice")
    for name in columns:
        if name not in header and name not in optional:
            faults.add(path, "MISSING_COLUMN", f"column {name!r} is missing")
    if faults.count > before:
        return None
    return [header.index(name) if name in header else len(header) for name in columns]
