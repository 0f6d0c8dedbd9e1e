"""The results of writes to the stock: each has the fields of its reply."""

from dataclasses import asdict, fields
from typing import Any, TypeVar

from google.protobuf.message import Message

from availability.model import ImportResult, PutResult
from availability.setup.setup import SetupResult
from availability.v1 import channel_service_pb2, stock_service_pb2

Result = ImportResult | PutResult | SetupResult
ResultT = TypeVar("ResultT", ImportResult, PutResult, SetupResult)

_REPLIES: dict[type[Result], Any] = {
    ImportResult: stock_service_pb2.ImportStockResponse,
    PutResult: stock_service_pb2.PutLocationsResponse,
    SetupResult: channel_service_pb2.PutSetupResponse,
}


def encode_result(result: Result) -> bytes:
    """Return the bytes of a result's reply: what is sent and stored."""
    reply: Message = _REPLIES[type(result)](**asdict(result))
    return reply.SerializeToString(deterministic=True)


def decode_result(kind: type[ResultT], reply: bytes) -> ResultT:
    """Read what `encode_result` wrote."""
    return read_result(kind, _REPLIES[kind].FromString(reply))


def read_result(kind: type[ResultT], wire: Message) -> ResultT:
    """Read a reply: what a client of ours does."""
    return kind(**{each.name: getattr(wire, each.name) for each in fields(kind)})
