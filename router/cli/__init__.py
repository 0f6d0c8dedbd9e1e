"""The command line: `repartir`."""

import io
import sys

import typer

from router.cli.demo import demo
from router.cli.import_ import import_
from router.cli.route import route
from router.cli.serve import serve

app = typer.Typer(
    name="repartir",
    help="Order promising and routing: which locations should ship each order.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(route)
app.command()(serve)
app.command("import")(import_)
app.command()(demo)


def main() -> None:
    """Run the command that the arguments name."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A question mark for Montréal's accent, where the terminal has none,
            # is better than no answer.
            stream.reconfigure(errors="replace")
    app(prog_name="repartir")
