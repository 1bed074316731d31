"""Logs: one JSON object a line, from an allow-list of fields; prompts and keys are not among them."""

import json
import logging
import sys
import time
import traceback
from datetime import UTC, datetime

# Whatever else a log call brings along is left out.
ALLOWED = frozenset(
    {
        *("route", "outcome", "status", "key", "milliseconds", "overhead_milliseconds", "error"),
        *("exchange", "version", "strategy", "where", "kind"),
        *("upstream_status", "guard", "reason", "left_out"),
    }
)

OURS = ("gateway", "guards", "rewardserve", "trimtab")
# Loggers that a part which is down, or a program that tries again and again, would let run full.
BOUNDED = ("trimtab.guards", "trimtab.changes")
MOST_PER_MINUTE = 60


class JsonLines(logging.Formatter):
    """Formats a record; an exception as its type and place only, since its text may quote a request."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields = getattr(record, "fields", {})
        line |= {name: value for name, value in fields.items() if name in ALLOWED and value is not None}
        if record.exc_info and record.exc_info[1] is not None:
            line |= place_of(record.exc_info[1])
        return json.dumps(line, default=str)


class AtMost(logging.Filter):
    """Lets so many records through in a while; the first one of the next says how many were left out."""

    def __init__(self, most: int, seconds: float = 60.0) -> None:
        super().__init__()
        self._most = most
        self._seconds = seconds
        self._since = time.monotonic()
        self._seen = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether there is room for one more."""
        if time.monotonic() - self._since >= self._seconds:
            if self._seen > self._most:
                record.fields = {**getattr(record, "fields", {}), "left_out": self._seen - self._most}
            self._since, self._seen = time.monotonic(), 0
        self._seen += 1
        return self._seen <= self._most


def place_of(error: BaseException) -> dict[str, str]:
    """An exception's type and where it came from, innermost first."""
    frames = traceback.extract_tb(error.__traceback__)[-5:]
    where = " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(frames))
    return {"kind": type(error).__name__, "where": where}


def set_up_logs(level: str) -> None:
    """Send every logger of this process to stderr in this form; called by the process that serves, once.

    The level is for our own loggers. Everybody else's begin at warnings: below that, libraries quote what they
    handle, a database's driver the very rows.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    chosen = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(handlers=[handler], level=max(chosen, logging.WARNING), force=True)
    for name in OURS:
        logging.getLogger(name).setLevel(chosen)
    for name in BOUNDED:
        logging.getLogger(name).addFilter(AtMost(MOST_PER_MINUTE))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").disabled = True  # paths may hold what clients typed
