"""The command line: `repartir`."""

import io
import os
import sys

import typer

# gRPC itself logs to stderr, one line per failed handshake among others, with which
# strangers could fill a disk. It reads this variable when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from router.cli.audit import audit
from router.cli.demo.command import demo
from router.cli.importing.command import import_
from router.cli.offers.availability import availability
from router.cli.offers.feed import feed
from router.cli.rerouting.command import reroute
from router.cli.routing.replay import replay
from router.cli.routing.route import route
from router.cli.serving.serve import serve
from router.cli.token_ import token

app = typer.Typer(
    name="repartir",
    help="Order promising and routing: what each channel may sell, and which "
    "locations ship each order.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(route)
app.command()(reroute)
app.command()(replay)
app.command()(availability)
app.command()(feed)
app.command()(serve)
app.command("import")(import_)
app.command()(demo)
app.command()(token)
app.command()(audit)


def main() -> None:
    """Run the command named by the arguments."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Where the terminal lacks a character, a question mark beats a crash.
            stream.reconfigure(errors="replace")
    app(prog_name="repartir")
