"""`repartir serve`: the server, until a signal stops it."""

import asyncio
import enum
import importlib.util
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from availability.errors import StoreTooOld, StoreUnavailable
from availability.ledger.open import is_postgres, open_ledger, without_secrets
from router.cli.console.durations import duration_seconds
from router.cli.console.exits import clean_exit, fail
from router.cli.console.option_groups import with_option_groups
from router.cli.remote.defaults import DEFAULT_ADDRESS, DEFAULT_DATABASE
from router.cli.serving.logs import LogFormat, LogLevel, start_logging
from router.cli.serving.workers import (
    MAX_WORKERS,
    Supervisor,
    WorkersFailed,
    end_of_input,
    reserved_port,
)
from router.rpc.process import serve as serve_until_stopped
from router.rpc.server import RpcServer, ServerOptions
from router.rpc.transport.address import CannotListen, is_local
from router.rpc.transport.gate import MAX_CONCURRENT
from router.rpc.transport.tls import BadTls, Tls, read_tls
from router.rpc.transport.tokens import BadTokens, Tokens, read_tokens

READY = "repartir: serving on "
"""The start of the first line of output, before the address."""
_security = partial(typer.Option, rich_help_panel="TLS and tokens")
_rerouting = partial(typer.Option, rich_help_panel="Re-routing")


class PricingEngine(enum.Enum):
    """What prices the orders of a re-routing."""

    LOCAL = "local"
    RAY = "ray"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityOptions:
    """TLS and tokens."""

    tls_certificate: Annotated[
        Path | None,
        _security(help="serve by TLS with this certificate and its chain (PEM)"),
    ] = None
    tls_key: Annotated[
        Path | None, _security(help="key of --tls-certificate (PEM)")
    ] = None
    client_ca: Annotated[
        Path | None,
        _security(
            help="require client certificates signed by one of these authorities (PEM)"
        ),
    ] = None
    tokens: Annotated[
        Path | None,
        _security(help="require bearer tokens: a file made with `repartir token`"),
    ] = None
    insecure_tokens: Annotated[
        bool,
        _security(
            "--insecure-tokens",
            help="accept tokens without TLS from other machines: anyone who can read "
            "the traffic can use them",
        ),
    ] = False
    reflection: Annotated[
        bool,
        _security(
            "--reflection",
            help="with --tokens: serve gRPC reflection to tokens with scope admin; "
            "without --tokens it is always served, to anyone",
        ),
    ] = False

    def tls(self) -> Tls | None:
        """Return what the files contain; end the command if they are unusable."""
        if self.tls_certificate is None and self.tls_key is None:
            if self.client_ca is not None:
                raise fail("--client-ca needs --tls-certificate and --tls-key")
            return None
        if self.tls_certificate is None or self.tls_key is None:
            raise fail("--tls-certificate and --tls-key go together")
        try:
            return read_tls(self.tls_certificate, self.tls_key, self.client_ca)
        except BadTls as error:
            raise fail(str(error)) from None

    def accepted_tokens(self, listen: str) -> Tokens | None:
        """Return the tokens; end the command if they cannot or should not be used."""
        if self.tokens is None:
            return None
        try:
            tokens = read_tokens(self.tokens)
        except BadTokens as error:
            raise fail(*(f"--tokens {each}" for each in error.lines)) from None
        if not (self.tls_certificate or self.insecure_tokens or is_local(listen)):
            raise fail(
                "--tokens without TLS: anyone who can read the traffic can use them; "
                "give --tls-certificate, or --insecure-tokens on a trusted network"
            )
        return tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class ReroutingOptions:
    """Re-routing by the server."""

    engine: Annotated[
        PricingEngine, _rerouting(help="what prices the orders of a re-routing")
    ] = PricingEngine.LOCAL
    ray_address: Annotated[
        str | None,
        _rerouting(metavar="HOST:PORT", help="with --engine ray: the cluster, or auto"),
    ] = None
    fill_queue: Annotated[
        bool, _rerouting(help="assign stock to queued orders as it arrives")
    ] = True
    drain_inactive: Annotated[
        bool, _rerouting(help="move orders away from locations that become inactive")
    ] = True

    def checked_ray_address(self) -> str | None:
        """Return the cluster's address; end the command if it cannot be used."""
        if (self.engine is PricingEngine.RAY) != (self.ray_address is not None):
            raise fail("--engine ray and --ray-address go together")
        if self.ray_address is not None and importlib.util.find_spec("ray") is None:
            raise fail("--engine ray needs an extra: pip install 'repartir[ray]'")
        return self.ray_address


@with_option_groups
def serve(
    security: SecurityOptions,
    rerouting: ReroutingOptions,
    listen: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="host:port (port 0: any free port) or unix:path"
        ),
    ] = DEFAULT_ADDRESS,
    database: Annotated[
        str,
        typer.Option(
            metavar="URL", help="the stock: sqlite:///FILE or postgresql://..."
        ),
    ] = DEFAULT_DATABASE,
    workers: Annotated[
        int,
        typer.Option(
            help="server processes sharing the port; needs a postgresql:// database",
            min=1,
            max=MAX_WORKERS,
        ),
    ] = 1,
    worker: Annotated[int | None, typer.Option(hidden=True)] = None,
    max_concurrent: Annotated[
        int,
        typer.Option(help="maximum number of calls at once; more are refused", min=1),
    ] = MAX_CONCURRENT,
    pre_stop: Annotated[
        str,
        typer.Option(
            metavar="DURATION",
            help="how long to report NOT_SERVING before stopping, 0s to 60s",
        ),
    ] = "1s",
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="serve Prometheus metrics there, to anyone"
        ),
    ] = None,
    log_level: Annotated[
        LogLevel, typer.Option(help="lowest level to log, on stderr")
    ] = LogLevel.INFO,
    log_format: Annotated[
        LogFormat, typer.Option(help="auto: text on a terminal, otherwise JSON lines")
    ] = LogFormat.AUTO,
) -> None:
    """Serve the API over gRPC until SIGTERM or Ctrl-C, then finish open calls.

    Once the server is ready, the first line of output names its address.
    """
    with clean_exit():
        options = ServerOptions(
            address=listen,
            pre_stop_seconds=duration_seconds("--pre-stop", pre_stop, 0.0, 60.0),
            tls=security.tls(),
            tokens=security.accepted_tokens(listen),
            reflection=security.reflection,
            max_concurrent_rpcs=max_concurrent,
            metrics_address=_metrics_of(metrics, worker),
            reuse_port=worker is not None,
            ray_address=rerouting.checked_ray_address(),
            fill_queue=rerouting.fill_queue,
            drain_inactive=rerouting.drain_inactive,
        )
        start_logging(log_level, log_format)
        if workers > 1:
            _supervise(database, options, workers)
        else:
            _run(database, options, worker)


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
    """Run this command several times, each as one worker."""
    shown = without_secrets(database)
    if not is_postgres(database):
        raise fail(
            f"--workers {workers} needs a postgresql:// database: an SQLite file "
            "serves one process"
        )
    try:
        with reserved_port(options.address) as address:

            def arguments(n: int) -> list[str]:
                # The last of repeated options wins.
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
