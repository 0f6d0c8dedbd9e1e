"""`repartir serve`: the server, until it is told to stop."""

import asyncio
import enum
import importlib.util
import sys
from pathlib import Path
from typing import Annotated

import typer

from availability.errors import StoreTooOld, StoreUnavailable
from availability.ledger.open import is_postgres, open_ledger, without_secrets
from router.cli.console.durations import duration_seconds
from router.cli.console.exits import clean_exit, fail
from router.cli.remote.defaults import DEFAULT_ADDRESS, DEFAULT_DATABASE
from router.cli.serving.logs import LogFormat, LogLevel, start_logging
from router.cli.serving.workers import (
    MAX_WORKERS,
    Supervisor,
    WorkersFailed,
    end_of_input,
    reserved_port,
)
from router.rpc.server import RpcServer, ServerOptions
from router.rpc.server import serve as serve_until_stopped
from router.rpc.transport.address import CannotListen, is_local
from router.rpc.transport.interceptors import MAX_CONCURRENT
from router.rpc.transport.tls import BadTls, Tls, read_tls
from router.rpc.transport.tokens import BadTokens, Tokens, read_tokens

READY = "repartir: serving on "
"""What stands before the address in the first line of output."""


class PricingEngine(enum.Enum):
    """What re-routing prices its orders with."""

    LOCAL = "local"
    RAY = "ray"


def serve(
    listen: Annotated[
        str, typer.Option(help="host:port (port 0: any that is free) or unix:path")
    ] = DEFAULT_ADDRESS,
    database: Annotated[
        str, typer.Option(help="where the stock is kept: sqlite:///file")
    ] = DEFAULT_DATABASE,
    pre_stop: Annotated[
        str,
        typer.Option(help="before stopping, say NOT_SERVING for so long: 0s to 60s"),
    ] = "1s",
    tls_certificate: Annotated[
        Path | None,
        typer.Option(help="serve by TLS with this certificate and its chain (PEM)"),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="the key of --tls-certificate (PEM)")
    ] = None,
    client_ca: Annotated[
        Path | None,
        typer.Option(
            help="take only clients with a certificate that one of these signed (PEM)"
        ),
    ] = None,
    tokens: Annotated[
        Path | None,
        typer.Option(help="ask for bearer tokens: a file made with `repartir token`"),
    ] = None,
    insecure_tokens: Annotated[
        bool,
        typer.Option(
            "--insecure-tokens",
            help="take tokens without TLS from other machines: whoever sees the "
            "traffic has them",
        ),
    ] = False,
    reflection: Annotated[
        bool,
        typer.Option(
            "--reflection",
            help="with --tokens: serve gRPC reflection to tokens with scope admin; "
            "without --tokens it is always served, to anyone",
        ),
    ] = False,
    max_concurrent: Annotated[
        int,
        typer.Option(help="most calls answered at once; more are refused", min=1),
    ] = MAX_CONCURRENT,
    metrics: Annotated[
        str | None,
        typer.Option(help="host:port where Prometheus may ask, for anybody to read"),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            help="server processes on the one port; they need a postgresql:// database",
            min=1,
            max=MAX_WORKERS,
        ),
    ] = 1,
    worker: Annotated[int | None, typer.Option(hidden=True)] = None,
    engine: Annotated[
        PricingEngine, typer.Option(help="what re-routing prices its orders with")
    ] = PricingEngine.LOCAL,
    ray_address: Annotated[
        str | None,
        typer.Option(help="with --engine ray: the cluster's host:port, or auto"),
    ] = None,
    fill_queue: Annotated[
        bool, typer.Option(help="give orders that wait their stock as it comes")
    ] = True,
    drain_inactive: Annotated[
        bool, typer.Option(help="move orders from locations that are made inactive")
    ] = True,
    log_level: Annotated[
        LogLevel, typer.Option(help="the least that is logged, to stderr")
    ] = LogLevel.INFO,
    log_format: Annotated[
        LogFormat, typer.Option(help="auto: text on a terminal, else JSON lines")
    ] = LogFormat.AUTO,
) -> None:
    """Serve the API over gRPC until SIGTERM or Ctrl-C, then finish what is open.

    The first line of output says the address, once calls are taken.
    """
    with clean_exit():
        options = ServerOptions(
            address=listen,
            pre_stop_seconds=duration_seconds("--pre-stop", pre_stop, 0.0, 60.0),
            tls=_tls(tls_certificate, tls_key, client_ca),
            tokens=None if tokens is None else _tokens(tokens),
            reflection=reflection,
            max_concurrent_rpcs=max_concurrent,
            metrics_address=_metrics_of(metrics, worker),
            reuse_port=worker is not None,
            ray_address=_ray_address(engine, ray_address),
            fill_queue=fill_queue,
            drain_inactive=drain_inactive,
        )
        if options.tokens and not (options.tls or insecure_tokens or is_local(listen)):
            raise fail(
                "--tokens without TLS: whoever sees the traffic has them; give "
                "--tls-certificate, or --insecure-tokens if the network is safe"
            )
        start_logging(log_level, log_format)
        if workers > 1:
            _supervise(database, options, workers)
        else:
            _run(database, options, worker)


