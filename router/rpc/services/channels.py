"""`availability.v1.ChannelService`: what is said about selling."""

import bisect
import functools
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import grpc

from availability.errors import MAX_VIOLATIONS, InvalidChange, Violation
from availability.ledger.protocol import Ledger
from availability.model import Location, Request, Sku
from availability.offers.inputs import consumed
from availability.positions import Counts
from availability.setup.channels import Allocation
from availability.setup.setup import Setup, SetupChange, changed, places, settings_at
from availability.v1 import channel_service_pb2
from router.rpc.background.driver import Driver
from router.rpc.codec.lists import MAX_REPLY_BYTES, count, refuse
from router.rpc.codec.location_shape import location_breaches
from router.rpc.codec.request import (
    decode_page_size,
    decode_page_token,
    decode_request,
    encode_page_token,
)
from router.rpc.codec.setup import decode_setup_change, encode_result
from router.rpc.codec.setup_items import (
    encode_allocation,
    encode_channel,
    encode_entry,
    encode_kit,
    encode_supply,
)
from router.rpc.codec.stock import decode_location
from router.rpc.transport.interceptors import Gate, guarded
from router.rpc.transport.tokens import Scope

MAX_ITEMS = 10_000
"""Most items that one request puts and removes, locations among them."""
MAX_KINDS = 100
"""Most kinds in a filter, so many of them twice."""
DEFAULT_DEADLINE_SECONDS = 30.0
"""What a call may take whose client sets no deadline: a setup may be large."""

SERVICE = "availability.v1.ChannelService"

_KINDS = tuple(sorted(set(channel_service_pb2.SetupKind.values()) - {0}))
_CHANNEL = channel_service_pb2.SETUP_KIND_CHANNEL
_SETTINGS = channel_service_pb2.SETUP_KIND_SETTINGS
_ALLOCATION = channel_service_pb2.SETUP_KIND_ALLOCATION
_KIT = channel_service_pb2.SETUP_KIND_KIT
_SUPPLY = channel_service_pb2.SETUP_KIND_SUPPLY
_LISTS = (
    *("channels", "settings", "allocations", "kits", "supplies", "locations"),
    *("removed_channel_ids", "removed_settings", "removed_allocation_ids"),
    *("removed_kit_skus", "removed_supply_ids"),
)
"""What a request puts and removes."""

_LISTED = re.compile(r"(channels|allocations|supplies)\[(\d+)\](.*)", re.DOTALL)
"""A path of `availability.setup.checks` that names an item by its place."""

_NO_COUNTS: Mapping[str, Counts] = {}


class ChannelService:
    """Serve ``availability.v1.ChannelService``."""

    def __init__(self, ledger: Ledger, driver: Driver) -> None:
        self._ledger = ledger
        self._driver = driver
        self._index = SetupIndex(Setup())

    def generic_handler(self, gate: Gate) -> grpc.GenericRpcHandler:
        """Return what a gRPC server registers."""
        guard = functools.partial(
            guarded, gate, default_seconds=DEFAULT_DEADLINE_SECONDS
        )
        wire = channel_service_pb2
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "PutSetup": guard(wire.PutSetupRequest, self.PutSetup, Scope.STOCK),
                "ListSetup": guard(
                    wire.ListSetupRequest, self.ListSetup, Scope.STOCK | Scope.ROUTE
                ),
            },
        )

    async def PutSetup(
        self, wire: channel_service_pb2.PutSetupRequest, _deadline: float
    ) -> bytes:
        """Put and remove any mix of items in one change."""
        request, change, locations = await self._driver.bulk(lambda: read_put(wire))
        return await self._driver.write(
            lambda: put_setup(
                self._ledger, change, locations, request, dry_run=wire.dry_run
            )
        )

    async def ListSetup(
        self, wire: channel_service_pb2.ListSetupRequest, _deadline: float
    ) -> bytes:
        """List the setup, a page at a time."""
        violations: list[Violation] = []
        size = decode_page_size(wire.page_size, violations)
        place = decode_page_token(wire.page_token, 3, violations)
        after = _after(place, violations)
        count(violations, "kinds", len(wire.kinds), 0, MAX_KINDS)
        kinds = _kinds(wire.kinds[:MAX_KINDS], violations)
        refuse(violations)

        def read() -> bytes:
            setup = self._ledger.setup()
            if self._index.setup is not setup:
                self._index = SetupIndex(setup)
            page = page_of(self._index, self._ledger, kinds, after, size)
            return page.SerializeToString(deterministic=True)

        return await self._driver.bulk(read)


