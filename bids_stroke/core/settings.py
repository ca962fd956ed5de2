"""Settings (they change results and are hashed) and Execution (they do not)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from bids_stroke.core.errors import UsageError
from bids_stroke.core.frozen import Frozen
from bids_stroke.core.json_files import MAX_DEPTH, depth_exceeds
from bids_stroke.core.modalities import MODALITIES
from bids_stroke.core.outcome import Outcome
from bids_stroke.core.settings_preprocess import AnatSettings, BoldSettings, DwiSettings, EegEmgSettings
from bids_stroke.core.settings_training import TrainingSettings

LARGEST_SEED = 2_000_000_000
"""Libraries take 32 bits, some with a sign; and seeds that follow from this one are a little larger."""


_OURS = ("array", "output", "dependency", "mem", "time", "parsable", "wait", "wrap", "gres", "test-only")
"""Options of sbatch that the app gives itself."""


class ClusterSettings(Frozen):
    """How jobs are handed to Slurm (``--cluster slurm``); nothing here changes results."""

    sbatch: tuple[str, ...] = ()
    """Further arguments of sbatch, as --partition=long or --account=lab: what your cluster wants."""
    setup: tuple[str, ...] = ()
    """Lines of shell at the begin of each job, as module load apptainer."""
    command: str = ""
    """What starts bids_stroke in a job, in shell, as apptainer run --cleanenv --bind /data bids_stroke.sif; empty: the
    Python that runs now."""
    memory_mb: Annotated[int, Field(ge=1)] | None = None
    """Memory of a job; null: by the size of the images, and what units have needed that are done."""
    minutes: Annotated[int, Field(ge=1)] | None = None
    """Time limit of a job; null: likewise."""
    at_a_time: Annotated[int, Field(ge=1)] | None = None
    """Tasks of an array that may run at a time; null: as many as the cluster gives."""
    units_per_task: Annotated[int, Field(ge=1)] | None = None
    """Units that a task computes one after the other; null: one, and of many short ones several."""
    gres: str = ""
    """What a job asks for besides, as gpu:1; of the levels participant and train, and not with --device cpu."""

    @property
    def partition(self) -> str:
        """That the further arguments of sbatch name; empty where they name none."""
        found = [word.partition("=")[2] for word in self.sbatch if word.startswith("--partition=")]
        return next((name for name in reversed(found)), "")

    @field_validator("sbatch")
    @classmethod
    def _not_ours(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            name = word.partition("=")[0].removeprefix("--")
            if name in _OURS or word[:2] in ("-a", "-o", "-d", "-t", "-W") or not word.startswith("-"):
                raise ValueError(
                    f"'{word}' cannot be given: each is one word like --partition=long, and array, output, dependency, "
                    "memory, time and gres are set by bids_stroke (memory_mb, minutes, gres)"
                )
        return words


class Settings(Frozen):
    """Everything that changes results; and how a cluster is asked, which no digest and no bundle holds."""

    modalities: Annotated[tuple[str, ...], Field(min_length=1)] = Field(default_factory=lambda: tuple(MODALITIES))
    outcome: Outcome = Outcome(column="fma_le", operator="<=", threshold=17)
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = 0
    precision: Literal["fp32", "bf16"] = "fp32"
    lesion_side: Literal["as-is", "normalise"] = "as-is"
    """``normalise``: the affected hemisphere is put on the left in standard space; ``as-is``: nothing is flipped."""
    explain: bool = True
    """After a prediction: pictures and tables of where its networks looked (seconds a person; docs/speed.md)."""
    anat: AnatSettings = AnatSettings()
    dwi: DwiSettings = DwiSettings()
    bold: BoldSettings = BoldSettings()
    eegemg: EegEmgSettings = EegEmgSettings()
    training: TrainingSettings = TrainingSettings()
    cluster: ClusterSettings = Field(default=ClusterSettings(), exclude=True)

    @field_validator("modalities")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in names if name not in MODALITIES]:
            raise ValueError(f"'{unknown[0]}' is not known; known: {' '.join(MODALITIES)}")
        return names

    @model_validator(mode="after")
    def _one_side_or_both(self) -> Self:
        if self.training.augment.flip and self.lesion_side == "normalise":
            raise ValueError("training.augment.flip exchanges the sides that lesion_side: normalise puts in order")
        return self


class Execution(Frozen):
    """Where, how many, how loud: nothing here is meant to change results.

    Sums in another order can change last digits: with other ``omp_nthreads`` or on another device, weights and
    probabilities agree closely, not to the last bit.
    """

    work_dir: Path | None = None
    nprocs: Annotated[int, Field(ge=1)] | None = None
    """None: by the CPUs and memory that are there."""
    omp_nthreads: Annotated[int, Field(ge=1)] = 1
    mem_gb: float | None = None
    device: str = "auto"
    stop_on_first_crash: bool = False
    force: bool = False
    verbosity: int = 0


def load_settings(config: Path | None, **options: Any) -> Settings:
    """Settings from a YAML file (``--config``), with command-line options on top.

    Raises
    ------
    InputError
        The file is missing or not YAML.
    UsageError
        A key or value that is not known, named with its place.
    """
    values: dict[str, Any] = {}
    if config is not None:
        from bids_stroke.core.yaml_files import read_yaml  # here, because it costs a twentieth of a plan's time

        values = read_yaml(config)
        if isinstance(values.get("outcome"), str):
            values["outcome"] = Outcome.parse(values["outcome"])
        if depth_exceeds([values], MAX_DEPTH):
            raise UsageError(f"--config {config} has lists or mappings nested without end.", "Correct the file.")
        if odd := [key for key in values if not isinstance(key, str)]:
            name = json.dumps(odd[0], default=str)
            raise UsageError(f"Setting '{name}' in --config {config}: no setting is called so.", "Correct the file.")
    values |= {key: value for key, value in options.items() if value is not None}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        source = f"--config {config}" if config else "the options"
        why = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"Setting '{place}' in {source}: {why}.", "See docs/configuration.md.") from None


def describe_settings(section: BaseModel | None = None, indent: str = "") -> str:
    """All settings with their defaults and meaning, as a YAML file that ``--config`` reads."""
    section = section or Settings()
    lines = []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Frozen) and not isinstance(value, Outcome):
            lines += [
                "",
                f"{indent}{name}:  # {(type(value).__doc__ or '').strip()}",
                describe_settings(value, indent + "  "),
            ]
            continue
        text = str(value) if isinstance(value, Outcome) else json.dumps(value)
        meaning = " ".join((field.description or "").split())
        lines.append(f"{indent}{name}: {text}" + (f"  # {meaning}" if meaning else ""))
    return "\n".join(lines)
