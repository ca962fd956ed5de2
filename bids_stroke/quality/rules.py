"""What each quality number means, its units, and from where on it is to be looked at or cannot be right.

A new number of a step needs a line here: a test reads the steps and fails without one. Ranges are of adult brains and
usual scanners; they tell who should be looked at, and are no diagnosis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

Limits = tuple[float | None, float | None]
_ANY: Limits = (None, None)


@dataclass(frozen=True)
class Rule:
    """What is known of one quality number: what it means, its units, and which values are to be expected.

    Parameters
    ----------
    label : str
        Name of the number in the report.
    units : str
        Units of the number and of the ranges; ``1``: no unit.
    meaning : str
        What the number tells, in words.
    plausible : (float or None, float or None)
        Lowest and highest value that is to be expected; others are to be looked at. None: no limit.
    possible : (float or None, float or None)
        Lowest and highest value that can be; others cannot be right.
    """

    label: str
    units: str
    meaning: str
    plausible: Limits = _ANY
    possible: Limits = _ANY


_SHARE: Limits = (0.0, 1.0)
_Z: Limits = (-3.0, 5.0)
_TEMPLATE = "Low: the registration to the standard brain has failed or the brain mask is wrong"
_MOTION = "Sum of shifts, and of rotations on a sphere of 50 mm, from volume to volume. Much: the maps are uncertain"
_HEADERS = "From where the headers put it. Much: the registration has failed, or the T1w is of another day"
_TISSUE = "Sum of probabilities. Far off: the tissues or the brain mask are wrong"
_CONTRAST = "Difference of medians in spreads of the brain's intensities"

_ANAT = {
    "anat/brain_volume_ml": Rule(
        "brain volume", "ml", "Brain with its fluid. Far off: look at the brain mask", (900.0, 2000.0), (500.0, 2400.0)
    ),
    "anat/gm_volume_ml": Rule("grey matter volume", "ml", _TISSUE, (350.0, 1050.0), (150.0, 1400.0)),
    "anat/wm_volume_ml": Rule("white matter volume", "ml", _TISSUE, (300.0, 800.0), (100.0, 1100.0)),
    "anat/csf_volume_ml": Rule("volume of fluid in the brain mask", "ml", _TISSUE, (30.0, 600.0), (0.0, 1200.0)),
    "*/affine_determinant": Rule(
        "change of size in registration", "1",
        "Determinant of the affine registration to the standard brain. Far from 1: it has failed",
        (0.65, 1.5), (0.4, 2.5)
    ),
    "anat/brain_dice_template": Rule(
        "overlap of the brain with the standard brain", "1", f"Dice after registration. {_TEMPLATE}", (0.93, None),
        (0.8, None)
    ),
    "anat/template_correlation": Rule(
        "likeness to the standard brain", "1", f"Correlation of intensities after registration. {_TEMPLATE}",
        (0.75, None), (0.4, None)
    ),
    **{
        f"anat/{tissue}_dice_template": Rule(
            f"overlap of {name} matter with the standard brain's", "1",
            "Dice after registration, without the lesion. Low: tissues or registration are wrong, or much is lost",
            (0.6, None), (0.3, None)
        )
        for tissue, name in (("gm", "grey"), ("wm", "white"))
    },
    "anat/snr": Rule(
        "signal to noise", "1", "White matter over the noise between its voxels. Low: the tissues are uncertain",
        (8.0, None), (2.0, None)
    ),
    "anat/gm_wm_cnr": Rule(
        "contrast to noise, grey to white matter", "1", "Low: the tissues are uncertain", (1.5, None), (0.3, None)
    ),
    "anat/brain_asymmetry": Rule(
        "brain mask, left beside right", "1", "Above 0: larger on the left. Far from 0: a part is cut off or lost",
        (-0.1, 0.1), (-0.5, 0.5)
    ),
}  # fmt: skip

_LESION = {
    "lesion/lesion_volume_ml": Rule(
        "lesion volume", "ml", "Of the mask in standard space. Very small or large: look at the mask", (0.05, 400.0),
        (0.0, 1000.0)
    ),
    "lesion/lesion_side_left_fraction": Rule(
        "share of the lesion on the left", "1", "All on the left: 1 (100 %). All on the right: 0"
    ),
    "lesion/lesion_in_brain_fraction": Rule(
        "share of the lesion inside the standard brain", "1", "Low: the mask does not fit the image", (0.9, None),
        (0.5, None)
    ),
    "lesion/lesion_rim_contrast": Rule("lesion against its rim in the T1w", "1", _CONTRAST),
    "lesion/lesion_mirror_contrast": Rule("lesion against the other side in the T1w", "1", _CONTRAST),
    "lesion/lesion_seen_contrast": Rule(
        "how clearly the lesion is seen in the T1w", "1",
        "The larger of both contrasts, without sign. Low: a fresh stroke, or the mask does not fit the image",
        (0.25, None), _ANY
    ),
    "lesion/lesion_in_ventricle_fraction": Rule(
        "share of the lesion over the ventricles", "1", "High: the mask does not fit the image", (None, 0.5), _SHARE
    ),
    "*/lesion_image_moved_mm": Rule(
        "the image that the lesion was drawn on, moved", "mm", "By its registration to the T1w, from its header",
        (None, 40.0), _ANY
    ),
    "*/lesion_image_fit": Rule(
        "fit of the image that the lesion was drawn on", "1",
        "Mutual information with the T1w over that of the image upside down", (1.5, None), (1.5, None)
    ),
}  # fmt: skip

_MOVED = {
    "*/mean_framewise_displacement_mm": Rule("mean head motion", "mm", _MOTION, (None, 0.5), (None, 5.0)),
    "dwi/mean_framewise_displacement_mm": Rule("mean head motion", "mm", _MOTION, (None, 1.0), (None, 5.0)),
    "*/max_framewise_displacement_mm": Rule("largest head motion", "mm", _MOTION, (None, 5.0), (None, 50.0)),
    "*/t1w_angle_degrees": Rule("turned to fit the T1w", "degrees", _HEADERS, (None, 15.0), (None, 45.0)),
    "*/t1w_shift_mm": Rule("moved to fit the T1w", "mm", _HEADERS, (None, 20.0)),
}

_DWI = {
    "dwi/n_directions": Rule(
        "directions", "1", "Distinct gradient directions in the tensor fit; FA of few is uncertain", (15.0, None),
        (6.0, None)
    ),
    "dwi/n_volumes": Rule("volumes", "1", "Of all runs used", (7.0, None), (7.0, None)),
    "dwi/n_shells": Rule("shells", "1", "Of b-values, without b = 0", (1.0, None), (1.0, None)),
    "dwi/b_value_max_fitted_s_mm2": Rule(
        "largest b-value in the fit", "s/mm^2", "Beyond 1500 the tensor model does not hold", (600.0, 1600.0),
        (200.0, 10000.0)
    ),
    "dwi/negative_eigenvalue_fraction": Rule(
        "tensors with a negative eigenvalue", "1", "Share of the brain's voxels, counted as 0. High: noise",
        (None, 0.05), (None, 0.5)
    ),
    "dwi/fa_above_one_fraction": Rule(
        "FA above 1 before clipping", "1", "Share of the brain's voxels. High: noise or wrong gradients", (None, 0.02),
        (None, 0.3)
    ),
    "dwi/md_median_mm2_s": Rule(
        "mean diffusivity, median", "mm^2/s", "Of the brain. Far off: wrong b-values or units", (6e-4, 1.3e-3),
        (1e-4, 3e-3)
    ),
    "dwi/md_wm_median_mm2_s": Rule(
        "mean diffusivity in white matter", "mm^2/s", "Median. Far off: wrong b-values or units", (5.5e-4, 1.05e-3),
        (1e-4, 3e-3)
    ),
    "dwi/fa_wm_median": Rule(
        "FA in white matter", "1", "Median. Low: noise, motion or a bad registration", (0.3, 0.65), (0.15, 0.9)
    ),
    "dwi/fa_wm_correlation": Rule(
        "FA follows the white matter", "1", "Correlation. Low: wrong registration, or noise", (0.5, None), (0.35, None)
    ),
    "dwi/fibre_coherence_ratio": Rule(
        "fibres run on from voxel to voxel", "1",
        "Over the best of all axis flips, where one stands out. Below 1: the b-vectors may be flipped",
        (0.98, None), (0.5, None)
    ),
    "dwi/snr_b0": Rule("signal to noise at b = 0", "1", "By the residuals of the fit", (10.0, None), (2.0, None)),
    "dwi/tsnr_b0": Rule(
        "signal over its change at b = 0", "1", "Mean over standard deviation of the volumes at b = 0", (5.0, None),
        (1.5, None)
    ),
    "dwi/outlier_slices_percent": Rule(
        "slices that lost their signal", "%", "Share of the weighted slices of the brain, replaced by a prediction",
        (None, 5.0), (None, 50.0)
    ),
    "dwi/max_eddy_percent": Rule(
        "largest distortion by eddy currents", "%", "Stretch or shear of a volume along the phase encoding, taken out",
        (None, 5.0), (None, 20.0)
    ),
    "dwi/pair_correlation_before": Rule(
        "likeness of opposite phase encodings before", "1", "Correlation of their images, distorted", _ANY, (-1.0, 1.0)
    ),
    "dwi/pair_correlation_after": Rule(
        "likeness of opposite phase encodings after", "1", "Correlation of their images with the distortion taken out",
        (0.9, 1.0), (0.5, 1.0)
    ),
    "dwi/susceptibility_median_mm": Rule(
        "distortion near air and bone, median", "mm", "Shift along the phase encoding, taken out",
        (None, 5.0), (None, 20.0)
    ),
    "dwi/susceptibility_p95_mm": Rule(
        "distortion near air and bone, 95th percentile", "mm", "Shift along the phase encoding, taken out",
        (None, 15.0), (None, 40.0)
    ),
    "dwi/t1w_field_gain": Rule(
        "what a field by the T1w explains", "1", "Share of the difference to the tissues of the T1w, beyond motion"
    ),
    "dwi/brain_volume_ml": Rule("brain volume in DWI", "ml", "From the mask", (900.0, 2000.0), (300.0, 2600.0)),
    "dwi/standard_coverage_fraction": Rule(
        "share of the standard brain covered", "1", "Low: the scan is cut, or misplaced", (0.9, None), (0.3, None)
    ),
}  # fmt: skip

_BOLD = {
    "bold/n_runs": Rule("runs", "1", "Runs averaged", (1.0, None), (1.0, None)),
    "bold/n_volumes": Rule(
        "volumes", "1", "Per run, after dropping the first. Few: the maps are uncertain", (100.0, None), (20.0, None)
    ),
    "bold/n_volumes_dropped": Rule("volumes dropped", "1", "Before the steady state", (None, 12.0), (None, 50.0)),
    "bold/degrees_of_freedom": Rule(
        "degrees of freedom left", "1", "After confounds and band-pass. Few: the maps are uncertain", (25.0, None),
        (3.0, None)
    ),
    "bold/n_confounds": Rule("confounds regressed out", "1", "Fewer in short runs", _ANY, _ANY),
    "bold/tsnr_median": Rule(
        "temporal signal to noise", "1", "Mean over standard deviation in time; median of the brain", (25.0, None),
        (5.0, None)
    ),
    "bold/brain_volume_ml": Rule("brain volume in BOLD", "ml", "From the mask", (800.0, 2000.0), (200.0, 2600.0)),
    "bold/standard_brain_covered_fraction": Rule(
        "share of the standard brain with signal", "1", "Low: the images end before, signal is lost, or misregistered",
        (0.8, None), (0.3, 1.0)
    ),
    "bold/displacement_above_0p5mm_fraction": Rule(
        "share of volumes with motion above 0.5 mm", "1", _MOTION, (None, 0.2), (None, 0.8)
    ),
    "bold/t1w_brain_dice": Rule(
        "overlap of the brain with the T1w's", "1", "Dice. Low: the registration to the T1w has failed", (0.8, None),
        (0.5, None)
    ),
    **{
        f"bold/{part}_{kind}_z": Rule(f"left to right, motor cortex of the {part}{how}", "Fisher z", what, _ANY, _Z)
        for part in ("hand", "leg")
        for kind, how, what in (("left_right", "", "Connectivity of mirrored seeds"),
                                ("homotopic", ", voxel by voxel", "Connectivity of voxels with their mirror images"))
    },
}  # fmt: skip

_HUM = "Power at the mains frequency over that beside it"
_POWER = "Mean over channels, share of the power from delta to gamma"
_EEGEMG = {
    "eegemg/n_recordings": Rule("recordings", "1", "Used", (1.0, None), (1.0, None)),
    "eegemg/n_windows": Rule("windows", "1", "Of all recordings", (6.0, None), (1.0, None)),
    "eegemg/n_windows_kept": Rule("windows kept", "1", "Free of artefacts", (5.0, None), (1.0, None)),
    "eegemg/duration_s": Rule("duration", "s", "Of all recordings", (60.0, None), (1.0, None)),
    "eegemg/sampling_rate_hz": Rule("sampling rate", "Hz", "Mean over recordings", (200.0, 20000.0), (50.0, 1e5)),
    "eegemg/n_eeg_channels": Rule("EEG channels", "1", "After cleaning, with interpolated ones", _ANY, (0.0, 512.0)),
    "eegemg/n_emg_channels": Rule("EMG channels", "1", "After cleaning", _ANY, (0.0, 128.0)),
    "eegemg/n_bad_channels": Rule("bad channels", "1", "Marked, constant or outlying", (None, 4.0), (None, 256.0)),
    "eegemg/n_interpolated_channels": Rule("interpolated EEG channels", "1", "From others", (None, 3.0), (None, 128.0)),
    "eegemg/n_ocular_components": Rule("eye components removed", "1", "By ICA, two at most", _ANY, (0.0, 2.0)),
    "eegemg/n_muscle_components": Rule("muscle components removed", "1", "By ICA", (None, 6.0), (0.0, 64.0)),
    "eegemg/emg_offset_s": Rule("start of the EMG after the EEG", "s", "Separate recordings", _ANY, _ANY),
    "eegemg/emg_drift_ppm": Rule(
        "drift of the EMG's clock", "ppm", "By common events, against the EEG", (-200.0, 200.0), (-1000.0, 1000.0)
    ),
    **{
        f"eegemg/{kind}_mains_ratio_{when}_db": Rule(
            f"{kind.upper()} mains hum {when} cleaning", "dB", _HUM, (None, 10.0) if when == "after" else _ANY,
            (None, 40.0) if when == "after" else _ANY
        )
        for kind in ("eeg", "emg") for when in ("before", "after")
    },
    **{
        f"eegemg/eeg_{band}_relative_power": Rule(f"EEG {band} power", "1", _POWER, _ANY, _SHARE)
        for band in ("delta", "theta", "alpha", "beta", "gamma")
    },
    "eegemg/coherence_largest": Rule("largest EEG-EMG coherence", "1", "In the beta band", _ANY, _SHARE),
    "eegemg/n_coherent_pairs": Rule("coherent EEG-EMG pairs", "1", "Above the threshold of chance", _ANY, _ANY),
    "eegemg/emg_median_frequency_hz": Rule(
        "EMG median frequency", "Hz", "Mean over muscles. Low: motion artefact", (30.0, 250.0), (5.0, 500.0)
    ),
    "eegemg/emg_co_contraction": Rule("EMG co-contraction", "1", "Common area of the muscles' activity", _ANY, _SHARE),
}  # fmt: skip

_PRECOMPUTED = "Of the positive voxels in the brain, in the units of the file"
_MAPS = {
    "maps/fa_median": Rule("FA, median", "1", _PRECOMPUTED, (0.05, 0.8), (0.0, 1.0)),
    **{
        f"maps/{name}_median": Rule(f"{name.upper()}, median", "mm^2/s", _PRECOMPUTED, (1e-4, 5e-3), (0.0, None))
        for name in ("md", "rd", "ad")
    },
    **{
        f"maps/{name}_median": Rule(f"{name.upper()}, median", "1", _PRECOMPUTED, _SHARE, (0.0, None))
        for name in ("gm", "wm")
    },
}

_ALL = {
    "*/mirrored": Rule(
        "mirrored in standard space", "1", "1: the right side is affected and was put on the left (lesion_side)"
    ),
}  # fmt: skip

RULES: Mapping[str, Rule] = MappingProxyType(
    {**_ANAT, **_LESION, **_MOVED, **_DWI, **_BOLD, **_EEGEMG, **_MAPS, **_ALL}
)
"""``step/name`` -> rule; ``*/name`` for every step that has none of its own."""