def put_setup(
    ledger: Ledger,
    change: SetupChange,
    locations: Sequence[Location],
    request: Request,
    *,
    dry_run: bool = False,
) -> bytes:
    """Change a ledger's setup; return the bytes of a ``PutSetupResponse``.

    Raises
    ------
    InvalidChange
        What would come out is wrong; each path as the request has the item, or by
        its key where the request does not name it.
    RequestReused
        The request id came with another body.
    """
    if dry_run:
        request = Request()  # Nothing is kept under its id, or looked for.
    try:
        return ledger.put_setup(
            change, locations, request, encode_result, dry_run=dry_run
        )
    except InvalidChange as error:
        after = changed(ledger.setup(), change)
        raise InvalidChange(_as_requested(error.violations, after, change)) from None


def _as_requested(
    violations: Sequence[Violation], after: Setup, change: SetupChange
) -> list[Violation]:
    keys = {name: list(getattr(after, name)) for name in _BY_PLACE}
    asked = {
        name: {
            key: at
            for at, key in enumerate(
                key for key, each in getattr(change, name).items() if each is not None
            )
        }
        for name in _BY_PLACE
    }
    found = []
    for each in violations:
        match = _LISTED.fullmatch(each.path)
        if match is not None and int(match[2]) < len(keys[match[1]]):
            key = keys[match[1]][int(match[2])]
            place = asked[match[1]].get(key, key)
            path = f"{match[1]}[{place}]{match[3]}"
            each = Violation(path, each.reason, each.message)
        found.append(each)
    return found


_BY_PLACE = ("channels", "allocations", "supplies")


def read_put(
    wire: channel_service_pb2.PutSetupRequest,
) -> tuple[Request, SetupChange, list[Location]]:
    """Read a request.

    Raises
    ------
    InvalidChange
        With its violations: those of every item by itself.
    """
    violations: list[Violation] = []
    request = decode_request("PutSetup", wire, wire.request_id, violations)
    named = sum(len(getattr(wire, name)) for name in _LISTS)
    if not 1 <= named <= MAX_ITEMS:
        # The first of the lists stands for all of them.
        reason = "TOO_MANY" if named else "REQUIRED"
        message = f"must be 1 to {MAX_ITEMS} items in all lists, got {named}"
        refuse([*violations, Violation(_LISTS[0], reason, message)])
    change = decode_setup_change(wire, violations)
    breaches = itertools.chain.from_iterable(
        location_breaches(each, f"locations[{index}]")
        for index, each in enumerate(wire.locations)
    )
    violations += itertools.islice(breaches, MAX_VIOLATIONS)
    refuse(violations)
    return request, change, [decode_location(each) for each in wire.locations]


class Key(NamedTuple):
    """An item of a setup: its kind, and its key in one part or two."""

    kind: int
    first: str
    second: str = ""


