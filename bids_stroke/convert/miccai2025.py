"""The published ensemble of the MICCAI 2025 study as a bundle, from its authors' six weight files.

Facts about the study's inputs are kept beside what is only assumed: the bundle's model card tells both.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from bids_stroke.bids.columns import SYNONYMS
from bids_stroke.convert.keras_weights import NETWORK, read_state
from bids_stroke.core.errors import ModelError, OutputError, UsageError
from bids_stroke.core.records import Member
from bids_stroke.ensemble.bundle import Bundle, BundleContents, write_bundle
from bids_stroke.ensemble.member import BundleMember
from bids_stroke.features.covariates import CovariateScaler
from bids_stroke.features.readers import complete_inputs
from bids_stroke.fusion.fitted import Fusion
from bids_stroke.networks import registry

MAPS = ("FA", "MD", "RD", "AD", "GM", "WM")
FILE_NAME = "{}_MotorScore_weights.hdf5"
COVARIATES = ("age", "sex", "days_since_stroke")
"""In the order of the network's columns."""
PUBLISHED_DIVISORS: Mapping[str, float] = MappingProxyType({"age": 85.0, "sex": 1.0, "days_since_stroke": 6368.0})
"""What the released prediction script divides by: the maxima of its cohort."""
SCALES: Mapping[str, float] = MappingProxyType({"FA": 1.0, "MD": 100.0, "RD": 100.0, "AD": 100.0, "GM": 1.0, "WM": 1.0})
"""From this app's maps (diffusivities in mm^2/s) to the study's.

In white matter (WM intensity above .5, FA above .4) of the two published people MD has a median of .071 and .072,
where .7e-3 mm^2/s is usual: 100 x mm^2/s, that is, 0.1 x (um^2/ms)."""
OUTCOME = "motor_score<1"
"""The study's own labels: class 0 is Poor, 1 is Good."""


@dataclass(frozen=True)
class ImportOptions:
    """What `import_keras` may be told.

    Attributes
    ----------
    maps : tuple of str
        Members, of MAPS; each has the same fusion weight.
    divisors : mapping
        Covariate -> what its values are divided by.
    one_is : {"male", "female"}
        The sex that the network's input 1 stands for.
    outcome : str
        Rule of a poor outcome, ``column<number``.
    """

    maps: tuple[str, ...] = MAPS
    divisors: Mapping[str, float] = field(default_factory=lambda: PUBLISHED_DIVISORS)
    one_is: str = "male"
    outcome: str = OUTCOME


def parse_divisors(text: str) -> dict[str, float]:
    """Read ``age=85,sex=1,days_since_stroke=6368``, in any order.

    Raises
    ------
    UsageError
        A covariate is unknown, missing or there twice, or its divisor is not a positive number.
    """
    remedy = "Write --covariates " + ",".join(f"{name}={value:g}" for name, value in PUBLISHED_DIVISORS.items()) + "."
    given: dict[str, float] = {}
    for item in text.split(","):
        word, _, number = item.strip().partition("=")
        name = next((name for name in COVARIATES if word.lower() in SYNONYMS[name]), None)
        if name is None or name in given:
            raise UsageError(f"--covariates {text}: {word!r} is {'there twice' if name else 'not known'}.", remedy)
        try:
            given[name] = float(number)
        except ValueError:
            raise UsageError(f"--covariates {text}: {item.strip()!r} has no number.", remedy) from None
        if not (math.isfinite(given[name]) and given[name] > 0):
            raise UsageError(f"--covariates {text}: the divisor of {name} is not above 0.", remedy)
    if lacking := [name for name in COVARIATES if name not in given]:
        raise UsageError(f"--covariates {text}: {', '.join(lacking)} is missing.", remedy)
    return given


