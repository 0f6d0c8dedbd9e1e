"""`availability.v1.AvailabilityService`: what a channel may be promised."""

import functools
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import Any, cast

import grpc

from availability.errors import Violation
from availability.model import MAX_STOCK_UNITS, Sku
from availability.v1 import availability_service_pb2
from router.rpc.background.driver import Driver
from router.rpc.background.offer_rows import OfferReader
from router.rpc.background.watch import Watches
from router.rpc.codec.explanation import RequestedUnits
from router.rpc.codec.lists import count, refuse
from router.rpc.codec.offers import (
    Fields,
    decode_fields,
    encode_chunk,
    encode_get,
)
from router.rpc.codec.request import decode_id
from router.rpc.codec.watch import decode_watch
from router.rpc.transport.gate import Gate
from router.rpc.transport.interceptors import guarded, guarded_stream, handlers
from router.rpc.transport.tokens import Scope
from router.validation.breaches import out_of_range

MAX_SKUS = 50_000
"""Most SKUs of a batch."""
CHUNK_ROWS = 10_000
"""Most rows in a message of a batch: about 50 KB, and 20 ms."""
DEFAULT_DEADLINE_SECONDS = 30.0
"""What a call may take whose client sets no deadline: a batch is a mass."""

SERVICE = "availability.v1.AvailabilityService"


class AvailabilityService:
    """Serve ``availability.v1.AvailabilityService``."""

    def __init__(self, reader: OfferReader, driver: Driver, watches: Watches) -> None:
        self._reader = reader
        self._driver = driver
        self._watches = watches

    def generic_handler(self, gate: Gate) -> grpc.GenericRpcHandler:
        """Return what a gRPC server registers."""
        settings: dict[str, Any] = {
            "scope": Scope.STOCK | Scope.ROUTE,
            "default_seconds": DEFAULT_DEADLINE_SECONDS,
        }
        guard = functools.partial(guarded, gate, **settings)
        stream = functools.partial(guarded_stream, gate, **settings)
        lasting = functools.partial(stream, lasting=True)
        wire = availability_service_pb2
        return grpc.method_handlers_generic_handler(
            SERVICE,
            handlers(guard, wire, self.GetAvailability, self.ExplainAvailability)
            | handlers(stream, wire, self.BatchGetAvailability)
            | handlers(lasting, wire, self.WatchAvailability),
        )

    async def GetAvailability(
        self, wire: availability_service_pb2.GetAvailabilityRequest, _deadline: float
    ) -> bytes:
        """Return what a channel may be promised of one SKU."""
        refuse(_place_breaches(wire.channel_id, wire.sku))
        # Cheaper than a thread: a read of memory and some arithmetic.
        rows, version = self._reader.rows(wire.channel_id, [Sku(wire.sku)])
        return encode_get(rows, wire.channel_id, wire.sku, version)

    async def BatchGetAvailability(
        self, wire: availability_service_pb2.BatchGetAvailabilityRequest
    ) -> AsyncGenerator[bytes, None]:
        """Stream the same for many SKUs."""
        violations: list[Violation] = []
        decode_id(wire.channel_id, "channel_id", violations)
        count(violations, "skus", len(wire.skus), 1, MAX_SKUS)
        fields = decode_fields(wire.fields, "fields", violations)
        refuse(violations)
        # A chunk at a time: between two of them the thread is free for others.
        for start in range(0, len(wire.skus), CHUNK_ROWS):
            skus = wire.skus[start : start + CHUNK_ROWS]
            yield await self._driver.bulk(
                functools.partial(
                    read_chunk, self._reader, wire.channel_id, skus, fields
                )
            )

    async def WatchAvailability(
        self, wire: availability_service_pb2.WatchAvailabilityRequest
    ) -> AsyncGenerator[bytes, None]:
        """Stream the current values, then every change."""
        asked = await self._driver.bulk(lambda: decode_watch(wire))
        async with aclosing(self._watches.batches(asked)) as batches:
            async for batch in batches:
                yield batch

    async def ExplainAvailability(
        self,
        wire: availability_service_pb2.ExplainAvailabilityRequest,
        _deadline: float,
    ) -> bytes:
        """Return one offer with its steps."""
        violations = _place_breaches(wire.channel_id, wire.sku)
        units = wire.request_units if wire.HasField("request_units") else None
        for name, value, least in (
            ("request_units", units, 1),
            ("bought_units", wire.bought_units, 0),
        ):
            if value is not None and not least <= value <= MAX_STOCK_UNITS:
                violations.append(out_of_range(name, least, MAX_STOCK_UNITS, value))
        refuse(violations)
        asked = RequestedUnits(units, wire.bought_units)

        def read() -> bytes:
            reply = self._reader.explanation(wire.channel_id, Sku(wire.sku), asked)
            return reply.SerializeToString(deterministic=True)

        return await self._driver.bulk(read)


def read_chunk(
    reader: OfferReader, channel_id: str, skus: Sequence[str], fields: Fields
) -> bytes:
    """Return the bytes of a ``BatchGetAvailabilityResponse``.

    Raises
    ------
    ChannelNotFound
        No channel has this id.
    """
    # Cast, because ten thousand calls of Sku would change nothing.
    rows, version = reader.rows(channel_id, cast("Sequence[Sku]", skus))
    return encode_chunk(rows, fields, version)


def read_chunks(
    reader: OfferReader, channel_id: str, skus: Sequence[str], fields: Fields
) -> Iterator[bytes]:
    """Yield the messages that a server would answer; as `read_chunk`."""
    for start in range(0, len(skus), CHUNK_ROWS):
        chunk = skus[start : start + CHUNK_ROWS]
        yield read_chunk(reader, channel_id, chunk, fields)


def _place_breaches(channel_id: str, sku: str) -> list[Violation]:
    violations: list[Violation] = []
    decode_id(channel_id, "channel_id", violations)
    decode_id(sku, "sku", violations)
    return violations
