"""The process's own log: the form of a line, and the request it belongs to."""

from __future__ import annotations

import datetime
import logging
from contextvars import ContextVar
from typing import Any, Final

import orjson

from app.settings import LogFormat, Settings

LOGGERS: Final = ("app", "indexer", "uvicorn", "uvicorn.access")
"""The loggers that write at the level set; others write warnings only."""

REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
"""The id of the request being answered, also in the threads that work for it."""


def now() -> str:
    """The current time in UTC as RFC 3339, to the millisecond."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


class JsonFormatter(logging.Formatter):
    """A JSON object on one line, whatever the message contains."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger, message; the request's id and the traceback where there are any."""
        line: dict[str, Any] = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage().encode("utf-8", "backslashreplace").decode(),
        }
        if request_id := REQUEST_ID.get():
            line["request_id"] = request_id
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            line["exception"] = trace.encode("utf-8", "backslashreplace").decode()
        return orjson.dumps(line).decode()


def logging_config(settings: Settings) -> dict[str, Any]:
    """The configuration for logging.config: everything to standard error, in the format set."""
    level = settings.log_level.upper()
    text = {"()": "uvicorn.logging.DefaultFormatter", "fmt": "%(levelprefix)s %(message)s"}
    json = {"()": JsonFormatter}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": json if settings.log_format is LogFormat.JSON else text},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": "line",
            }
        },
        "loggers": {
            # A handler for uvicorn.access itself: uvicorn writes to it only if it has one.
            name: {
                "handlers": ["stderr"],
                "level": level,
                "propagate": not name.startswith("uvicorn"),
            }
            for name in LOGGERS
        },
    }
