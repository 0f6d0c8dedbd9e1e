"""The setup as rows: one item a row, its body in JSON."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert as upsert

from availability.errors import MAX_VIOLATIONS, InvalidChange
from availability.ledger.statements.session import Session
from availability.ledger.statements.tables import at_key, ledger, setup_item
from availability.model import Location, LocationId, Network
from availability.setup.channels import Allocation
from availability.setup.json_items import (
    ALLOCATION,
    CHANNEL,
    KIT,
    SETTINGS,
    SUPPLY,
    Documents,
)
from availability.setup.setup import (
    Setup,
    SetupChange,
    SetupResult,
    changed,
    check_setup,
    settings_at,
)

_SEPARATOR = "\x1f"
"""Between a channel and a SKU in a key: neither can be in a name."""

_INSERT = upsert(setup_item).values(
    {column.name: bindparam(f"new_{column.name}") for column in setup_item.c}
)
_PUT = _INSERT.on_conflict_do_update(
    index_elements=["kind", "item_key"], set_={"body": _INSERT.excluded.body}
)
_SET_SETUP = ledger.update().values(setup_version=bindparam("version"))
_REMOVE = setup_item.delete().where(*at_key(setup_item, "kind", "item_key"))


def setup_of(rows: Iterable[tuple[Any, ...]], version: int) -> Setup:
    """Return the setup of (kind, key, body) in the order they were first put.

    Bodies that are the same are one object: a million SKUs share few settings.
    """
    values: dict[str, dict[Any, Any]] = {kind: {} for kind in _KINDS}
    known: dict[tuple[str, str], Any] = {}
    for kind, key, body in rows:
        value = known.get((kind, body))
        if value is None:
            value = known[kind, body] = _KINDS[kind].read(body)
        values[kind][key] = value
    settings = {
        tuple(key.split(_SEPARATOR)): value for key, value in values["setting"].items()
    }
    everything = SetupChange(
        values["channel"],
        settings,
        {},
        values["kit"],
        values["supply"],
    )
    setup = replace(changed(Setup(), everything), version=version)
    # As they are: a change would give them a new place in time.
    return replace(setup, allocations=values["allocation"])


_KINDS: Mapping[str, Documents[Any]] = {
    "channel": CHANNEL,
    "setting": SETTINGS,
    "allocation": ALLOCATION,
    "kit": KIT,
    "supply": SUPPLY,
}


Promised = Callable[[Allocation], int]
"""What the channels of an allocation have promised of its SKU so far."""


def _counted(each: Allocation, old: Allocation | None, counts: Promised) -> Allocation:
    """Return an allocation that was consumed as much as the one in its place.

    Promises made before it existed did not consume it.
    """
    consumed_units = 0
    if old is not None and old.sku == each.sku:
        consumed_units = max(0, old.consumed_units + counts(old))
    return replace(each, consumed_units=consumed_units - counts(each))


class SetupDraft:
    """A change of the setup: the setup after it, and how many items differ."""

    def __init__(
        self,
        before: Setup,
        change: SetupChange,
        network: Network,
        counts: Promised,
    ) -> None:
        """Judge a change.

        Raises
        ------
        InvalidChange
            The resulting setup is invalid.
        """
        after = changed(before, change)
        violations = check_setup(after, network, change)
        if violations:
            raise InvalidChange(violations[:MAX_VIOLATIONS])
        allocations = dict(after.allocations)
        for key, each in change.allocations.items():
            if each is not None:
                old = before.allocations.get(key)
                allocations[key] = _counted(after.allocations[key], old, counts)
        self.after = replace(after, allocations=allocations)
        self._writes: list[tuple[str, str, str]] = []
        self._removals: list[tuple[str, str]] = []
        self.created = self.replaced = self.removed = self.unchanged = 0
        self._weigh("channel", before.channels, self.after.channels, change.channels)
        self._weigh(
            "allocation", before.allocations, self.after.allocations, change.allocations
        )
        self._weigh("kit", before.kits, self.after.kits, change.kits)
        self._weigh("supply", before.supplies, self.after.supplies, change.supplies)
        self._weigh(
            "setting",
            {at: settings_at(before.book, at) for at in change.settings},
            {at: settings_at(self.after.book, at) for at in change.settings},
            change.settings,
        )

    def _weigh(
        self,
        kind: str,
        before: Mapping[Any, Any],
        after: Mapping[Any, Any],
        change: Mapping[Any, Any],
    ) -> None:
        for key in change:
            name = _SEPARATOR.join(key) if isinstance(key, tuple) else key
            old, new = before.get(key), after.get(key)
            if old == new:
                self.unchanged += 1
            elif new is None:
                self.removed += 1
                self._removals.append((kind, name))
            else:
                self.created += old is None
                self.replaced += old is not None
                self._writes.append((kind, name, _KINDS[kind].write(new)))

    def result(
        self,
        locations: Sequence[Location],
        known: Mapping[LocationId, Location],
        version: int,
    ) -> SetupResult:
        """Return what is done, with locations that are put over those known."""
        before = [known.get(each.location_id) for each in locations]
        fresh = before.count(None)
        same = sum(
            old == new for old, new in zip(before, locations, strict=True) if old
        )
        return SetupResult(
            self.created + fresh,
            self.replaced + len(locations) - fresh - same,
            self.removed,
            self.unchanged + same,
            version,
        )

    @property
    def changes(self) -> bool:
        """Whether any item differs."""
        return bool(self._writes or self._removals)

    def write(self, session: Session, version: int) -> None:
        """Write what differs; the version, the setup's new one, orders new items."""
        session.count(_SET_SETUP, version=version)
        for kind, name in self._removals:
            session.count(_REMOVE, at_kind=kind, at_item_key=name)
        for at, (kind, name, body) in enumerate(self._writes):
            session.count(
                _PUT,
                new_kind=kind,
                new_item_key=name,
                new_body=body,
                new_number=version * 2**20 + at,
            )
