"""Pages of a setup, as ListSetup sends them."""

import bisect
import itertools
from collections.abc import Iterator, MutableSequence, Sequence
from typing import Any, NamedTuple

from google.protobuf.message import Message

from availability.ledger.protocol import Ledger
from availability.model import Sku
from availability.offers.inputs import NO_COUNTS, consumed
from availability.setup.channels import Allocation
from availability.setup.setup import Setup, places, settings_at
from availability.v1 import channel_service_pb2
from router.rpc.codec.lists import MAX_REPLY_BYTES
from router.rpc.codec.request import encode_page_token
from router.rpc.codec.settings import encode_entry
from router.rpc.codec.setup_items import (
    encode_allocation,
    encode_channel,
    encode_kit,
    encode_supply,
)

KINDS = tuple(sorted(set(channel_service_pb2.SetupKind.values()) - {0}))
_CHANNEL = channel_service_pb2.SETUP_KIND_CHANNEL
_SETTINGS = channel_service_pb2.SETUP_KIND_SETTINGS
_ALLOCATION = channel_service_pb2.SETUP_KIND_ALLOCATION
_KIT = channel_service_pb2.SETUP_KIND_KIT
_SUPPLY = channel_service_pb2.SETUP_KIND_SUPPLY


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
            del _listed(page, key)[-1]
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
    item: Message
    if key.kind == _CHANNEL:
        item = encode_channel(setup.channels[key.first])
    elif key.kind == _SETTINGS:
        place = (key.first, key.second)
        settings = settings_at(setup.book, place)
        if settings is None:
            raise KeyError(place)
        item = encode_entry(place, settings)
    elif key.kind == _ALLOCATION:
        allocation = setup.allocations[key.first]
        item = encode_allocation(allocation, consuming.of(allocation))
    elif key.kind == _KIT:
        item = encode_kit(Sku(key.first), setup.kits[Sku(key.first)])
    else:
        item = encode_supply(setup.supplies[key.first])
    _listed(page, key).append(item)
    return item.ByteSize()


def _listed(
    page: channel_service_pb2.ListSetupResponse, key: Key
) -> MutableSequence[Any]:
    """Return the list of a page that has items of a key's kind."""
    lists = (page.channels, page.settings, page.allocations, page.kits, page.supplies)
    return lists[KINDS.index(key.kind)]


class _Consumption:
    """What is consumed by now of the allocations of a page."""

    def __init__(self, ledger: Ledger, setup: Setup, keys: Sequence[Key]) -> None:
        skus = dict.fromkeys(
            setup.allocations[key.first].sku for key in keys if key.kind == _ALLOCATION
        )
        self._counts = ledger.positions(list(skus)).counts if skus else {}

    def of(self, each: Allocation) -> int:
        """Return the units consumed."""
        return consumed(each, self._counts.get(each.sku, NO_COUNTS)).consumed_units
