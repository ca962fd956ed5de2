"""Records of a bundle's parts, from the fields of its metadata, and the other way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bids_stroke.core.records import Member
from bids_stroke.ensemble.member import BundleMember
from bids_stroke.ensemble.profile import CohortProfile, Range
from bids_stroke.features.covariates import CovariateScaler
from bids_stroke.fusion.distribution import Distribution, Line, Recalibration
from bids_stroke.fusion.fitted import Fusion, Scale

if TYPE_CHECKING:
    from bids_stroke.ensemble.metadata_fields import BaselineFields, EntryFields, MetadataFields


def fusion_json(fusion: Fusion) -> dict[str, Any]:
    """A fusion as it stands in the metadata; a recalibration only where there is one."""
    known = asdict(fusion.distribution) if fusion.distribution else None
    if known is not None and known["recalibration"] is None:
        del known["recalibration"]
    return {
        "fusion_weights": dict(fusion.weights),
        "scales": [asdict(scale) for scale in fusion.scales],
        "distribution": known,
    }


def member_of(entry: EntryFields) -> BundleMember:
    """A member."""
    scaler = CovariateScaler(**_tuples(entry.scaler.model_dump()))
    return BundleMember(Member(**entry.member.model_dump()), scaler, entry.score_mean, entry.score_sd)


def fusion_of(metadata: MetadataFields | BaselineFields) -> Fusion:
    """The fusion of the members, or of a baseline."""
    scales = tuple(Scale(**_tuples(scale.model_dump())) for scale in metadata.scales)
    if (known := metadata.distribution) is None:
        return Fusion(metadata.fusion_weights, scales)
    others = tuple(Line(**line.model_dump()) for line in known.others)
    change = Recalibration(**_tuples(known.recalibration.model_dump())) if known.recalibration else None
    plain = _tuples(known.model_dump(exclude={"others", "recalibration"}))
    return Fusion(metadata.fusion_weights, scales, Distribution(**plain, others=others, recalibration=change))


def profile_of(metadata: MetadataFields) -> CohortProfile | None:
    """The training people in numbers; None where the bundle has none."""
    if (known := metadata.applicability) is None:
        return None
    ranges = tuple(Range(**_tuples(one.model_dump())) for one in known.ranges)
    return CohortProfile(ranges, tuple(known.distances), known.people)


def _tuples(content: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a record, whose lists are tuples."""
    return {key: _tuple(value) for key, value in content.items()}


def _tuple(value: Any) -> Any:
    return tuple(_tuple(item) for item in value) if isinstance(value, list) else value
