"""`RoutingService.RerouteOrders`: a request, its progress and result, and stop."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from availability.errors import Violation
from router.errors import InvalidOrder
from router.rerouting.dialogue import RerouteResult
from router.rpc.background.rerouter import Rerouter
from router.rpc.codec.rerouting import decode_rerouting, encode_done, encode_step
from router.rpc.transport.interceptors import Heard
from router.v1 import routing_service_pb2

Wire = routing_service_pb2.RerouteOrdersRequest


class RerouteCalls:
    """The dialogue about re-routing."""

    def __init__(self, rerouter: Rerouter) -> None:
        self._rerouter = rerouter

    async def RerouteOrders(self, heard: Heard[Wire]) -> AsyncGenerator[bytes, None]:
        """Decide pending orders again, together."""
        first = await heard()
        if first is None or not first.HasField("rerouting"):
            message = "the first message must set rerouting"
            raise InvalidOrder([Violation("rerouting", "REQUIRED", message)])
        asked = decode_rerouting(first.rerouting)
        stop = asyncio.Event()
        listening = asyncio.ensure_future(_listen(heard, stop))
        try:
            async with aclosing(self._rerouter.run(asked, stop)) as steps:
                async for step in steps:
                    if isinstance(step, RerouteResult):
                        for message_bytes in encode_done(step):
                            yield message_bytes
                    else:
                        if listening.done():
                            listening.result()  # raises if the message was invalid
                        yield encode_step(step)
        finally:
            if not listening.cancel():
                listening.exception()  # too late to matter


async def _listen(heard: Heard[Wire], stop: asyncio.Event) -> None:
    """Wait for a stop; a client that sends no more messages lets the run go on.

    Raises
    ------
    InvalidOrder
        The message is not a stop.
    """
    while (message := await heard()) is not None:
        if not message.stop:
            text = "messages after the first must set stop to true"
            raise InvalidOrder([Violation("stop", "REQUIRED", text)])
        stop.set()
