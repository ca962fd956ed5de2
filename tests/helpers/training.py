"""What the tests of training share: members that are fitted in one go, their cases, and silence."""

from __future__ import annotations

from bids_stroke.core.records import Labelled
from bids_stroke.core.settings import Settings
from bids_stroke.training.cohort import Cases, make_cohort, read_cases
from bids_stroke.training.members import planned_members
from tests.helpers.units import CHANNELS, RATE, SECONDS, tiny_settings

INPUTS = {"channels": list(CHANNELS), "rate": float(RATE), "seconds": SECONDS}
POWER = {"modality": "eegemg", "network": "band_power", "inputs": INPUTS}
REGIONS = {"modality": "lesion", "network": "regions", "n_parcels": 4}
TREES = REGIONS | {"n_trees": 35}
KERNEL = REGIONS | {"n_waves": 80}
CLINICAL_MEMBER = {"modality": "clinical"}


def silent(_: str) -> None:
    """Progress that nobody reads."""


def settings_of(**members: dict[str, object]) -> Settings:
    return tiny_settings(members=members)


def cases_of(cohort: list[Labelled], member: dict[str, object]) -> Cases:
    whole = make_cohort(cohort, "fma_le")
    return read_cases(*planned_members(settings_of(x=member), whole)[0], whole)
