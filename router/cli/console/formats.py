"""How a command prints its answer."""

import enum


class OutputFormat(enum.Enum):
    """A table for people, or JSON for programs."""

    TABLE = "table"
    JSON = "json"
