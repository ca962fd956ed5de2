"""What a run did, in words to copy into a paper, with references: of the steps and networks that ran, no others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import bids_stroke
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.names import DATASET_FILES, dataset_file
from bids_stroke.derivatives.outputs import write_text
from bids_stroke.report.references import REFERENCES, Reference


@dataclass(frozen=True)
class Said:
    """A sentence of the methods.

    Parameters
    ----------
    text : str
        Without its full stop.
    cited : str
        Keys of REFERENCES, with blanks between them.
    packages : str
        Whose versions are told, with blanks between them.
    where : callable
        Whether the settings ask for it.
    """

    text: str
    cited: str = ""
    packages: str = ""
    where: Callable[[Settings], bool] = lambda _: True

    def in_words(self, versions: Mapping[str, str]) -> str:
        """The sentence, with versions and citations in the style of pandoc."""
        told = [f"{name} {versions[name]}" for name in self.packages.split() if name in versions]
        cited = "; ".join(f"@{key}" for key in self.cited.split())
        return self.text + (f" ({', '.join(told)})" if told else "") + (f" [{cited}]" if cited else "") + "."


STEPS: Mapping[str, tuple[Said, ...]] = MappingProxyType(
    {
        "anat": (
            Said("The T1w image was corrected for its bias field by N4", "tustison2010 lowekamp2013", "SimpleITK"),
            Said("The brain was extracted by deepbet", "fisch2024", "deepbet"),
            Said("Grey matter, white matter and cerebrospinal fluid were told apart by a Gaussian mixture with the "
                 "template's priors and a Markov random field", "ashburner2005 zhang2001"),
            Said("Where there was a lesion mask, the lesion was filled from the other side before registration",
                 "nachev2008", where=lambda own: own.anat.lesion_handling == "fill"),
            Said("Where there was a lesion mask, the lesion was masked out of the registration's cost function",
                 where=lambda own: own.anat.lesion_handling == "mask"),
            Said("The image was registered to the symmetric MNI152NLin2009aSym template, affinely and "
                 "diffeomorphically, by greedy", "yushkevich2016 fonov2011", "picsl_greedy nilearn"),
        ),
        "lesion": (Said("Lesion masks were brought to the grid of the template, as shares of each voxel, and made "
                        "binary"),),
        "dwi": (
            Said("Diffusion images were denoised by MP-PCA where there were enough volumes for it", "veraart2016",
                 where=lambda own: own.dwi.denoise),
            Said("Gibbs ringing was removed by local subvoxel shifts, unless partial Fourier excluded it",
                 "kellner2016", where=lambda own: own.dwi.gibbs != "off"),
            Said("Head motion was corrected by registration to predicted volumes, and b-vectors were rotated with the "
                 "head", "andersson2015 leemans2009", where=lambda own: own.dwi.motion),
            Said("Distortions by eddy currents were corrected where the phase encoding was known", "andersson2016",
                 where=lambda own: own.dwi.motion and own.dwi.eddy),
            Said("Slices that had lost their signal were replaced by what the other volumes predict",
                 "andersson2016outliers", where=lambda own: own.dwi.motion and own.dwi.replace_outliers),
            Said("Susceptibility distortions were corrected, where that could be done, by a pair of opposite phase "
                 "encodings or by registration to the T1w image", "andersson2003",
                 where=lambda own: own.dwi.susceptibility != "none"),
            Said("A bias field (N4) was divided out", "tustison2010", where=lambda own: own.dwi.bias),
            Said("The images were registered rigidly to the T1w image, where there was one, by greedy",
                 "yushkevich2016", "picsl_greedy"),
            Said("The diffusion tensor was fitted by weighted least squares", "basser1996",
                 where=lambda own: own.dwi.fit == "wls"),
            Said("The diffusion tensor was fitted by robust estimation (RESTORE)",
                 "basser1996 chang2005 garyfallidis2014", "dipy", where=lambda own: own.dwi.fit == "restore"),
            Said("A first mask of the brain came from median Otsu thresholds", "garyfallidis2014", "dipy"),
            Said("Fractional anisotropy and mean, radial and axial diffusivity were computed from the tensor"),
        ),
        "bold": (
            Said("Volumes before the steady state were dropped, and head motion was corrected by rigid registration",
                 "baker2004"),
            Said("Runs were registered rigidly to the T1w image, where there was one, by greedy", "yushkevich2016",
                 "picsl_greedy"),
            Said("Motion parameters with their derivatives and squares, the signals of white matter and cerebrospinal "
                 "fluid, and what lies outside the frequency band were regressed out at once",
                 "power2012 lindquist2019 abraham2014", "nilearn"),
            Said("ALFF, fALFF and regional homogeneity were computed", "zang2007 zou2008 zang2004"),
            Said("Connectivity of the hand and leg areas of the motor cortex was computed as Fisher's z", "biswal1995"),
        ),
        "eegemg": (
            Said("EEG and EMG were read and filtered by MNE-BIDS and MNE-Python", "appelhoff2019 gramfort2013",
                 "mne-bids mne"),
            Said("Eyes and muscles were taken out of the EEG by independent components, or blinks by regression where "
                 "a recording was too short for that", "ablin2018 gratton1983", "python-picard"),
            Said("Band power, cortico-muscular coherence and co-contraction were computed",
                 "halliday1995 falconer1985"),
        ),
        "maps": (Said("Ready maps of other tools were resampled to the grid of the template"),),
        "biomarkers": (
            Said("Established biomarkers, among them the lesion load and asymmetry of the corticospinal tract, "
                 "interhemispheric connectivity and ratios of slow to fast EEG, were computed from these",
                 "zhu2010 stinear2007 carter2010 finnigan2016"),
        ),
    }
)  # fmt: skip
"""By preprocessing step, in their order."""

_MAPPED = Said("Where networks on images looked was mapped by Grad-CAM and, where the model was trained with an audit, "
               "such maps were held against those of untrained networks", "selvaraju2017 adebayo2018",
               where=lambda own: own.explain)  # fmt: skip
_BY_BAND = Said("What channels and bands of frequencies of the recordings add to these networks was computed by "
                "integrated gradients", "sundararajan2017", where=lambda own: own.explain)  # fmt: skip
_DIRECT = "fitted directly by ridge regression, boosted trees or random features"
NETWORKS: Mapping[str, tuple[Said, ...]] = MappingProxyType(
    {
        "cbam_resnet3d": (Said("A residual network with attention in three dimensions read maps of the brain",
                               "miccai2025 woo2018 cardoso2022", "monai"), _MAPPED),
        "miccai2025": (Said("The network of the MICCAI 2025 study, as its authors released it, read maps of the brain",
                            "miccai2025 woo2018"), _MAPPED),
        "slice_cnn": (Said("Two-dimensional image networks read axial slices of BOLD maps", "wightman2019",
                           "timm torchvision"), _MAPPED),
        "lstm": (Said("Stacked LSTM networks read windows of EEG and EMG", "hochreiter1997"), _BY_BAND),
        "tcn": (Said("Temporal convolutional networks read windows of EEG and EMG", "bai2018"), _BY_BAND),
        "regions": (Said(f"Means of maps in regions, or volumes of the lesion there, entered models {_DIRECT}",
                         "friedman2001 rahimi2007"),),
        "band_power": (Said(f"Band power of EEG and EMG entered models {_DIRECT}", "friedman2001 rahimi2007"),),
        "coherence": (Said(f"Cortico-muscular coherence entered models {_DIRECT}",
                           "mima2001 friedman2001 rahimi2007"),),
        "biomarkers": (Said(f"Established biomarkers entered models {_DIRECT}", "friedman2001 rahimi2007"),),
        "early_fusion": (Said("One ridge regression joined the numbers of several of these models"),),
        "covariates": (Said("Age, sex, time since the stroke and the first score entered a model of their own"),),
    }
)  # fmt: skip
"""By network of the ensemble's members."""

