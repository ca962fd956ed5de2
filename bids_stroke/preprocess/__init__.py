"""One file a step; here the registry of preprocessing steps, in the order in which they run."""

from bids_stroke.preprocess.step import Step

STEPS: tuple[Step, ...] = (
    Step("anat", modalities=("gm", "wm"), inputs=("t1w", "ready_anat", "lesion")),
    Step("lesion", modalities=("lesion",), inputs=("lesion",), after=("anat",), settings="anat"),
    Step("dwi", modalities=("fa", "md", "rd", "ad"), inputs=("dwi", "ready_dwi", "epi"), after=("anat", "lesion")),
    Step("bold", modalities=("bold",), inputs=("bold",), after=("anat", "lesion")),
    Step("eegemg", modalities=("eegemg",), inputs=("eeg", "emg")),
    Step("maps", modalities=("fa", "md", "rd", "ad", "gm", "wm"), inputs=("maps",), settings="anat"),
)