class SetupIndex:
    """The items of a setup in the order in which they are listed."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.keys = sorted(_keys(setup))

    def after(self, key: Key | None) -> Sequence[Key]:
        """Return all that come after one, which may be gone by now."""
        start = 0 if key is None else bisect.bisect_right(self.keys, key)
        return self.keys[start:]


def _keys(setup: Setup) -> Iterator[Key]:
    yield from (Key(_CHANNEL, key) for key in setup.channels)
    yield from (Key(_ALLOCATION, key) for key in setup.allocations)
    yield from (Key(_KIT, key) for key in setup.kits)
    yield from (Key(_SUPPLY, key) for key in setup.supplies)
    yield from (Key(_SETTINGS, *place) for place in places(setup.book))


def page_of(
    index: SetupIndex,
    ledger: Ledger,
    kinds: frozenset[int],
    after: Key | None,
    size: int,
) -> channel_service_pb2.ListSetupResponse:
    """Return a page of at most ``size`` items of some kinds."""
    setup = index.setup
    wanted = (each for each in index.after(after) if each.kind in kinds)
    keys = list(itertools.islice(wanted, size + 1))
    consuming = _Consumption(ledger, setup, keys[:size])
    page = channel_service_pb2.ListSetupResponse(setup_version=setup.version)
    # So much less, that the token and the lengths have room.
    room = MAX_REPLY_BYTES
    last = None
    for key in keys[:size]:
        room -= _add(page, setup, key, consuming)
        if room < 0 and last is not None:
            _drop_last(page, key)
            break
        last = key
    if last is not None and last != keys[-1]:
        page.next_page_token = encode_page_token([str(last.kind), *last[1:]])
    return page


def _add(
    page: channel_service_pb2.ListSetupResponse,
    setup: Setup,
    key: Key,
    consuming: "_Consumption",
) -> int:
    """Add an item; return its bytes."""
    if key.kind == _CHANNEL:
        channel = encode_channel(setup.channels[key.first])
        page.channels.append(channel)
        return channel.ByteSize()
    if key.kind == _SETTINGS:
        place = (key.first, key.second)
        settings = settings_at(setup.book, place)
        if settings is None:
            raise KeyError(place)
        entry = encode_entry(place, settings)
        page.settings.append(entry)
        return entry.ByteSize()
    if key.kind == _ALLOCATION:
        each = setup.allocations[key.first]
        allocation = encode_allocation(each, consuming.of(each))
        page.allocations.append(allocation)
        return allocation.ByteSize()
    if key.kind == _KIT:
        kit = encode_kit(Sku(key.first), setup.kits[Sku(key.first)])
        page.kits.append(kit)
        return kit.ByteSize()
    supply = encode_supply(setup.supplies[key.first])
    page.supplies.append(supply)
    return supply.ByteSize()


def _drop_last(page: channel_service_pb2.ListSetupResponse, key: Key) -> None:
    lists = (page.channels, page.settings, page.allocations, page.kits, page.supplies)
    del lists[_KINDS.index(key.kind)][-1]


class _Consumption:
    """What is consumed by now of the allocations of a page."""

    def __init__(self, ledger: Ledger, setup: Setup, keys: Sequence[Key]) -> None:
        skus = dict.fromkeys(
            setup.allocations[key.first].sku for key in keys if key.kind == _ALLOCATION
        )
        self._counts = ledger.positions(list(skus)).counts if skus else {}

    def of(self, each: Allocation) -> int:
        """Return the units consumed."""
        return consumed(each, self._counts.get(each.sku, _NO_COUNTS)).consumed_units


def _kinds(wire: Sequence[int], violations: list[Violation]) -> frozenset[int]:
    for n, number in enumerate(wire):
        if number not in _KINDS:
            reason = "UNKNOWN" if number else "REQUIRED"
            message = f"no member has the number {number}" if number else "must be set"
            violations.append(Violation(f"kinds[{n}]", reason, message))
    return frozenset(wire or _KINDS)


def _after(place: tuple[str, ...] | None, violations: list[Violation]) -> Key | None:
    if place is None:
        return None
    kind, first, second = place
    if kind in {str(each) for each in _KINDS}:
        return Key(int(kind), first, second)
    message = "must be the next_page_token of the page before"
    violations.append(Violation("page_token", "INVALID_TOKEN", message))
    return None
