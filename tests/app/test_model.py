"""Which model is used, and whether it fits what was asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bids_stroke.app.model import check_lesion_side
from bids_stroke.core.errors import UsageError
from bids_stroke.ensemble.bundle import write_bundle
from tests.helpers.units import tiny_contents


def test_a_model_of_the_other_setting_is_refused(tmp_path: Path) -> None:
    contents = tiny_contents()
    old = write_bundle(tmp_path / "old", contents).path
    facts = {**contents.facts, "settings": {"lesion_side": "normalise"}}
    new = write_bundle(tmp_path / "new", replace(contents, facts=facts)).path
    check_lesion_side(old, "as-is")
    check_lesion_side(new, "normalise")
    for model, wanted in ((old, "normalise"), (new, "as-is")):
        with pytest.raises(UsageError, match=f"lesion_side is {wanted}, but the model"):
            check_lesion_side(model, wanted)