def _ray_address(engine: PricingEngine, address: str | None) -> str | None:
    if (engine is PricingEngine.RAY) != (address is not None):
        raise fail("--engine ray and --ray-address go together")
    if address is not None and importlib.util.find_spec("ray") is None:
        raise fail("--engine ray needs an extra: pip install 'repartir[ray]'")
    return address


def _run(database: str, options: ServerOptions, worker: int | None) -> None:
    shown = without_secrets(database)

    def ready(server: RpcServer) -> None:
        typer.echo(f"{READY}{server.address}, stock in {shown}")

    async def run() -> None:
        until = None if worker is None else end_of_input()
        await serve_until_stopped(ledger, options, ready, until)

    try:
        ledger = open_ledger(database)
        asyncio.run(run())
    except (ValueError, StoreTooOld, StoreUnavailable) as error:
        raise fail(f"--database {shown}: {error}") from None
    except CannotListen as error:
        option = "--listen"
        if error.address == options.metrics_address != options.address:
            option = "--metrics"
        raise fail(f"{error}: choose another with {option}") from None


def _supervise(database: str, options: ServerOptions, workers: int) -> None:
    """Run several of this very command, each as one worker."""
    shown = without_secrets(database)
    if not is_postgres(database):
        raise fail(
            f"--workers {workers}: an SQLite file has one process at a time; several "
            "share a postgresql:// database"
        )
    try:
        with reserved_port(options.address) as address:

            def arguments(n: int) -> list[str]:
                # What comes last counts.
                mine = ("--listen", address, "--workers", "1", "--worker", str(n))
                return [*sys.argv[1:], *mine]

            def ready() -> None:
                many = f"{workers} workers"
                typer.echo(f"{READY}{address}, stock in {shown}, {many}")
                sys.stdout.flush()

            asyncio.run(Supervisor(arguments, workers, READY).run(ready))
    except CannotListen as error:
        raise fail(f"{error}: choose another with --listen") from None
    except WorkersFailed as error:
        raise fail(str(error), status=error.status) from None


def _metrics_of(address: str | None, worker: int | None) -> str | None:
    """Return a worker's own address for metrics: the ports count up."""
    if address is None or worker is None:
        return address
    host, _, port = address.rpartition(":")
    return f"{host}:{int(port) + worker}" if port.isdecimal() else address


def _tls(certificate: Path | None, key: Path | None, ca: Path | None) -> Tls | None:
    if certificate is None and key is None:
        if ca is not None:
            raise fail("--client-ca needs --tls-certificate and --tls-key")
        return None
    if certificate is None or key is None:
        raise fail("--tls-certificate and --tls-key go together")
    try:
        return read_tls(certificate, key, ca)
    except BadTls as error:
        raise fail(str(error)) from None


def _tokens(path: Path) -> Tokens:
    try:
        return read_tokens(path)
    except BadTokens as error:
        raise fail(*(f"--tokens {each}" for each in error.lines)) from None
