"""A report's page as a file."""

from collections.abc import Iterable
from pathlib import Path

from router.cli.console.exits import fail
from router.cli.console.whole_file import check_writable, write_whole
from router.report.html import PicturesUnavailable, check_pictures, to_html
from router.report.model import Report

_OPTION = "--report"


def check_target(path: Path, inputs: Iterable[Path | None]) -> None:
    """End the command if a page cannot be made or written to ``path``."""
    try:
        check_pictures()
    except PicturesUnavailable as error:
        raise fail(f"{_OPTION}: {error}") from None
    check_writable(_OPTION, path, inputs)


def write_page(report: Report, path: Path) -> None:
    """Write the page of a report; end the command if that fails."""
    write_whole(_OPTION, path, to_html(report).encode())
