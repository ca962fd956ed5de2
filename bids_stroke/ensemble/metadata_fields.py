"""What a bundle's metadata must hold, key by key: a value of another kind is one message, not a failure later on."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bids_stroke.core.errors import ModelError, UsageError
from bids_stroke.core.outcome import Outcome
from bids_stroke.ensemble.levels import DISTANCE_LEVELS, LEVELS

_FILE_NAME = r"^[^/\\\x00.][^/\\\x00]*$"
"""Of a member: its weights lie in ``models/<name>.safetensors``, so it must not lead elsewhere."""
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Pair = Annotated[list[float], Field(min_length=2, max_length=2)]


class _Fields(BaseModel):
    """Values as JSON has them: nothing is turned into another kind, and NaN and infinity are no numbers."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")


class ScalerFields(_Fields):
    """`features.covariates.CovariateScaler`."""

    names: list[str]
    mean: list[float]
    sd: list[float]
    """Not 0; below 0 where a network was trained with the sex coded the other way."""
    low: list[float]
    high: list[float]
    indicators: bool = True

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        if len({len(item) for item in (self.names, self.mean, self.sd, self.low, self.high)}) > 1:
            raise ValueError("names, mean, sd, low and high differ in length")
        if 0 in self.sd:
            raise ValueError("sd holds 0")
        return self


class MemberFields(_Fields):
    """`core.records.Member`."""

    name: Annotated[str, Field(pattern=_FILE_NAME)]
    modality: str
    network: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    inputs: dict[str, Any] = Field(default_factory=dict)


class EntryFields(_Fields):
    """`ensemble.bundle.BundleMember`."""

    member: MemberFields
    scaler: ScalerFields
    score_mean: float
    score_sd: NotNegative


class ScaleFields(_Fields):
    """`fusion.fitted.Scale`."""

    logit: Pair
    score: Pair | None = None

    @model_validator(mode="after")
    def _deviates(self) -> Self:
        if self.logit[1] <= 0 or (self.score is not None and self.score[1] == 0):
            raise ValueError("a deviation is 0 or less")
        return self


class LineFields(_Fields):
    """`fusion.distribution.Line`."""

    intercept: float
    slope: float
    spread: float
    reach: NotNegative


class RecalibrationFields(_Fields):
    """`fusion.distribution.Recalibration`."""

    level: float
    slope: Annotated[float, Field(gt=0)]
    variance: Annotated[list[float], Field(min_length=3, max_length=3)]

    @model_validator(mode="after")
    def _is_a_variance(self) -> Self:
        level, both, slope = self.variance
        if level < 0 or slope < 0 or both**2 > level * slope * (1 + 1e-9):
            raise ValueError("variance is none")
        return self


class DistributionFields(_Fields):
    """`fusion.distribution.Distribution`."""

    limits: Annotated[list[float], Field(min_length=1)]
    intercepts: list[float]
    slope: NotNegative
    spread: float
    reach: NotNegative
    cut: Annotated[int, Field(ge=0)]
    ends: Pair
    means: list[float]
    range: Pair
    direction: Literal[-1, 1]
    levels: Annotated[list[Share], Field(min_length=2, max_length=2)] | None
    decided: Annotated[list[Share], Field(min_length=2, max_length=2)]
    coverage: Annotated[float, Field(gt=0, lt=1)]
    others: list[LineFields] = []
    refitting: NotNegative = 0.0
    recalibration: RecalibrationFields | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        k = len(self.limits)
        if len(self.intercepts) != k or len(self.means) != k + 1 or self.cut >= k:
            raise ValueError("limits, intercepts, means and cut do not belong together")
        places = [self.ends[0], *self.limits, self.ends[1]]
        if any(low >= high for low, high in pairwise(places)):
            raise ValueError("limits do not ascend")
        if any(low < high for low, high in pairwise(self.intercepts)):
            raise ValueError("intercepts do not descend")
        if self.decided[0] > self.decided[1]:
            raise ValueError("decided: good and poor overlap")
        return self


class BaselineFields(EntryFields):
    """`ensemble.baselines.Baseline`."""

    fusion_weights: dict[str, NotNegative]
    scales: Annotated[list[ScaleFields], Field(min_length=1, max_length=1)]
    distribution: DistributionFields
    needs: str | None = None

    @model_validator(mode="after")
    def _is_of_itself(self) -> Self:
        if set(self.fusion_weights) != {self.member.name} or not self.member.name.startswith("baseline_"):
            raise ValueError("not named baseline_, or its fusion is of something else")
        return self


