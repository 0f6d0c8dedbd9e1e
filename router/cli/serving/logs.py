"""The server's log on stderr: JSON lines for machines, text for a terminal.

Modules log with the standard library and pass fields as ``extra``; this module
formats them, for the whole process.
"""

import enum
import logging
import sys
from typing import TextIO

import structlog


class LogLevel(enum.StrEnum):
    """Lowest level to log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(enum.StrEnum):
    """How a record is written."""

    AUTO = "auto"
    JSON = "json"
    TEXT = "text"


def start_logging(
    level: LogLevel, form: LogFormat, stream: TextIO | None = None
) -> None:
    """Log to one stream, stderr if unset."""
    stream = stream or sys.stderr
    if form is LogFormat.AUTO:
        form = LogFormat.TEXT if stream.isatty() else LogFormat.JSON
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(form, colors=stream.isatty()))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # At DEBUG it logs every poll.
    logging.getLogger("asyncio").setLevel(max(logging.INFO, logging.root.level))


def formatter(form: LogFormat, *, colors: bool = False) -> logging.Formatter:
    """Return a formatter: one line with message, fields, time, level and logger."""
    last: list[structlog.typing.Processor]
    if form is LogFormat.JSON:
        last = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    else:
        # The default prints local variables of every frame: orders, tokens, keys.
        plain = structlog.dev.plain_traceback
        last = [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.ExtraAdder(),
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
