"""Every failure that a user can meet: one message, a remedy, an exit code and a reason code."""

from __future__ import annotations


class BidsStrokeError(Exception):
    """A failure with a cause that the user can act on.

    Parameters
    ----------
    message : str
        What is wrong, naming the file and the key.
    remedy : str
        What the user can do about it.
    reason : str, optional
        Short code for tables (``status.tsv``, ``missing`` in predictions); the class default if not given.

    Notes
    -----
    ``exit_code`` is what the command returns when this error ends the whole run. Inside a unit any of these
    errors makes that unit fail, and the run ends with 65.
    """

    exit_code = 1
    reason = "internal-error"

    def __init__(self, message: str, remedy: str = "", reason: str | None = None) -> None:
        super().__init__(message, remedy, reason)  # all three in args, so that the error survives pickling
        self.message = message
        self.remedy = remedy
        if reason is not None:
            self.reason = reason

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class UsageError(BidsStrokeError):
    """An option or argument that cannot be obeyed."""

    exit_code = 2
    reason = "usage"


class NotBidsError(BidsStrokeError):
    """BIDS_DIR is there but is not a BIDS dataset."""

    exit_code = 16
    reason = "not-bids"


class NothingSelectedError(BidsStrokeError):
    """A label or filter matches nothing."""

    exit_code = 18
    reason = "nothing-selected"


class InputError(BidsStrokeError):
    """An input (folder, file, sidecar) is missing or unreadable."""

    exit_code = 66
    reason = "unreadable-input"


class OutputError(BidsStrokeError):
    """The output or work folder cannot be written."""

    exit_code = 73
    reason = "cannot-write"


class DataError(BidsStrokeError):
    """A subject's data cannot be used: the unit fails, the others go on."""

    exit_code = 65
    reason = "bad-data"


class ModelError(BidsStrokeError):
    """A model bundle is missing, corrupt or of another version."""

    exit_code = 66
    reason = "bad-model"


class MissingModalityError(BidsStrokeError):
    """Data are there but this modality cannot be had from them (not a fault of the app): reported as missing."""

    exit_code = 65
    reason = "not-computable"


class MemoryShortageError(BidsStrokeError):
    """There is too little memory for what was asked: the unit fails, and with more memory it would not."""

    exit_code = 65
    reason = "out-of-memory"
