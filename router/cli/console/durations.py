"""Durations and instants in options: 500ms, 2h, 2026-01-31T09:00:00Z."""

import re

from availability.imports import fields
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


def instant_seconds(option: str, text: str) -> int:
    """Return an option's instant in seconds since 1970; end the command if bad."""
    seconds = fields.instant_seconds(text)
    if seconds is None:
        raise fail(f"{option} must be like 2026-01-31T09:00:00Z, got {text!r}")
    return seconds


def _shown(seconds: float) -> str:
    """Return a duration in days if it has one, else in seconds."""
    days = seconds / _SECONDS["d"]
    return f"{days:g}d" if days >= 1 else f"{seconds:g}s"
