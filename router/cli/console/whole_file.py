"""A file that is written at the end: refused before any work, whole or not at all."""

import os
from collections.abc import Iterable
from pathlib import Path

from router.cli.console.exits import SOME_FAILED, fail


def check_writable(option: str, path: Path, inputs: Iterable[Path | None]) -> None:
    """End the command if ``path`` cannot be written, or is one of its inputs."""
    for each in inputs:
        both_there = each is not None and path.exists() and each.exists()
        if each is not None and both_there and path.samefile(each):
            raise fail(f"{option} {path} is an input too: name another file")
    folder = path.resolve().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise fail(f"{option} {path}: cannot be written")


def write_whole(option: str, path: Path, data: bytes) -> None:
    """Write a file; end the command if that fails."""
    target = path.resolve()
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(data)  # a pipe or a device: nothing to put in its place
            return
        part = target.with_name(f"{target.name}.part")
        try:
            part.write_bytes(data)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)  # no half of it, if the disk is full
    except OSError as error:
        raise fail(
            f"{option} {path}: cannot be written: {error.strerror}", status=SOME_FAILED
        ) from None
