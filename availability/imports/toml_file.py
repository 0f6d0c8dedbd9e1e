"""A TOML file: read whole, or refused with the line and column of its fault."""

import re
import tomllib
from pathlib import Path
from typing import Any

from availability.imports.csv_rows import Faults

MAX_FILE_BYTES = 64 * 2**20
"""A larger file is refused unread: a network of this size is no longer reviewed."""

_POSITION = re.compile(
    r"(.*) \(at (?:end of document|line (\d+), column (\d+))\)", re.DOTALL
)


def read_toml(path: Path, faults: Faults) -> dict[str, Any]:
    """Return the document of a file; empty, with a fault, if it is none."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        faults.add(str(path), "UNREADABLE", f"cannot be read: {error.strerror}")
        return {}
    if len(raw) > MAX_FILE_BYTES:
        message = f"is larger than {MAX_FILE_BYTES // 2**20} MiB"
        faults.add(str(path), "TOO_LARGE", message)
        return {}
    try:
        # The mark that Windows programs put at the start of UTF-8 files.
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = "is not UTF-8: save the file as UTF-8"
        faults.add(f"{path}:{line}", "NOT_UTF8", message)
        return {}
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where, message = _where(str(error), text)
        faults.add(f"{path}:{where}", "NOT_TOML", message)
    except RecursionError:
        faults.add(str(path), "TOO_DEEP", "is nested too deeply")
    except ValueError:
        # Python reads no number of more than some thousand digits.
        faults.add(str(path), "NOT_TOML", "holds a number with too many digits")
    return {}


def _where(message: str, text: str) -> tuple[str, str]:
    """Return the line and column that a message of the parser names, and the rest."""
    match = _POSITION.fullmatch(message)
    if match is None:
        return "1:1", message
    line, column = match[2], match[3]
    if line is None:
        line = text.count("\n") + 1
        column = len(text) - text.rfind("\n")
    return f"{line}:{column}", match[1]
