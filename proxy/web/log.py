"""The program's log: for people on a terminal, as JSON elsewhere; written by a thread, not by the loop.

Whatever reaches it, names from outside included, becomes one line of printable text (E22): control
characters, ANSI sequences and bidi marks are escaped in both forms. Credentials never get here (law 9).
"""

import logging
import queue
import sys
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from typing import TextIO

import orjson

from proxy.config.settings import Log
from proxy.web.text import escape_line

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


def is_json(settings: Log, stream: TextIO) -> bool:
    """Return whether lines to the stream are JSON: as configured, or where nobody watches a terminal."""
    return settings.format == "json" or (settings.format == "auto" and not stream.isatty())


def set_level(settings: Log) -> None:
    """Log from the configured level on."""
    logging.getLogger().setLevel(_LEVELS[settings.level.lower()])


class LogPipe:
    """The configured log; `close` writes what waits."""

    def __init__(self, settings: Log, stream: TextIO = sys.stderr) -> None:
        target = logging.StreamHandler(stream)
        target.setFormatter(JsonLines() if is_json(settings, stream) else TextLines())
        waiting: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        self._handler = _Prepared(waiting)
        self._listener = QueueListener(waiting, target)
        root = logging.getLogger()
        root.addHandler(self._handler)
        set_level(settings)
        self._listener.start()

    def close(self) -> None:
        logging.getLogger().removeHandler(self._handler)
        self._listener.stop()


class _Prepared(QueueHandler):
    """Hands records on with their message and traceback made into text, in the thread that logged."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        record.message = record.getMessage()
        if record.exc_info and not record.exc_text:
            record.exc_text = _plain.formatException(record.exc_info)
        record.msg, record.args, record.exc_info = record.message, None, None
        return record


_plain = logging.Formatter()


class TextLines(logging.Formatter):
    """`2026-11-20T12:00:00.000Z warning proxy.web: text`, a traceback as further lines of the same record, indented."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{_at(record)} {record.levelname.lower()} {record.name}: {escape_line(record.getMessage())}"
        trace = _trace(record)
        return line if trace is None else "\n  ".join([line, *map(escape_line, trace.splitlines())])


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "ts": _at(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": escape_line(record.getMessage()),
        }
        trace = _trace(record)
        if trace is not None:
            fields["trace"] = "\n".join(map(escape_line, trace.splitlines()))
        return orjson.dumps(fields).decode()


def _at(record: logging.LogRecord) -> str:
    """Return the time in the form that the access log has: UTC to the millisecond, with a Z."""
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return at.replace("+00:00", "Z")


def _trace(record: logging.LogRecord) -> str | None:
    if record.exc_text:
        return record.exc_text
    return _plain.formatException(record.exc_info) if record.exc_info else None
