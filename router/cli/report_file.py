"""A report's page as a file: refused before any work, written whole or not at all."""

import os
from collections.abc import Iterable
from pathlib import Path

from router.cli.quiet import SOME_FAILED, fail
from router.report.html import PicturesUnavailable, check_pictures, to_html
from router.report.model import Report


def check_target(path: Path, inputs: Iterable[Path | None]) -> None:
    """End the command if no page can be made, or written to ``path``."""
    try:
        check_pictures()
    except PicturesUnavailable as error:
        raise fail(f"--report: {error}") from None
    for each in inputs:
        both_there = each is not None and path.exists() and each.exists()
        if each is not None and both_there and path.samefile(each):
            raise fail(f"--report {path} is an input too: name another file")
    folder = path.resolve().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise fail(f"--report {path}: cannot be written")


def write_page(report: Report, path: Path) -> None:
    """Write the page of a report; end the command if that fails."""
    page = to_html(report).encode()
    target = path.resolve()
    part = target.with_name(f"{target.name}.part")
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(page)  # a pipe or a device: nothing to put in its place
            return
        try:
            part.write_bytes(page)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise fail(
            f"--report {path}: cannot be written: {error.strerror}", status=SOME_FAILED
        ) from None
