"""`availability.v1.ChannelService`: the setup of channels."""

import functools
import itertools
import re
from collections.abc import Sequence

import grpc

from availability.errors import MAX_VIOLATIONS, InvalidChange, Violation
from availability.ledger.protocol import Ledger
from availability.model import Location, Request
from availability.setup.setup import Setup, SetupChange, changed
from availability.v1 import channel_service_pb2
from router.rpc.background.driver import Driver
from router.rpc.codec.enums import no_member
from router.rpc.codec.lists import count, refuse
from router.rpc.codec.location_shape import location_breaches
from router.rpc.codec.request import (
    bad_token,
    decode_page_size,
    decode_page_token,
    decode_request,
)
from router.rpc.codec.results import encode_result
from router.rpc.codec.setup import decode_setup_change
from router.rpc.codec.stock import decode_location
from router.rpc.services.setup_pages import KINDS, Key, SetupIndex, page_of
from router.rpc.transport.gate import Gate
from router.rpc.transport.interceptors import guarded, handlers
from router.rpc.transport.tokens import Scope

MAX_ITEMS = 10_000
"""Most items that one request puts and removes, locations among them."""
MAX_KINDS = 100
"""Most kinds in a filter, so many of them twice."""
DEFAULT_DEADLINE_SECONDS = 30.0
"""What a call may take whose client sets no deadline: a setup may be large."""

SERVICE = "availability.v1.ChannelService"

_LISTS = (
    *("channels", "settings", "allocations", "kits", "supplies", "locations"),
    *("removed_channel_ids", "removed_settings", "removed_allocation_ids"),
    *("removed_kit_skus", "removed_supply_ids"),
)
"""What a request puts and removes."""

_LISTED = re.compile(r"(channels|allocations|supplies)\[(\d+)\](.*)", re.DOTALL)
"""A path of `availability.setup.checks` that names an item by its place."""


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
        writes = functools.partial(guard, scope=Scope.STOCK)
        reads = functools.partial(guard, scope=Scope.STOCK | Scope.ROUTE)
        return grpc.method_handlers_generic_handler(
            SERVICE,
            handlers(writes, wire, self.PutSetup)
            | handlers(reads, wire, self.ListSetup),
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


def _kinds(wire: Sequence[int], violations: list[Violation]) -> frozenset[int]:
    violations += (
        no_member(f"kinds[{n}]", number)
        for n, number in enumerate(wire)
        if number not in KINDS
    )
    return frozenset(wire or KINDS)


def _after(place: tuple[str, ...] | None, violations: list[Violation]) -> Key | None:
    if place is None:
        return None
    kind, first, second = place
    if kind in {str(each) for each in KINDS}:
        return Key(int(kind), first, second)
    violations.append(bad_token())
    return None
