"""Durations on the command line: 500ms, 1.5s, 2h."""

import re

from router.cli.console.exits import fail

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_DURATION = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)")


def duration_seconds(option: str, text: str, least: float, most: float) -> float:
    """Return an option's duration in seconds; end the command if it is bad."""
    match = _DURATION.fullmatch(text)
    seconds = float(match[1]) * _SECONDS[match[2]] if match else -1.0
    if not least <= seconds <= most:
        raise fail(
            f"{option} must be {_shown(least)} to {_shown(most)}, like 500ms or 2h, "
            f"got {text[:80]!r}"
        )
    return seconds


def _shown(seconds: float) -> str:
    """Return a duration in days if it has one, else in seconds."""
    days = seconds / _SECONDS["d"]
    return f"{days:g}d" if days >= 1 else f"{seconds:g}s"