class RangeFields(_Fields):
    """`ensemble.profile.Range`."""

    name: str
    cube_root: bool
    quantiles: Annotated[list[float], Field(min_length=len(LEVELS), max_length=len(LEVELS))]
    people: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if any(low > high for low, high in pairwise(self.quantiles)) or self.quantiles[0] == self.quantiles[-1]:
            raise ValueError("quantiles do not ascend")
        return self


class ProfileFields(_Fields):
    """`ensemble.profile.CohortProfile`."""

    ranges: Annotated[list[RangeFields], Field(min_length=1)]
    distances: Annotated[list[NotNegative], Field(min_length=len(DISTANCE_LEVELS), max_length=len(DISTANCE_LEVELS))]
    people: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if any(low > high for low, high in pairwise(self.distances)):
            raise ValueError("distances do not ascend")
        return self


class AuditFields(_Fields):
    """`ensemble.explanation.audit.Audit`."""

    auc: Share | None
    auc_low: float | None
    alike: Annotated[float, Field(ge=-1, le=1)] | None
    outside: Share | None
    faithful: Share | None
    empty: Share
    people: Annotated[int, Field(ge=1)]
    shuffled: Annotated[float, Field(ge=-1, le=1)] | None = None


class SettingsFields(_Fields):
    """What is read of the settings of the training, which are kept for people to read."""

    model_config = ConfigDict(extra="allow")

    lesion_side: Literal["as-is", "normalise"] = "as-is"
    """Bundles from before there was such a setting knew only as-is."""


class FactsFields(_Fields):
    """What the model card tells."""

    model_config = ConfigDict(extra="allow")

    settings: SettingsFields = SettingsFields()


class MetadataFields(_Fields):
    """``configs/metadata.json``, as far as it is read; MONAI's own fields are left alone."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, Field(min_length=1)]
    version: str
    outcome: str
    demonstration: bool
    members: Annotated[list[EntryFields], Field(min_length=1)]
    early_fusion: EntryFields | None = None
    baselines: list[BaselineFields] = Field(default_factory=list)
    fusion_weights: dict[str, NotNegative]
    scales: list[ScaleFields]
    distribution: DistributionFields | None
    applicability: ProfileFields | None = None
    """Bundles from before it was measured have none."""
    explanation_audit: dict[str, AuditFields] = Field(default_factory=dict)
    """Of deep members; bundles from before it was made, and imported ones, have none."""
    salt: str
    participants: dict[str, list[str]]
    facts: FactsFields

    @field_validator("outcome")
    @classmethod
    def _is_a_rule(cls, text: str) -> str:
        try:
            Outcome.parse(text)
        except UsageError:
            raise ValueError(f"{text!r} is not a rule such as fma_le<=17") from None
        return text

    @model_validator(mode="after")
    def _weights_are_of_the_members(self) -> Self:
        names = [entry.member.name for entry in self.fitted]
        if len(set(names)) < len(names):
            raise ValueError("members: two have the same name")
        if len({one.member.name for one in self.networks}) < len(self.networks):
            raise ValueError("baselines: two have the same name")
        if set(self.fusion_weights) != set(names) or not sum(self.fusion_weights.values()) > 0:
            raise ValueError("fusion_weights: not one for each member, with a sum above 0")
        if self.distribution is not None and len(self.scales) != len(names):
            raise ValueError("scales: not one for each member")
        parts = self.early_fusion.member.inputs.get("parts") if self.early_fusion else []
        if not isinstance(parts, list) or not all(part in names for part in parts):
            raise ValueError("early_fusion.member.inputs.parts: not a list of members")
        return self

    @property
    def fitted(self) -> list[EntryFields]:
        """The members and, last, the early fusion."""
        return [*self.members, *([self.early_fusion] if self.early_fusion else [])]

    @property
    def networks(self) -> list[EntryFields]:
        """All that has weights: `fitted`, then the baselines."""
        return [*self.fitted, *self.baselines]


def metadata_fields(file: Path, content: Mapping[str, Any]) -> MetadataFields:
    """The content of a bundle's metadata, checked.

    Raises
    ------
    ModelError
        A key is missing or holds what it must not; the message names it, and the file.
    """
    try:
        return MetadataFields.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        what = f"{place}: {first['msg']}" if place else str(first["msg"])
        raise ModelError(
            f"{file} cannot be read: {what}.",
            "Copy the bundle again from where it was made, or train it again.",
            "corrupt-model",
        ) from None
