"""The log of a home's commands.

What belongs here: where records and warnings go. What does not: the logs of services (``app.services``).
"""

from __future__ import annotations

import logging
from io import TextIOWrapper
from pathlib import Path


def log_file(home: Path) -> Path:
    """Return the log of the commands of a home."""
    return home / "logs" / "periscope.log"


class _HomeLog(logging.FileHandler):
    """A log file that makes its folder when the first line is written."""

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        return super()._open()


def log_to_file(home: Path) -> None:
    """Send log records and warnings of every library to the log of this home rather than to the terminal."""
    handler = _HomeLog(log_file(home), encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
