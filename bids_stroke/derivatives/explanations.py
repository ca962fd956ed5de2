"""Where the networks of a prediction looked, in numbers, as a table holds it: one row for each network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_stroke.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

NOT_AUDITED, PASSED, FAILED = "not audited", "passed", "failed"


@dataclass(frozen=True)
class NetworkExplanation:
    """One network's row; shares are None where they cannot be told.

    Attributes
    ----------
    member, modality, network : str
        Whose network it is, what it reads, and what it is.
    weight : float
        In the prediction.
    method : str
        ``Grad-CAM`` or ``integrated gradients``.
    lesion, tract, ipsilesional, contralesional, left, right, outside_brain : float or None
        Share of the evidence there.
    strongest : str
        Of a recording: channels and bands that move the network most.
    audit, faults : str
        NOT_AUDITED, PASSED or FAILED; and why.
    figure : str
        Name of the picture, in the unit's folder of figures; empty where the network found nothing to show.
    """

    member: str
    modality: str
    network: str
    weight: float
    method: str
    lesion: float | None = None
    tract: float | None = None
    ipsilesional: float | None = None
    contralesional: float | None = None
    left: float | None = None
    right: float | None = None
    outside_brain: float | None = None
    strongest: str = ""
    audit: str = NOT_AUDITED
    faults: str = ""
    figure: str = ""


COLUMNS: Mapping[str, str] = {
    "member": "Member of the ensemble",
    "modality": "What it reads",
    "network": "Its network",
    "weight": "Its weight in the prediction",
    "method": "Grad-CAM: evidence for a poor outcome by place; integrated gradients: by channel and band",
    "lesion": "Share of the evidence in the lesion",
    "tract": "Share of the evidence in the corticospinal tract of either side",
    "ipsilesional": "Share of the evidence in the affected hemisphere",
    "contralesional": "Share of the evidence in the other hemisphere",
    "left": "Share of the evidence in the left hemisphere",
    "right": "Share of the evidence in the right hemisphere",
    "outside_brain": "Share of the evidence outside the standard brain",
    "strongest": "Channels and bands that move the network's logit most",
    "audit": "What was found at the training: passed (nothing against such maps), failed, or not audited",
    "faults": "What was found against such maps",
    "figure": "The picture, in the folder figures",
}
"""What each column tells."""


def explanation_table(rows: Sequence[NetworkExplanation]) -> pd.DataFrame:
    """The rows as a table; what cannot be told, and empty texts, are missing values."""
    import pandas as pd

    return pd.DataFrame([asdict(row) for row in rows], columns=list(COLUMNS)).replace("", None)


def read_explanations(path: Path) -> tuple[NetworkExplanation, ...]:
    """The rows of a table.

    Raises
    ------
    InputError
        The file is no such table.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, sep="\t", na_values="n/a", keep_default_na=False, dtype=str)
        return tuple(_row(record) for record in table.to_dict("records"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no table of explanations: {error}.", "Run the participant level again.") from error


def _row(record: Mapping[Any, Any]) -> NetworkExplanation:
    texts = {field.name for field in fields(NetworkExplanation) if field.type == "str"}
    known: dict[str, Any] = {
        key: value if key in texts else float(value) for key, value in record.items() if isinstance(value, str)
    }
    return NetworkExplanation(**known)
