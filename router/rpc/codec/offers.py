"""What a channel may be promised: one SKU in a message, many in columns."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from availability.errors import Violation
from availability.model import BoolArray, IntArray, Sku
from availability.offers.bulk.arrays import NOT_GIVEN, UNLIMITED, Offers
from availability.offers.offer import Status
from availability.v1 import availability_service_pb2
from router.rpc.codec.enums import OFFER_STATUS_TO_WIRE, no_member
from router.rpc.codec.lists import at_most

MAX_FIELDS = 100
"""Most columns that are asked for, so many of them twice."""

HIDDEN = availability_service_pb2.AVAILABILITY_FLAG_HIDDEN
UNKNOWN = availability_service_pb2.AVAILABILITY_FLAG_UNKNOWN
FIXED = availability_service_pb2.AVAILABILITY_FLAG_FIXED
BACKORDER_NOTICE = availability_service_pb2.AVAILABILITY_FLAG_BACKORDER_NOTICE
NO_SUCH_SKU = availability_service_pb2.AVAILABILITY_FLAG_NO_SUCH_SKU
NOT_COUNTED = availability_service_pb2.AVAILABILITY_FLAG_NOT_COUNTED
DECLARED = availability_service_pb2.AVAILABILITY_FLAG_DECLARED

MAX_ORDERABLE = availability_service_pb2.AVAILABILITY_FIELD_MAX_ORDERABLE
SINGLE_LOCATION = availability_service_pb2.AVAILABILITY_FIELD_SINGLE_LOCATION
NET = availability_service_pb2.AVAILABILITY_FIELD_NET

ALL_FIELDS = frozenset((MAX_ORDERABLE, SINGLE_LOCATION, NET))
_AVAILABLE = OFFER_STATUS_TO_WIRE[Status.AVAILABLE]
_STATUS_NUMBERS = np.array([OFFER_STATUS_TO_WIRE[each] for each in Status], np.int8)

ByteArray = npt.NDArray[np.int8]

Fields = Collection["availability_service_pb2.AvailabilityField.ValueType"]
"""The columns that are not sent unless they are asked for."""


class Rows(NamedTuple):
    """What a channel may be promised of some SKUs: (S,) each, as on the wire.

    Units are UNLIMITED where nothing bounds them. ``statuses`` are the contract's
    numbers, ``flags`` sums of its flags, ``from_seconds`` 0 where there is no date.
    ``net_units`` is 0 where the flag NOT_COUNTED is set.
    """

    quantity_units: IntArray
    statuses: ByteArray
    flags: ByteArray
    max_orderable_units: IntArray
    single_location_units: IntArray
    from_seconds: IntArray
    net_units: IntArray

    @property
    def size(self) -> int:
        """How many SKUs."""
        return len(self.quantity_units)

    def take(self, places: "IntArray | slice") -> "Rows":
        """Return some of the rows."""
        return Rows(
            self.quantity_units[places],
            self.statuses[places],
            self.flags[places],
            self.max_orderable_units[places],
            self.single_location_units[places],
            self.from_seconds[places],
            self.net_units[places],
        )

    def sent_flags(self, fields: Fields) -> ByteArray:
        """Return the flags as they are sent with these columns.

        NOT_COUNTED and DECLARED go with the net alone: clients that do not ask for it
        get the same bytes, and no row because of a flag that they do not get.
        """
        if NET in fields:
            return self.flags
        return self.flags & ~np.int8(NOT_COUNTED | DECLARED)


def rows_of(offers: Offers, channel: int, known_skus: BoolArray) -> Rows:
    """Return one channel's offers; ``known_skus`` is (S,)."""
    flags = (
        np.where(offers.published[channel], 0, HIDDEN)
        | np.where(offers.known[channel], 0, UNKNOWN)
        | np.where(offers.fixed[channel], FIXED, 0)
        | np.where(offers.backorder_notice[channel], BACKORDER_NOTICE, 0)
        | np.where(known_skus, 0, NO_SUCH_SKU)
        | np.where(offers.counted[channel], 0, NOT_COUNTED)
        | np.where(offers.declared[channel], DECLARED, 0)
    )
    from_seconds = offers.available_from_seconds[channel]
    return Rows(
        offers.quantity_units[channel],
        _STATUS_NUMBERS[offers.status[channel]],
        flags.astype(np.int8),
        offers.max_orderable_units[channel],
        offers.single_location_units[channel],
        np.where(from_seconds == NOT_GIVEN, 0, from_seconds),
        offers.net_units[channel],
    )


def decode_fields(
    wire: Iterable[int], path: str, violations: list[Violation]
) -> frozenset["availability_service_pb2.AvailabilityField.ValueType"]:
    """Read which columns are asked for."""
    asked = at_most(MAX_FIELDS, list(wire), path, violations)
    violations += (
        no_member(f"{path}[{n}]", number)
        for n, number in enumerate(asked)
        if number not in ALL_FIELDS
    )
    return ALL_FIELDS.intersection(asked)


