"""The fusion of whoever has some of the members, fitted on what these said of people on whom they had not trained."""

from bids_stroke.fusion.among import fit_fusion, fusion_among

__all__ = ["fit_fusion", "fusion_among"]
