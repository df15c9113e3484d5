"""Log lines and progress: one live line on a terminal, else lines of text or JSON."""

from __future__ import annotations

import json
import logging
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TextIO

logger = logging.getLogger("bgmrec")

PLAIN_INTERVAL = 10.0  # seconds between two log lines of a stage, if there is no terminal for the live line


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object: time, level, message, the facts of the record and its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            entry["traceback"] = record.exc_text or self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


def configure_logging(log_format: str, stream: TextIO | None = None) -> None:
    """Writes the log of bgmrec as lines.

    Args:
        log_format: text or json.
        stream: of the lines; None: standard error.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonFormatter() if log_format == "json" else plain)
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


@dataclass
class Progress:
    """Reports long work: `update` often, `done` once.

    On a terminal updates overwrite one line. Elsewhere an update becomes a log line at most every `PLAIN_INTERVAL`
    seconds per stage; `done` always becomes one.

    Args:
        stream: of the live line.
        live: whether it is a terminal.
    """

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    live: bool = False
    _last: dict[str, float] = field(default_factory=dict)

    def update(self, stage: str, **facts: Any) -> None:
        """Reports a step of a stage.

        Args:
            stage: name of the stage.
            facts: for example round, epoch, rows, objective, seconds_left.
        """
        if self.live:
            self.stream.write(f"\r\x1b[2K{stage}: {_plain(facts)}")
            self.stream.flush()
        elif time.monotonic() - self._last.get(stage, 0.0) >= PLAIN_INTERVAL:
            self._last[stage] = time.monotonic()
            self._log(stage, facts)

    def done(self, stage: str, **facts: Any) -> None:
        """Reports the end of a stage or of one of its rounds; always a log line.

        Args:
            stage: name of the stage.
            facts: of the result.
        """
        if self.live:
            self.stream.write("\r\x1b[2K")
            self.stream.flush()
        self._log(stage, facts)

    def _log(self, stage: str, facts: dict[str, Any]) -> None:
        logger.info("%s: %s", stage, _plain(facts), extra={"facts": {"stage": stage, **facts}})


def _plain(facts: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_short(value)}" for name, value in facts.items())


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
