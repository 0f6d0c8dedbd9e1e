"""What each write does within its transaction, in every database."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from availability.ledger.logic.stock_import import CheckedImport, judge
from availability.ledger.memory.deltas import Added, Loads, UnitsDelta
from availability.ledger.memory.places import Places
from availability.ledger.statements.audit import repair_drifts
from availability.ledger.statements.commands import Changed
from availability.ledger.statements.locations import write_locations
from availability.ledger.statements.reads import (
    LOCK_NETWORK,
    SHARE_NETWORK,
    VERSIONS,
    read_loads,
    read_places,
    read_setup,
)
from availability.ledger.statements.session import Session
from availability.ledger.statements.setup_items import SetupDraft
from availability.ledger.statements.zones import rezone
from availability.ledger.store import Store, Write
from availability.ledger.times import milliseconds, utc_day
from availability.model import ImportResult, Location, PutResult, StockChange
from availability.reservations import AuditReport
from availability.setup.setup import Setup, SetupChange, SetupResult


def put_locations(
    store: Store,
    tx: Write,
    locations: Sequence[Location],
    encode: Callable[[PutResult], bytes],
) -> bytes:
    """Create or replace locations; see `Ledger.put_locations`."""
    before, _ = _lock_network(tx)
    known = before.locations
    changed = [each for each in locations if known.get(each.location_id) != each]
    replaced = sum(each.location_id in known for each in locations)
    if changed:
        version = tx.draw()
        places = before.with_put(changed, version.stored)
        left = _move_locations(store, tx, locations, changed, before, places)
        tx.follow = lambda: _take_locations(store, tx, places, left, version.known)
    return encode(PutResult(len(locations) - replaced, replaced))


def put_setup(
    store: Store,
    tx: Write,
    change: SetupChange,
    locations: Sequence[Location],
    encode: Callable[[SetupResult], bytes],
    *,
    dry_run: bool,
) -> bytes:
    """Change channels, settings, kits and locations; see `Ledger.put_setup`."""
    before, setup = _lock_network(tx)
    known = before.locations
    moved = [each for each in locations if known.get(each.location_id) != each]
    network = before.with_put(moved, before.network.version + 1).network
    draft = SetupDraft(setup, change, network, store.promised(tx, change, setup))
    if dry_run or not (moved or draft.changes):
        return encode(draft.result(locations, known, tx.mirror.version))
    version = tx.draw()
    new_setup: Setup | None = None
    if draft.changes:
        new_setup = replace(draft.after, version=version.stored)
        draft.write(tx.session, version.stored)
    if moved:
        places = before.with_put(moved, version.stored)
        left = _move_locations(store, tx, locations, moved, before, places)
        tx.follow = lambda: _take_locations(
            store, tx, places, left, version.known, new_setup
        )
    elif new_setup is not None:
        mirror, after = tx.mirror, new_setup
        tx.follow = lambda: mirror.say(after, version.known)
    return encode(draft.result(locations, known, version.known))


def _lock_network(tx: Write) -> tuple[Places, Setup]:
    """Return the locations and the setup, which stay so until the commit."""
    ((network, setup),) = tx.session.rows(LOCK_NETWORK)
    mirror = tx.mirror
    known, current = mirror.places, mirror.setup
    return (
        known if network == known.network.version else read_places(tx.session),
        current if setup == current.version else read_setup(tx.session),
    )


def _move_locations(
    store: Store,
    tx: Write,
    put: Sequence[Location],
    changed: Sequence[Location],
    before: Places,
    places: Places,
) -> list[UnitsDelta]:
    for each in changed:
        store.check_location(each)
    left = rezone(tx.session, put, before, tx.now)
    write_locations(tx.session, changed, places)
    return left


def _take_locations(
    store: Store,
    tx: Write,
    places: Places,
    left: Sequence[UnitsDelta],
    version: int,
    setup: Setup | None = None,
) -> None:
    """Take over locations that were put, and what their zones hold now."""
    if places.same_columns(tx.mirror.places):
        tx.mirror.move(places, left, version, setup)
    else:
        store.load(version)


def import_stock(
    store: Store,
    tx: Write,
    judged: CheckedImport,
    changes: Sequence[StockChange],
    reference: str,
    encode: Callable[[ImportResult], bytes],
    *,
    dry_run: bool,
) -> bytes:
    """Set or change what is on hand; see `Ledger.import_stock`.

    ``judged`` are the ``changes`` judged by the locations of a moment ago.
    """
    network, mirror = share_network(tx.session), tx.mirror
    if judged.zones_of != network:
        known = mirror.places
        if network != known.network.version:
            known = read_places(tx.session)
        judged = judge(judged.mode, changes, known, judged.max_drop_permille)
    done = store.import_stock(
        tx.session,
        judged,
        milliseconds(tx.now),
        reference,
        dry_run=dry_run,
        # Reservations are guarded only where a channel is declared.
        count_moves=bool(mirror.setup.channels),
    )
    if dry_run:
        return encode(done.result(mirror.version))
    version = tx.draw().known if done.changes else mirror.version
    counted = done.changes and mirror.setup.channels
    moved = {each.sku for each in done.units} if counted else ()
    _follow(store, tx, done.units, version, network, moved=moved)
    return encode(done.result(version))


def follow_changes(
    store: Store,
    tx: Write,
    changes: Sequence[Changed],
    moved: Sequence[UnitsDelta] = (),
    network: int | None = None,
) -> int:
    """Let memory follow changes of reservations, and what ``moved`` otherwise.

    ``network`` is the network's version if the transaction keeps it, see
    `share_network`. Returns the ledger's version: as it was if nothing changed.
    """
    counts = [each.counts for each in changes if each.counts]
    skus = [sku for each in changes for sku in each.moved]
    skus += {each.sku for each in moved}
    left = [units for each in changes for units in each.left] + list(moved)
    if not (left or counts or skus):
        return tx.mirror.version
    version = tx.draw().known
    loads = None
    if any(each.loads for each in changes):
        loads = read_loads(tx.session, tx.mirror.places, utc_day(tx.now))
    if network is None:
        ((network, _),) = tx.session.rows(VERSIONS)
    _follow(store, tx, left, version, network, added=counts, moved=skus, loads=loads)
    return version


def _follow(
    store: Store,
    tx: Write,
    left: Sequence[UnitsDelta],
    version: int,
    network: int,
    *,
    added: Sequence[Added] = (),
    moved: Collection[str] = (),
    loads: Loads | None = None,
) -> None:
    """Let memory follow a commit made while the network had this version."""

    def follow() -> None:
        fits = tx.mirror.set(
            left, version, network=network, added=added, moved=moved, loads=loads
        )
        if not fits:
            store.news()

    tx.follow = follow


def repair(store: Store, tx: Write) -> AuditReport:
    """Set balances to what the movements add up to; see `Ledger.audit`."""
    report = repair_drifts(tx.session, tx.now)
    if report.drifts:
        version = tx.draw().known
        store.announce_repair(tx.session)
        tx.follow = lambda: store.load(version)
    return report


def share_network(session: Session) -> int:
    """Return the network's version; no zone opens or closes until the commit."""
    ((network, _),) = session.rows(SHARE_NETWORK)
    return int(network)
