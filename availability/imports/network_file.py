"""A network as one reviewed TOML file: locations and the setup of channels.

docs/network-file.md has its tables. Every fault is reported at once, by its place in
the file; an item is not at fault because one that it names is.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from availability.errors import Violation
from availability.imports.csv_rows import Faults
from availability.imports.fields import id_fault
from availability.imports.network_values import AddFault, Values, key_path
from availability.imports.toml_file import read_toml
from availability.model import Location, LocationId, Network, Sku
from availability.setup import json_items
from availability.setup.channels import Channel
from availability.setup.checks import check_channels
from availability.setup.settings import Settings
from availability.setup.setup import (
    Kit,
    Place,
    Setup,
    SetupChange,
    changed,
    check_setup,
)

ItemT = TypeVar("ItemT")

TABLES = ("locations", "channels", "settings", "allocations", "kits", "supplies")
LEVELS = ("global", "channels", "skus", "channel_skus")
_TOGETHER = ("PUBLICATION_ABOVE_AVAILABILITY", "MAX_BELOW_MIN")
"""Faults of two levels together: undecided while one of them is bad."""
_ITEM = re.compile(r"(locations|channels|allocations|supplies)\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """A network file; locations in the order of the file."""

    locations: tuple[Location, ...] = ()
    setup: Setup = field(default_factory=Setup)


def read_network_file(path: Path) -> NetworkFile:
    """Read a network file.

    Raises
    ------
    BadFile
        It cannot be read, is no TOML, or breaks a rule: every fault, as
        ``file: path: message``, or ``file:line:column: message`` where it is no TOML.
    """
    faults = Faults()
    document = read_toml(path, faults)
    faults.raise_any()

    def add_fault(where: str, reason: str, message: str) -> None:
        faults.add(f"{path}: {where}", reason, message)

    result = _Reading(document, add_fault).read()
    faults.raise_any()
    return result


class _Listed(NamedTuple):
    """One table of an array of them; ``name`` is its id, "" if that is bad."""

    at: int
    name: str
    value: dict[str, Any]


class _Reading:
    """One document on its way to a network file.

    First each item by itself, then all of them together; an item with a bad shape
    stands there bare, so that what names it finds it.
    """

    def __init__(self, document: Mapping[str, Any], add_fault: AddFault) -> None:
        self._document = document
        self._values = Values(add_fault)
        # Where in the file what the checks name stands.
        self._indexes: dict[str, list[int]] = {}
        self._paths: dict[str, str] = {}
        self._bad_settings = False

    def read(self) -> NetworkFile:
        """Return the network, without the items that are at fault."""
        self._refuse_others(self._document, TABLES, "")
        locations = self._items(
            "locations", "location_id", json_items.LOCATION, self._bare_location
        )
        channels = self._items("channels", "channel_id", json_items.CHANNEL, Channel)
        settings = self._settings()
        allocations = self._items("allocations", "allocation_id", json_items.ALLOCATION)
        kits = self._kits()
        supplies = self._items("supplies", "supply_id", json_items.SUPPLY)
        change = SetupChange(channels, settings, allocations, kits, supplies)
        setup = changed(Setup(), change)
        self._check(tuple(locations.values()), setup)
        return NetworkFile(tuple(locations.values()), setup)

    # --- Items by themselves ------------------------------------------------------

    @staticmethod
    def _bare_location(location_id: str) -> Location:
        return Location(LocationId(location_id))

    def _items(
        self,
        table: str,
        key: str,
        document: json_items.Documents[ItemT],
        bare: Callable[[str], ItemT] | None = None,
    ) -> dict[str, ItemT]:
        """Return the items of an array of tables by their ids, in its order."""
        found: dict[str, ItemT] = {}
        indexes = self._indexes[table] = []
        for at, name, value in self._listed(table, key):
            item = self._values.judge(document, value, f"{table}[{at}]")
            if item is None and bare is not None and name:
                item = bare(name)
            if item is not None and name and name not in found:
                found[name] = item
                indexes.append(at)
        return found

    def _listed(self, table: str, key: str) -> Iterator[_Listed]:
        listed = self._document.get(table, [])
        if not isinstance(listed, list):
            message = f"must be an array of tables: [[{table}]]"
            self._values.add_fault(table, "INVALID", message)
            return
        first: dict[str, int] = {}
        for at, each in enumerate(listed):
            path = f"{table}[{at}]"
            if not isinstance(each, dict):
                self._values.add_fault(path, "INVALID", "must be a table")
                continue
            value = self._values.clean(each, path)
            name = value.get(key)
            if key not in value:
                self._values.add_fault(f"{path}.{key}", "REQUIRED", "must be set")
            elif isinstance(name, str) and name in first:
                message = f"{name!r} is {table}[{first[name]}] already"
                self._values.add_fault(f"{path}.{key}", "DUPLICATE", message)
            elif isinstance(name, str):
                first[name] = at
            yield _Listed(at, name if isinstance(name, str) else "", value)

    def _kits(self) -> dict[Sku, Kit]:
        found: dict[Sku, Kit] = {}
        for at, name, value in self._listed("kits", "sku"):
            path = f"kits[{at}]"
            self._refuse_others(value, ("sku", "components"), path)
            if "components" not in value:
                self._values.add_fault(f"{path}.components", "REQUIRED", "must be set")
                continue
            components = value["components"]
            kit = self._values.judge(json_items.KIT, components, f"{path}.components")
            if kit is not None and name and Sku(name) not in found:
                found[Sku(name)] = kit
                self._paths[f"kits[{name}]"] = path
        return found

    def _settings(self) -> dict[Place, Settings]:
        found: dict[Place, Settings] = {}
        for checked, path, place, value in self._scopes():
            clean = self._values.clean(value, path)
            settings = self._values.judge(json_items.SETTINGS, clean, path)
            self._bad_settings |= settings is None
            self._paths[checked] = path
            # Settings without a value are no settings.
            if settings is not None and settings != Settings():
                found[place] = settings
        return found

    def _scopes(self) -> Iterator[tuple[str, str, Place, object]]:
        """Yield (path in the checks, path in the file, place, value) of settings."""
        settings = self._table(self._document.get("settings", {}), "settings")
        self._refuse_others(settings, LEVELS, "settings")
        if "global" in settings:
            path = "settings.global"
            yield path, path, ("", ""), settings["global"]
        for level in ("channels", "skus"):
            path = f"settings.{level}"
            for name, each, value in self._keyed(settings.get(level, {}), path):
                place = (name, "") if level == "channels" else ("", name)
                yield f"{path}[{name}]", each, place, value
        path = "settings.channel_skus"
        for channel_id, inner, skus in self._keyed(
            settings.get("channel_skus", {}), path
        ):
            for sku, each, value in self._keyed(skus, inner):
                yield f"{path}[{channel_id},{sku}]", each, (channel_id, sku), value

    def _keyed(self, value: object, path: str) -> Iterator[tuple[str, str, object]]:
        """Yield (id, path, value) of a table that has ids for keys."""
        for name, each in self._table(value, path).items():
            where = key_path(path, name)
            fault = id_fault("the key", name)
            if fault:
                self._values.add_fault(where, "BAD_ID", fault)
            else:
                yield name, where, each

    def _table(self, value: object, path: str) -> Mapping[str, Any]:
        if isinstance(value, dict):
            return value
        self._values.add_fault(path, "INVALID", "must be a table")
        return {}

    def _refuse_others(
        self, table: Mapping[str, Any], known: tuple[str, ...], path: str
    ) -> None:
        for key in table:
            if key not in known:
                message = f"is not known: there are {', '.join(known)}"
                self._values.add_fault(key_path(path, key), "UNKNOWN_FIELD", message)

    # --- and together -------------------------------------------------------------

    def _check(self, locations: tuple[Location, ...], setup: Setup) -> None:
        network = Network.of(locations)
        ties = check_channels(tuple(setup.channels.values()), network)
        found = [each for each in ties if each.path.startswith("locations[")]
        found += check_setup(setup, network)
        # The checks count locations by rank, the file as they stand in it.
        by_id = {each.location_id: at for at, each in enumerate(locations)}
        indexes = self._indexes["locations"]
        self._indexes["locations"] = [
            indexes[by_id[each.location_id]] for each in network.locations
        ]
        for each in found:
            unsure = each.path.startswith("settings") and self._bad_settings
            if not (unsure and each.reason in _TOGETHER):
                self._values.add_fault(self._in_file(each), each.reason, each.message)

    def _in_file(self, violation: Violation) -> str:
        """Return where in the file that stands which a check has named."""
        path = violation.path
        if match := _ITEM.match(path):
            at = self._indexes[match[1]][int(match[2])]
            return f"{match[1]}[{at}]{path[match.end() :]}"
        # Ids may have brackets: the longest place that is known is meant.
        for end in range(len(path), 0, -1):
            if (place := self._paths.get(path[:end])) is not None:
                return place + path[end:]
        return path
