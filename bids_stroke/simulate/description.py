"""The words of a synthetic dataset: descriptions of the dataset, its tables and its README."""

from __future__ import annotations

from typing import Any

import bids_stroke
from bids_stroke.simulate.eegemg import EMG_CHANNELS, TASK
from bids_stroke.simulate.table import FMA_MAX

_FUGL_MEYER = "https://doi.org/10.1177/154596802401105171"

PARTICIPANTS: dict[str, Any] = {
    "age": {"Description": "Age at the first session", "Units": "year"},
    "sex": {"Description": "Sex", "Levels": {"F": "female", "M": "male"}},
    "lesion_side": {"Description": "Side of the brain lesion", "Levels": {"L": "left", "R": "right"}},
    "affected_limb": {"Description": "Side of the affected leg", "Levels": {"L": "left", "R": "right"}},
    "stroke_type": {
        "Description": "Type of stroke",
        "Levels": {"ischemic": "ischaemic stroke", "hemorrhagic": "intracerebral haemorrhage"},
    },
    "days_since_stroke": {"Description": "Days from stroke to the first session", "Units": "day"},
    "fma_le_baseline": {
        "Description": f"Fugl-Meyer assessment of the lower limb (motor, 0-{FMA_MAX}) at the first session",
        "TermURL": _FUGL_MEYER,
    },
    "fma_le": {
        "Description": f"Fugl-Meyer assessment of the lower limb (motor, 0-{FMA_MAX}) three months after the stroke;"
        " 17 or less is a poor outcome",
        "TermURL": _FUGL_MEYER,
    },
}
SESSIONS: dict[str, Any] = {
    "days_since_stroke": {"Description": "Days from stroke to this session", "Units": "day"},
}
BEHAVIOUR: dict[str, Any] = {
    "TaskName": "fuglmeyer",
    "TaskDescription": "Fugl-Meyer assessment of the lower limb by a therapist; no scan",
    "fma_le_baseline": PARTICIPANTS["fma_le_baseline"],
}
TRUTH: dict[str, Any] = {
    "tract_load": {"Description": "Largest share of a cross-section of the corticospinal tract cut by the lesion, 0-1"},
    "tract_cut": {"Description": "Where it is cut, from 0 (medulla) to 1 (cortex)"},
    "coupling": {"Description": "Cortico-muscular coupling of the affected leg, 0-1"},
    "territory": {"Description": "Where the lesion was seeded"},
}


def dataset_description(name: str) -> dict[str, Any]:
    """``dataset_description.json`` of the raw dataset."""
    return {
        "Name": name,
        "BIDSVersion": "1.11.1",
        "DatasetType": "raw",
        "License": "CC0",
        "Authors": ["bids_stroke developers", "bids_stroke simulator"],
        "HowToAcknowledge": "Synthetic data: no acknowledgement needed.",
        "GeneratedBy": [{"Name": "bids_stroke_tools simulate", "Version": bids_stroke.__version__}],
    }


def lesions_description() -> dict[str, Any]:
    """``dataset_description.json`` of ``derivatives/lesions``."""
    return dataset_description("Synthetic lesion masks") | {
        "DatasetType": "derivative",
        "SourceDatasets": [{"URL": "../.."}],
        "DatasetLinks": {"raw": "../.."},
    }


def readme(name: str, command: str) -> str:
    """README of a synthetic dataset, with the command that made it."""
    muscles = "\n".join(f"- `{channel}`: {muscle}" for channel, muscle in EMG_CHANNELS.items())
    return f"""# {name}

Nobody's data: everything here is synthetic. It was made by

    {command}

and the same command makes the same files again.

Each synthetic patient has one anatomy (the MNI152 template, deformed) and one lesion, seen by all images: T1w,
diffusion (the corticospinal tract of the lesion's side has degenerated below it), resting-state BOLD, and EEG with leg
EMG during flexion and extension (`task-{TASK}`). Lesion masks are under `derivatives/lesions`, on the grid of the T1w
image. Some patients lack some modalities, as in life. EMG is either part of the EEG file (channels of type EMG) or a
file of its own under `emg/`, on the same clock. Of some (in the example) no scan is left: their folder holds the first
examination (`beh/`), and `derivatives/lesions` the lesion's outline in standard space. The channels of the EMG:

{muscles}

`fma_le`, the outcome in `participants.tsv`, was computed from the tract's lesion load, age and the cortico-muscular
coupling, plus noise; these causes are in `sourcedata/truth.tsv`. Whatever is found in these data says nothing about
real patients.
"""
