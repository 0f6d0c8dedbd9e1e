"""A dataclass in a command's signature becomes options of the command line."""

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from router.cli.console.option_groups import with_option_groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Two options."""

    width: Annotated[int, typer.Option(help="columns")]
    height: Annotated[int, typer.Option("--rows", help="rows")] = 2


@with_option_groups
def draw(size: Size, name: Annotated[str, typer.Argument()] = "box") -> None:
    """Print what was parsed."""
    print(name, size)


APP = typer.Typer()
APP.command()(draw)


def test_fields_are_options_and_arrive_as_one_value() -> None:
    run = CliRunner().invoke(APP, ["--width", "8", "--rows", "3", "hall"])

    assert run.output == "hall Size(width=8, height=3)\n"


def test_defaults_are_those_of_the_dataclass() -> None:
    run = CliRunner().invoke(APP, ["--width", "8"])

    assert run.output == "box Size(width=8, height=2)\n"


def test_a_field_without_a_default_is_required() -> None:
    run = CliRunner().invoke(APP, [])

    assert run.exit_code == 2
    assert "--width" in run.output


def test_the_help_is_the_commands_own() -> None:
    run = CliRunner().invoke(APP, ["--help"])

    assert "Print what was parsed." in run.output
    assert "columns" in run.output