def encode_columns(
    rows: Rows, fields: Fields
) -> availability_service_pb2.AvailabilityColumns:
    """Write rows; a column that has its default in every row is left out."""
    wire = availability_service_pb2.AvailabilityColumns(row_count=rows.size)
    if rows.quantity_units.any():
        wire.quantity_units.extend(rows.quantity_units.tolist())
    if (rows.statuses != _AVAILABLE).any():
        wire.statuses.extend(rows.statuses.tolist())
    flags = rows.sent_flags(fields)
    if flags.any():
        wire.flags.extend(flags.tolist())
    for field, into, units in (
        (MAX_ORDERABLE, wire.max_orderable_units, rows.max_orderable_units),
        (SINGLE_LOCATION, wire.single_location_units, rows.single_location_units),
        (NET, wire.net_units, rows.net_units),
    ):
        if field in fields and (units != rows.quantity_units).any():
            into.extend(units.tolist())
    dated = rows.from_seconds > 0
    if dated.any():
        # From the first date on, days are two or three bytes and not five.
        base = int(rows.from_seconds[dated].min()) - 1
        wire.available_from_base_seconds = base
        wire.available_from_seconds.extend(
            np.where(dated, rows.from_seconds - base, 0).tolist()
        )
    return wire


def decode_columns(
    wire: availability_service_pb2.AvailabilityColumns,
) -> Rows:
    """Read rows: what a client of ours does.

    Columns that were not asked for are as ``quantity_units``.
    """
    count = wire.row_count
    quantity_units = _column(wire.quantity_units, np.zeros(count, np.int64))
    statuses = np.full(count, _AVAILABLE, np.int64)
    from_seconds = _column(wire.available_from_seconds, np.zeros(count, np.int64))
    return Rows(
        quantity_units,
        _column(wire.statuses, statuses).astype(np.int8),
        _column(wire.flags, np.zeros(count, np.int64)).astype(np.int8),
        _column(wire.max_orderable_units, quantity_units),
        _column(wire.single_location_units, quantity_units),
        np.where(from_seconds > 0, from_seconds + wire.available_from_base_seconds, 0),
        _column(wire.net_units, quantity_units),
    )


def _column(values: Collection[int], default: IntArray) -> IntArray:
    return np.array(values, np.int64) if values else default


def encode_chunk(rows: Rows, fields: Fields, version: int) -> bytes:
    """Return the bytes of a ``BatchGetAvailabilityResponse``."""
    chunk = availability_service_pb2.BatchGetAvailabilityResponse(
        columns=encode_columns(rows, fields), stock_version=version
    )
    return chunk.SerializeToString(deterministic=True)


def encode_row(
    rows: Rows, row: int, channel_id: str, sku: str, version: int
) -> availability_service_pb2.Availability:
    """Write one row as a message of its own."""
    quantity, status, flags, most, single, from_seconds, _ = (
        int(column[row]) for column in rows
    )
    wire = availability_service_pb2.Availability(
        channel_id=channel_id,
        sku=sku,
        quantity_units=_bounded(quantity),
        unlimited=quantity == UNLIMITED,
        status=availability_service_pb2.AvailabilityStatus.ValueType(status),
        published=not flags & HIDDEN,
        known=not flags & UNKNOWN,
        fixed=bool(flags & FIXED),
        max_orderable_units=_bounded(most),
        single_location_units=_bounded(single),
        backorder_notice=bool(flags & BACKORDER_NOTICE),
        no_such_sku=bool(flags & NO_SUCH_SKU),
        stock_version=version,
    )
    if from_seconds:
        wire.available_from_time.FromSeconds(from_seconds)
    return wire


def _bounded(units: int) -> int | None:
    return None if units == UNLIMITED else units


def encode_get(rows: Rows, channel_id: str, sku: str, version: int) -> bytes:
    """Return the bytes of a ``GetAvailabilityResponse``, of the only row."""
    reply = availability_service_pb2.GetAvailabilityResponse(
        availability=encode_row(rows, 0, channel_id, sku, version)
    )
    return reply.SerializeToString(deterministic=True)


def encode_watched(skus: Iterable[Sku], rows: Rows, fields: Fields) -> bytes:
    """Return the beginning of a ``WatchAvailabilityResponse``: some rows."""
    batch = availability_service_pb2.WatchAvailabilityResponse(
        skus=skus, columns=encode_columns(rows, fields)
    )
    return batch.SerializeToString(deterministic=True)


def encode_reached(token: str, version: int) -> bytes:
    """Return the end of a ``WatchAvailabilityResponse``, or one without rows.

    Messages written one after the other read as one.
    """
    batch = availability_service_pb2.WatchAvailabilityResponse(
        resume_token=token, stock_version=version
    )
    return batch.SerializeToString(deterministic=True)
