"""Durations on the command line: 500ms, 1.5s."""

import re

from router.cli.quiet import fail

_DURATION = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(ms|s)")


def duration_seconds(option: str, text: str, least: float, most: float) -> float:
    """Read a duration of an option, in seconds; end the command if it is none."""
    match = _DURATION.fullmatch(text)
    seconds = -1.0
    if match:
        seconds = float(match[1]) / (1000 if match[2] == "ms" else 1)
    if not least <= seconds <= most:
        raise fail(
            f"{option} must be {least:g}s to {most:g}s, like 500ms, got {text!r}"
        )
    return seconds
