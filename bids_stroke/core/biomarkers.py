"""The registry of established biomarkers: what each number of ``*_biomarkers.tsv`` is, its unit and its source.

They are computed in ``preprocess/biomarkers/``; a new one is a line here and its computation there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal

Group = Literal["lesion", "dwi", "bold", "eegemg"]
"""What a biomarker is made of: who lacks it lacks the whole group."""


@dataclass(frozen=True)
class Biomarker:
    """One number of a person.

    Parameters
    ----------
    name : str
        Column of the table.
    group : {"lesion", "dwi", "bold", "eegemg"}
        What it is made of.
    words : str
        Its name in the reports.
    definition : str
        How it is computed.
    source : str
        Who described it; empty where it needs nobody.
    unit : str
        As BIDS writes units; empty for a share or another number without one.
    limits : (float, float)
        Lowest and highest possible value.
    typical : float
        About what an adult has whom a stroke has hardly harmed, in `unit`: a round number from which networks count,
        so that a missing value is no extreme one. It is no norm: nobody is judged by it.
    """

    name: str
    group: Group
    words: str
    definition: str
    source: str
    unit: str = ""
    limits: tuple[float, float] = (0.0, 1.0)
    typical: float = 0.0


_TRACT = "Corticospinal tract of the symmetric MNI template, from the medulla to the leg area of the motor cortex"
_PLIC = "the part of the tract in the posterior limb of the internal capsule (z from -2 to 18 mm)"
_ASYMMETRY = "Difference of left and right over their sum, without its sign: 0 where both sides are alike"
_CARTER = "Carter et al. 2010, Ann Neurol 67:365 (interhemispheric connectivity after stroke)"
_FALCONER = "Falconer and Winter 1985, Electromyogr Clin Neurophysiol 25:135 (co-contraction)"
_FINNIGAN = "Finnigan et al. 2016, Clin Neurophysiol 127:1452 (EEG ratios after stroke)"
_HALLIDAY = "Halliday et al. 1995, Prog Biophys Mol Biol 64:237 (corticomuscular coherence)"
_LINDENBERG = "Lindenberg et al. 2010, Neurology 74:280 (asymmetry of the corticospinal tract)"
_PAIRWISE = "Sheorajpanday et al. 2009, Clin Neurophysiol 120:845 (pairwise derived brain symmetry index)"
_STINEAR = "Stinear et al. 2007, Brain 130:170 (asymmetry of the posterior limb of the internal capsule)"
_VAN_PUTTEN = "van Putten 2007, Clin Neurophysiol 118:2362 (revised brain symmetry index)"
_ZHU = "Zhu et al. 2010, Stroke 41:910 (lesion load of the corticospinal tract)"
_ZUO = "Zuo et al. 2010, J Neurosci 30:15034 (voxel-mirrored homotopic connectivity)"
_NUNEZ = "Nunez et al. 1997, Electroencephalogr Clin Neurophysiol 103:499 (EEG coherence)"
_HODGES = "Hodges and Bui 1996, Electroencephalogr Clin Neurophysiol 101:511 (onset of EMG by a threshold)"

_EVERY = (
    # lesion
    Biomarker(
        "lesion_volume_ml", "lesion", "lesion volume",
        "Sum of the lesion's shares of each voxel in standard space: of a brain of the template's size.",
        "", unit="ml", limits=(0.0, inf),
    ),
    Biomarker(
        "lesion_laterality", "lesion", "lesion side",
        "Volume on the left less that on the right over their sum: 1 all left, -1 all right; none of an "
        "empty mask.", "", limits=(-1.0, 1.0),
    ),
    Biomarker(
        "cst_load_left", "lesion", "corticospinal tract in the lesion, left",
        f"Share of the tract's volume on the left that the lesion covers. {_TRACT}.", _ZHU,
    ),
    Biomarker(
        "cst_load_right", "lesion", "corticospinal tract in the lesion, right",
        f"Share of the tract's volume on the right that the lesion covers. {_TRACT}.", _ZHU,
    ),
    Biomarker(
        "cst_load", "lesion", "corticospinal tract in the lesion",
        "The larger of cst_load_left and cst_load_right.", _ZHU,
    ),
    Biomarker(
        "cst_weighted_load_ml", "lesion", "corticospinal tract in the lesion, weighted",
        "Sum over axial slices of the volume of the overlap times the tract's largest cross-section over "
        "its own in that slice, because a lesion where the tract is narrow cuts more fibres; larger side. "
        f"{_TRACT}.", _ZHU, unit="ml", limits=(0.0, inf),
    ),
    Biomarker(
        "plic_load", "lesion", "internal capsule in the lesion",
        f"Share of {_PLIC} that the lesion covers; larger side. {_TRACT}.", _ZHU,
    ),
    # diffusion
    Biomarker(
        "cst_fa_left", "dwi", "FA, corticospinal tract, left",
        f"Mean of FA on the left, weighted by membership. {_TRACT}.", _LINDENBERG, typical=0.4,
    ),
    Biomarker(
        "cst_fa_right", "dwi", "FA, corticospinal tract, right",
        f"Mean of FA on the right, weighted by membership. {_TRACT}.", _LINDENBERG, typical=0.4,
    ),
    Biomarker(
        "plic_fa_left", "dwi", "FA, internal capsule, left",
        f"Mean of FA on the left, weighted by membership. {_TRACT}: {_PLIC}.", _STINEAR, typical=0.5,
    ),
    Biomarker(
        "plic_fa_right", "dwi", "FA, internal capsule, right",
        f"Mean of FA on the right, weighted by membership. {_TRACT}: {_PLIC}.", _STINEAR, typical=0.5,
    ),
    Biomarker(
        "cst_fa_asymmetry", "dwi", "FA asymmetry, corticospinal tract",
        f"{_ASYMMETRY}; weighted means of FA of the places that the map covers on both sides. {_TRACT}.",
        _LINDENBERG, typical=0.03,
    ),
    Biomarker(
        "cst_md_asymmetry", "dwi", "MD asymmetry, corticospinal tract",
        f"{_ASYMMETRY}; weighted means of MD of the places that the map covers on both sides. {_TRACT}.",
        _LINDENBERG, typical=0.03,
    ),
    Biomarker(
        "cst_rd_asymmetry", "dwi", "RD asymmetry, corticospinal tract",
        f"{_ASYMMETRY}; weighted means of RD of the places that the map covers on both sides. {_TRACT}.",
        _LINDENBERG, typical=0.03,
    ),
    Biomarker(
        "plic_fa_asymmetry", "dwi", "FA asymmetry, internal capsule",
        f"{_ASYMMETRY}; weighted means of FA of the places that the map covers on both sides. {_TRACT}: "
        f"{_PLIC}.", _STINEAR, typical=0.03,
    ),
    Biomarker(
        "plic_md_asymmetry", "dwi", "MD asymmetry, internal capsule",
        f"{_ASYMMETRY}; weighted means of MD of the places that the map covers on both sides. {_TRACT}: "
        f"{_PLIC}.", _STINEAR, typical=0.03,
    ),
    Biomarker(
        "plic_rd_asymmetry", "dwi", "RD asymmetry, internal capsule",
        f"{_ASYMMETRY}; weighted means of RD of the places that the map covers on both sides. {_TRACT}: "
        f"{_PLIC}.", _STINEAR, typical=0.03,
    ),
    # resting-state BOLD
    Biomarker(
        "hand_connectivity_z", "bold", "connectivity of the hand areas",
        "Fisher z of the correlation of the mean series within 6 mm of the left and the right hand area.",
        _CARTER, limits=(-inf, inf), typical=0.6,
    ),
    Biomarker(
        "leg_connectivity_z", "bold", "connectivity of the leg areas",
        "Fisher z of the correlation of the mean series within 6 mm of the left and the right leg area.",
        _CARTER, limits=(-inf, inf), typical=0.9,
    ),
    Biomarker(
        "hand_homotopic_z", "bold", "homotopic connectivity, hand areas",
        "Mean Fisher z of the correlation of each voxel within 6 mm of the hand area with its mirror image.",
        _ZUO, limits=(-inf, inf), typical=0.15,
    ),
    Biomarker(
        "leg_homotopic_z", "bold", "homotopic connectivity, leg areas",
        "Mean Fisher z of the correlation of each voxel within 6 mm of the leg area with its mirror image.",
        _ZUO, limits=(-inf, inf), typical=0.25,
    ),
    Biomarker(
        "motor_falff_asymmetry", "bold", "fALFF asymmetry, motor areas",
        f"{_ASYMMETRY}; mean fALFF within 6 mm of the hand and leg areas.",
        "Zou et al. 2008, J Neurosci Methods 172:137 (fALFF)", typical=0.03,
    ),
    # EEG and EMG
    Biomarker(
        "bsi", "eegemg", "brain symmetry index",
        "Mean over the frequencies from 1 to 25 Hz of |R - L| / (R + L), R and L being the mean power of "
        "the right and the left sites that have a measured mirrored one (three pairs or more); spectra of "
        "60 segments of 1 s, mean over these minutes, so that it does not hang on the recording's length.",
        _VAN_PUTTEN, typical=0.05,
    ),
    Biomarker(
        "pdbsi", "eegemg", "brain symmetry index, pair by pair",
        "Mean over the pairs of mirrored, measured sites (three or more) and the frequencies from 1 to 25 "
        "Hz of |R - L| / (R + L), R and L being the power of the right and the left site; spectra of 60 "
        "segments of 1 s, mean over these minutes, so that it does not hang on the recording's length.",
        _PAIRWISE, typical=0.1,
    ),
    Biomarker(
        "delta_alpha_ratio", "eegemg", "delta over alpha",
        "Power from 1 to 4 Hz over that from 8 to 13 Hz (lower edges included); mean over the measured "
        "sites of the powers relative to 1 to 30 Hz first.", _FINNIGAN, limits=(0.0, inf), typical=1.0,
    ),
    Biomarker(
        "delta_theta_alpha_beta_ratio", "eegemg", "delta and theta over alpha and beta",
        "Power from 1 to 8 Hz over that from 8 to 30 Hz (lower edges included); mean over the measured "
        "sites of the powers relative to 1 to 30 Hz first.", _FINNIGAN, limits=(0.0, inf), typical=1.0,
    ),
    Biomarker(
        "alpha_peak_hz", "eegemg", "alpha peak",
        "Frequency of the highest peak above the 1/f background (a line in log-log through 2 to 6 and 14 to "
        "30 Hz) from 7 to 13 Hz, in the geometric mean of the spectra of the P, PO and O rows, of all sites "
        "where there are none of these; none where no peak is 1.4 times as high as the background.",
        "Klimesch 1999, Brain Res Rev 29:169 (individual alpha frequency)", unit="Hz", limits=(7.0, 13.0), typical=10.0,
    ),
    Biomarker(
        "motor_coherence_alpha", "eegemg", "interhemispheric coherence, alpha",
        "Magnitude-squared coherence of the left and right motor cortex (C3 and C4), mean over 8 to 13 Hz, "
        "less its bias: (n C - 1) / (n - 1) of n segments of 1 s, a minute or more; with the reference of "
        "the cleaned EEG, mostly the average of all sites, which is common to both.", _NUNEZ, typical=0.1,
    ),
    Biomarker(
        "motor_coherence_beta", "eegemg", "interhemispheric coherence, beta",
        "Magnitude-squared coherence of the left and right motor cortex (C3 and C4), mean over 13 to 30 Hz, "
        "less its bias: (n C - 1) / (n - 1) of n segments of 1 s, a minute or more; with the reference of "
        "the cleaned EEG, mostly the average of all sites, which is common to both.", _NUNEZ, typical=0.1,
    ),
    Biomarker(
        "cmc_left", "eegemg", "corticomuscular coherence, left leg",
        "Magnitude-squared coherence, mean over 13 to 30 Hz, of the measured central site (C or CP row) and "
        "the muscle of the left leg that have most of it; the pair is found in one half of the segments and "
        "measured in the other, less its bias: (n C - 1) / (n - 1) of n segments of 1 s, a minute or more; "
        "rectified EMG, EEG with the reference of the cleaned EEG.", _HALLIDAY, typical=0.02,
    ),
    Biomarker(
        "cmc_right", "eegemg", "corticomuscular coherence, right leg",
        "Magnitude-squared coherence, mean over 13 to 30 Hz, of the measured central site (C or CP row) and "
        "the muscle of the right leg that have most of it; the pair is found in one half of the segments "
        "and measured in the other, less its bias: (n C - 1) / (n - 1) of n segments of 1 s, a minute or "
        "more; rectified EMG, EEG with the reference of the cleaned EEG.", _HALLIDAY, typical=0.02,
    ),
    Biomarker(
        "cmc", "eegemg", "corticomuscular coherence",
        "Magnitude-squared coherence, mean over 13 to 30 Hz, of the measured central site (C or CP row) and "
        "the leg muscle that have most of it; the pair is found in one half of the segments and measured in "
        "the other, less its bias: (n C - 1) / (n - 1) of n segments of 1 s, a minute or more; rectified "
        "EMG, EEG with the reference of the cleaned EEG.", _HALLIDAY, typical=0.02,
    ),
    Biomarker(
        "co_contraction", "eegemg", "co-contraction",
        "Twice the common area of the rectified EMG (means over 0.1 s, each muscle over its largest) of a "
        "flexor and an extensor of one joint (knee, ankle) of one leg, over the sum of their areas; all "
        "good windows, mean over the pairs.", _FALCONER, typical=0.4,
    ),
    Biomarker(
        "emg_median_frequency_hz", "eegemg", "EMG median frequency",
        "Frequency that halves the power of the cleaned EMG; mean over the leg's muscles; none where its "
        "filters end below 100 Hz. A low sampling rate cuts the EMG and lowers it.",
        "Stulen and De Luca 1981, IEEE Trans Biomed Eng 28:515 (median frequency)",
        unit="Hz", limits=(0.0, inf), typical=70.0,
    ),
    Biomarker(
        "flexion_burst_delay_s", "eegemg", "muscles begin, after flexion begins",
        "From the event's onset to the first activity that lasts 50 ms, 0 where the muscle is active "
        "already; mean over the leg's muscles that have bursts and the events 'flexion' (three or more) in "
        "good windows; active: rectified EMG, smoothed over 50 ms, above a third of the way from its 10th "
        "to its 95th percentile.", _HODGES, unit="s", limits=(0.0, inf), typical=0.3,
    ),
    Biomarker(
        "flexion_burst_share", "eegemg", "muscles active, share of flexion",
        "Share of the event's time in which the muscle is active; mean over the leg's muscles that have "
        "bursts and the events 'flexion' (three or more) in good windows; active: rectified EMG, smoothed "
        "over 50 ms, above a third of the way from its 10th to its 95th percentile.", _HODGES, typical=0.5,
    ),
    Biomarker(
        "extension_burst_delay_s", "eegemg", "muscles begin, after extension begins",
        "From the event's onset to the first activity that lasts 50 ms, 0 where the muscle is active "
        "already; mean over the leg's muscles that have bursts and the events 'extension' (three or more) "
        "in good windows; active: rectified EMG, smoothed over 50 ms, above a third of the way from its "
        "10th to its 95th percentile.", _HODGES, unit="s", limits=(0.0, inf), typical=0.3,
    ),
    Biomarker(
        "extension_burst_share", "eegemg", "muscles active, share of extension",
        "Share of the event's time in which the muscle is active; mean over the leg's muscles that have "
        "bursts and the events 'extension' (three or more) in good windows; active: rectified EMG, smoothed "
        "over 50 ms, above a third of the way from its 10th to its 95th percentile.", _HODGES, typical=0.5,
    ),
)  # fmt: skip

BIOMARKERS: Mapping[str, Biomarker] = {one.name: one for one in _EVERY}
"""By name, in the order of the table's columns."""

GROUPS: tuple[Group, ...] = ("lesion", "dwi", "bold", "eegemg")


def of_group(group: str) -> tuple[str, ...]:
    """Names of the biomarkers that are made of one thing.

    >>> of_group("bold")[-1]
    'motor_falff_asymmetry'
    """
    return tuple(name for name, one in BIOMARKERS.items() if one.group == group)
