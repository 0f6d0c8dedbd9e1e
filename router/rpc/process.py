"""The process of a server: its interpreter, its signals, and its end."""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Awaitable, Callable

from availability.ledger.protocol import Ledger
from router.rpc.server import RpcServer, ServerOptions, build_server

SWITCH_SECONDS = 0.0005
"""How long a thread may keep the interpreter while another waits for it: the
thread that writes must get on with its commit next to a busy event loop."""
COLLECT_AFTER = 50_000
"""Objects made before the garbage collector looks for cycles; a call makes a few
hundred and leaves none."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = logging.getLogger(__name__)


def tune_interpreter() -> None:
    """Tune the interpreter of a process that only serves."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(COLLECT_AFTER)
    # What is loaded by now stays: the collector need not visit it again.
    gc.freeze()


async def serve(
    ledger: Ledger,
    options: ServerOptions,
    on_ready: Callable[[RpcServer], None] = lambda _: None,
    until: Awaitable[None] | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or the end of ``until``; drain, close the ledger.

    A second signal ends it at once. ``on_ready`` is called once it takes calls.

    Raises
    ------
    CannotListen
        The address is taken or invalid.
    """
    loop = asyncio.get_running_loop()
    tune_interpreter()
    try:
        server = build_server(ledger, options)
        asked = asyncio.Event()

        def on_signal() -> None:
            if asked.is_set():
                server.hurry()
            asked.set()

        async def watch(end: Awaitable[None]) -> None:
            await end
            asked.set()

        watching = None if until is None else asyncio.ensure_future(watch(until))
        for number in _SIGNALS:
            loop.add_signal_handler(number, on_signal)
        try:
            await server.start()
            on_ready(server)
            _log.info("serving", extra=_described(server, options))
            await asked.wait()
        finally:
            _log.info("draining", extra={"address": server.address})
            await server.drain()
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
            if watching is not None:
                watching.cancel()
            _log.info("stopped", extra={"address": server.address})
    finally:
        ledger.close()


def _described(server: RpcServer, options: ServerOptions) -> dict[str, object]:
    tls = options.tls
    return {
        "address": server.address,
        "metrics": server.metrics_address,
        "tls": "none" if tls is None else "mutual" if tls.client_ca else "server",
        "tokens": options.tokens is not None,
        "max_concurrent": options.max_concurrent_rpcs,
    }
