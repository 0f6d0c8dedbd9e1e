"""What single values of a network file may be, wherever in it they stand.

Ids, instants and ranges. The fields of an item are `availability.setup.json_items`'.
"""

import datetime
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from availability.errors import InvalidChange
from availability.imports.fields import id_fault
from availability.imports.locations_file import (
    MAX_CAPACITY_ORDERS,
    MAX_LEAD_TIME_MINUTES,
    MAX_RANK,
)
from availability.model import MAX_STOCK_UNITS
from availability.setup.json_items import Documents

ItemT = TypeVar("ItemT")
AddFault = Callable[[str, str, str], None]
"""Takes a fault: its path in the file, its stable reason, and a sentence."""

INSTANTS = ("available_from_seconds", "release_seconds", "starts_seconds")
"""Seconds since the epoch: a file may have them as dates with an offset."""
MAX_INSTANT_SECONDS = 253_402_300_799
"""The last second of the year 9999, the last that has a date."""
IDS = (
    "allocation_id",
    "channel_id",
    "location_id",
    "origin_id",
    "sku",
    "supply_id",
    "zone_id",
)
LISTS = {
    "channel_ids": 256,
    "exclude_ids": None,
    "following": 256,
    "groups": 64,
    "include_ids": None,
    "shipping_methods": 64,
}
"""Lists of ids, each once, and the most that the server takes."""
OF_THE_LEDGER = ("consumed_units", "created_number", "presold_units")
"""Counted by the ledger: a file must not have them."""
RANGES = {
    "rank": (1, MAX_RANK),
    "capacity_orders": (0, MAX_CAPACITY_ORDERS),
    "capacity_units": (0, MAX_STOCK_UNITS),
    "shipment_cost_micros": (0, 10**12),
    "unit_cost_micros": (0, 10**12),
    "workload_minutes": (0, 10_000_000),
    "stale_after_seconds": (0, 2**31 - 1),
    "lead_time_minutes": (0, MAX_LEAD_TIME_MINUTES),
    **dict.fromkeys(INSTANTS, (0, MAX_INSTANT_SECONDS)),
}
"""Least and most of what `availability.setup.checks` leaves alone."""
MAX_DEPTH = 8
"""A network file nests five deep."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_COUNTRY_CODE = re.compile(r"[A-Z]{2}")


def key_path(path: str, key: str) -> str:
    """Return the path of a key in a table, quoted as the file must quote it."""
    quoted = key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)
    return f"{path}.{quoted}" if path else quoted


class Values:
    """Cleans the values of a TOML file, and reports each fault of a path once."""

    def __init__(self, add_fault: AddFault) -> None:
        self._add_fault = add_fault
        self._faulty: set[str] = set()

    def add_fault(self, path: str, reason: str, message: str) -> None:
        """Report a fault."""
        self._faulty.add(path)
        self._add_fault(path, reason, message)

    def judge(
        self, document: Documents[ItemT], value: object, path: str
    ) -> ItemT | None:
        """Return the item that a clean value is, None if it is none."""
        try:
            return document.judge(json.dumps(value), path)
        except InvalidChange as error:
            for each in error.violations:
                if each.path not in self._faulty:
                    message = each.message.removeprefix("Value error, ")
                    self.add_fault(each.path, each.reason, message)
        return None

    def clean(self, value: Any, path: str, name: str = "", depth: int = 0) -> Any:
        """Return the value as JSON, with None in place of what is at fault.

        ``name`` is the field's, and that of the list for what is in a list.
        """
        if depth > MAX_DEPTH:
            return self._fault(path, "TOO_DEEP", "is nested too deeply")
        if isinstance(value, Mapping):
            return self._table(value, path, depth)
        if isinstance(value, list):
            return self._list(value, path, name, depth)
        if isinstance(value, datetime.datetime | datetime.date | datetime.time):
            return self._instant(value, path, name)
        if isinstance(value, str):
            return self._text(value, path, name)
        if isinstance(value, float) and not math.isfinite(value):
            return self._fault(path, "INVALID", "must be a finite number")
        if isinstance(value, int) and not isinstance(value, bool):
            return self._number(value, path, name)
        return value

    def _fault(self, path: str, reason: str, message: str) -> object:
        """Report a fault, and return what stands in its place."""
        self.add_fault(path, reason, message)
        return None

    def _table(
        self, value: Mapping[str, Any], path: str, depth: int
    ) -> dict[str, object]:
        clean: dict[str, object] = {}
        for key, each in value.items():
            where = key_path(path, key)
            if key in OF_THE_LEDGER:
                message = "is counted by the ledger: remove it"
                self.add_fault(where, "UNKNOWN_FIELD", message)
            else:
                clean[key] = self.clean(each, where, key, depth + 1)
        return clean

    def _list(
        self, value: Sequence[Any], path: str, name: str, depth: int
    ) -> list[object]:
        if name in LISTS:
            most = LISTS[name]
            if most is not None and len(value) > most:
                self.add_fault(
                    path, "TOO_MANY", f"must be at most {most}, got {len(value)}"
                )
            values: set[str] = set()
            for at, each in enumerate(value):
                if isinstance(each, str) and each in values:
                    message = f"{each!r} appears twice"
                    self.add_fault(f"{path}[{at}]", "DUPLICATE", message)
                elif isinstance(each, str):
                    values.add(each)
        return [
            self.clean(each, f"{path}[{at}]", name, depth + 1)
            for at, each in enumerate(value)
        ]

    def _number(self, value: int, path: str, name: str) -> object:
        least, most = RANGES.get(name, (-(2**63), 2**63 - 1))
        if least <= value <= most:
            return value
        # Python writes no number of more than some thousand digits.
        got = str(value) if abs(value) < 10**20 else "far more"
        message = f"must be from {least} to {most}, got {got}"
        return self._fault(path, "OUT_OF_RANGE", message)

    def _text(self, value: str, path: str, name: str) -> object:
        if name in IDS or name in LISTS:
            # An origin that is not given is the location itself.
            fault = id_fault(name, value) if value or name != "origin_id" else ""
            if fault:
                return self._fault(path, "BAD_ID", fault)
        if name == "country_code" and value and not _COUNTRY_CODE.fullmatch(value):
            message = "must be two capital letters (ISO 3166-1)"
            return self._fault(path, "INVALID_COUNTRY", message)
        return value

    def _instant(
        self,
        value: datetime.datetime | datetime.date | datetime.time,
        path: str,
        name: str,
    ) -> object:
        if name not in INSTANTS:
            return self._fault(path, "INVALID", "is a date or time, and must be none")
        if not isinstance(value, datetime.datetime) or value.tzinfo is None:
            message = "needs a date, a time and its offset: 2026-01-31T09:00:00+01:00"
            return self._fault(path, "NO_OFFSET", message)
        if value.microsecond:
            return self._fault(path, "INVALID", "must be a whole second")
        return self._number(int(value.timestamp()), path, name)
