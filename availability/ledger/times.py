"""Instants and days as the ledger stores them."""

DAY_SECONDS = 86_400
"""A UTC day, as capacities count it."""


def utc_day(seconds: float) -> int:
    """Return the UTC day of a time, in days since 1970-01-01."""
    return int(seconds // DAY_SECONDS)


def milliseconds(seconds: float) -> int:
    """Return a time as the tables have it."""
    return int(seconds * 1_000)