_ENSEMBLE = (
    Said("Their probabilities were fused with weights found in inner folds and calibrated", "pedregosa2011 paszke2019",
         "scikit-learn torch"),
)  # fmt: skip


def methods(
    steps: Collection[str], networks: Collection[str], versions: Mapping[str, str], settings: Settings | None = None
) -> tuple[str, dict[str, Reference]]:
    """The methods of a run.

    Parameters
    ----------
    steps : collection of str
        Preprocessing steps that ran, in any order.
    networks : collection of str
        Networks of the ensemble's members; empty without an ensemble.
    versions : mapping of str to str
        Version of each package, ``bids_stroke`` among them; what is not there is told without.
    settings : Settings, optional
        Of the run: what they leave out is not said.

    Returns
    -------
    text : str
        Paragraphs with citations like ``[@basser1996]``.
    references : dict
        What they cite, by key, in the order of their first mention.
    """
    own = settings or Settings()
    begin = Said("Data were processed by bids_stroke", packages="bids_stroke")
    predicted = [*dict.fromkeys(said for name, every in NETWORKS.items() if name in networks for said in every)]
    parts = [[begin], *(list(every) for name, every in STEPS.items() if name in steps)]
    parts += [[*predicted, *_ENSEMBLE]] if predicted else []
    told = [[said for said in part if said.where(own)] for part in parts]
    text = "\n\n".join(" ".join(said.in_words(versions) for said in part) for part in told if part)
    keys = dict.fromkeys(key for part in told for said in part for key in said.cited.split())
    return text, {key: REFERENCES[key] for key in keys}


def packages() -> set[str]:
    """All packages whose versions some sentence tells."""
    every = [*STEPS.values(), *NETWORKS.values(), _ENSEMBLE]
    return {name for sentences in every for said in sentences for name in said.packages.split()}


def installed_versions() -> dict[str, str]:
    """Versions of these packages, and of this one."""
    from importlib.metadata import version  # here: a command that is refused need not wait for it

    return {"bids_stroke": bids_stroke.__version__} | {name: version(name) for name in sorted(packages())}


def steps_that_ran(root: Path) -> list[str]:
    """Steps of which an OUTPUT_DIR has a manifest, of any unit: listed by name, none is read."""
    pattern = DATASET_FILES["manifest"]
    return [name for name in STEPS if next(root.glob(pattern.format(unit="*", step=name)), None) is not None]


def write_methods(root: Path, networks: Collection[str], settings: Settings) -> Path:
    """Write the methods and the bibliography of all units in an OUTPUT_DIR.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    text, cited = methods(steps_that_ran(root), networks, installed_versions(), settings)
    head = (
        "The following may be copied into a paper; its keys are those of the BibTeX file beside this one. It says what "
        "the app does with these steps, networks and settings; what was done to an image stands in its JSON file."
    )
    listed = "\n".join(f"- {key}: {item.in_words().strip()}" for key, item in cited.items())
    page = f"# Methods\n\n{head}\n\n{text}\n\n# References\n\n{listed or 'None.'}\n"
    write_text(dataset_file(root, "bibliography"), "\n\n".join(item.bibtex(key) for key, item in cited.items()) + "\n")
    return write_text(dataset_file(root, "methods"), page)