def parse_maps(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Names of maps from words like ``FA,WM``, in the published order; all six for none.

    Raises
    ------
    UsageError
        A map that the study does not have.
    """
    wanted = [word.upper() for text in texts for word in text.replace(",", " ").split()]
    if unknown := [word for word in wanted if word not in MAPS]:
        raise UsageError(f"--maps {unknown[0]}: the study has no such map.", f"Choose of {' '.join(MAPS)}.")
    return tuple(name for name in MAPS if name in wanted) or MAPS


def import_keras(folder: Path, out: Path, options: ImportOptions | None = None) -> Bundle:
    """Make a bundle of the authors' weight files.

    Parameters
    ----------
    folder : Path
        Holds ``FA_MotorScore_weights.hdf5`` and so on.
    out : Path
        Folder of the bundle: new or empty.
    options : ImportOptions, optional
        The published ones by default.

    Raises
    ------
    ModelError
        A weight file is missing, damaged or of another network.
    UsageError
        ``out`` is not empty.
    OutputError
        ``out`` cannot be written.
    """
    options = options or ImportOptions()
    files = _files(folder, options.maps)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already and is not an empty folder.", "Give a new folder.")
    contents = BundleContents(
        name=NETWORK,
        version="1.0.0",
        outcome=options.outcome,
        demonstration=False,
        members=tuple(_member(name, options) for name in files),
        states={name.lower(): read_state(path) for name, path in files.items()},
        fusion=Fusion({name.lower(): 1 / len(files) for name in files}),
        salt="",
        participants={},
        splits=pd.DataFrame(columns=["dataset", "participant_id", "session_id", "repeat", "fold"]),
        out_of_fold=pd.DataFrame(columns=["dataset", "participant_id", "session_id", "probability_poor"]),
        facts=_facts(files, options),
        origin={
            "made": "Imported by bids_stroke from the study's Keras weight files.",
            "description": "Published 3D networks of the MICCAI 2025 study, one per map, as released. The probability "
            "is the mean of their softmax; no score is predicted.",
            "authors": "The authors of the MICCAI 2025 study; imported with bids_stroke by its user",
            "copyright": "As the weight files' licence says",
        },
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.exists():
            out.rmdir()
        return write_bundle(out, contents)
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error.strerror}.", "Give a folder that can.") from error


def _files(folder: Path, maps: tuple[str, ...]) -> dict[str, Path]:
    """Weight file of each map; ModelError naming all that are missing."""
    if not folder.is_dir():
        raise ModelError(f"{folder} is no folder.", "Give the folder with the weight files.", "missing-model")
    files = {name: folder / FILE_NAME.format(name) for name in maps}
    if missing := [path.name for path in files.values() if not path.is_file()]:
        raise ModelError(
            f"{folder} lacks {', '.join(missing)}.", "Give the folder with all of them, or choose --maps.",
            "missing-model",
        )  # fmt: skip
    return files


def _member(name: str, options: ImportOptions) -> BundleMember:
    modality = name.lower()
    arguments = registry.NETWORKS[NETWORK].defaults
    member = Member(modality, modality, NETWORK, arguments, complete_inputs(modality, {"scale": SCALES[name]}))
    return BundleMember(member, _scaler(options), 0.0, 1.0)


def _scaler(options: ImportOptions) -> CovariateScaler:
    """Plain division, as released; the divisor is taken as the upper end of the training range, 0 as the lower."""
    divisors = tuple(float(options.divisors[name]) for name in COVARIATES)
    mean, sd = np.zeros(len(COVARIATES)), np.array(divisors)
    if options.one_is == "female":
        sex = COVARIATES.index("sex")
        mean[sex], sd[sex] = 1.0, -sd[sex]  # ours is 1 for male: (1 - value) / divisor
    high = tuple(1.0 if name == "sex" else divisor for name, divisor in zip(COVARIATES, divisors, strict=True))
    return CovariateScaler(
        COVARIATES, tuple(mean.tolist()), tuple(sd.tolist()), (0.0,) * len(COVARIATES), high, indicators=False
    )


def _facts(files: Mapping[str, Path], options: ImportOptions) -> dict[str, Any]:
    return {
        "source": "Attention-Based Multimodal Deep Learning Model for Post-Stroke Motor Impairment Prediction "
        "(MICCAI 2025), Keras weight files",
        "weight_files_sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files.values()},
        "class_order": "0 Poor, 1 Good; the logit of poor is the difference of the two",
        "covariates": {name: f"divided by {options.divisors[name]:g}" for name in COVARIATES},
        "sex": f"1 is taken as {options.one_is}: an assumption, the released code does not say",
        "covariate_ranges": "0 to the divisor, which is taken as the cohort's maximum, for warnings only",
        "input_scale": {name: f"x {SCALES[name]:g}" for name in files},
        "input_scale_known": "diffusivities of the two published people are 100 x mm^2/s, judged by white matter "
        "(MD .071 and .072 where .7e-3 mm^2/s is usual); that the training maps had the same scale is assumed",
        "input_order": "voxels L, A, S, 91 x 109 x 91 at 2 mm; the same affine as this app's standard grid",
        "input_space": "the study's template is not named in its files: taken as equal to this app's",
        "input_rd": "the published RD maps fit (L1 + L3) / 2, not (L2 + L3) / 2 as here and by definition (FA from AD, "
        "MD and RD agrees within .004 for the former, is .22 too low for the latter): RD of this app differs from it",
        "gm_and_wm": "T1w intensities scaled to 0-1 inside the tissue, not probabilities",
        "outcome_known": "classes of upper-limb motor function; the rule behind them is not in the released code. "
        f"This bundle says `{options.outcome}`",
        "participants": "not known",
        "published_results": "accuracy .97 (FA and WM) and .96 (all six), with checkpoints chosen on the test part",
    }
