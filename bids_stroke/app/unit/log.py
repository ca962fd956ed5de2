"""The log of a unit: stages, seconds, tracebacks, and the warnings of libraries."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.outputs import writing


class _LogFile(logging.FileHandler):
    """A log that the disk has no room for stays incomplete: the unit's status says what failed."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Instead of a traceback on the terminal for each line of the log."""

    def close(self) -> None:
        """Close, also where the rest of the log cannot be written."""
        with suppress(OSError):
            super().close()


@contextmanager
def unit_log(root: Path, prefix: str) -> Iterator[logging.Logger]:
    """The log of a unit, added to what is there.

    Raises
    ------
    OutputError
        It cannot be opened.
    """
    path = dataset_file(root, "log", unit=prefix)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = _LogFile(path, mode="a")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger(f"bids_stroke.{prefix}")
    log.setLevel(logging.INFO)
    log.propagate = False
    loggers = (log, logging.getLogger("py.warnings"))
    logging.captureWarnings(True)
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield log
    finally:
        logging.captureWarnings(False)
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()
