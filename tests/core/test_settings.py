"""Settings from a file and from options; unknown keys are never ignored."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_stroke.core.errors import InputError, UsageError
from bids_stroke.core.outcome import Outcome
from bids_stroke.core.settings import Settings, describe_settings, load_settings
from bids_stroke.core.settings_preprocess import BoldSettings
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("rule", "poor", "good"),
    [("fma_le<=17", 17, 18), ("fma_le<17", 16, 17), ("nihss>=5", 5, 4), ("nihss > 5.5", 6, 5.5)],
)
def test_outcome_rules(rule: str, poor: float, good: float) -> None:
    outcome = Outcome.parse(rule)
    assert outcome.is_poor(poor)
    assert not outcome.is_poor(good)
    assert Outcome.parse(str(outcome)) == outcome


@pytest.mark.parametrize("rule", ["fma_le", "fma_le=17", "17<=fma_le", "fma_le<=", "<=17", "a<=1;b"])
def test_what_is_no_rule_is_refused(rule: str) -> None:
    with pytest.raises(UsageError, match="--outcome"):
        Outcome.parse(rule)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_rule_and_its_opposite_split_every_score(threshold: float, value: float) -> None:
    low = Outcome(column="x", operator="<=", threshold=threshold)
    high = Outcome(column="x", operator=">", threshold=threshold)
    assert low.is_poor(value) != high.is_poor(value)


def test_options_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.yml"
    path.write_text("seed: 3\noutcome: nihss>=5\nbold:\n  low_pass: 0.08\n")
    settings = load_settings(path, seed=7, precision=None)
    assert settings.seed == 7
    assert settings.outcome == Outcome(column="nihss", operator=">=", threshold=5)
    assert settings.bold == BoldSettings(low_pass=0.08)
    assert settings.precision == "fp32"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour: red", "Setting 'colour'"),
        ("bold:\n  lowpass: 1", r"Setting 'bold\.lowpass'"),
        ("bold:\n  low_pass: fast", r"Setting 'bold\.low_pass'"),
        ("bold:\n  low_pass: 0.005", r"Setting 'bold'.*high_pass \(0\.01 Hz\) must be below low_pass \(0\.005 Hz\)"),
        ("eegemg:\n  emg_high_pass: 500", r"Setting 'eegemg'.*emg_high_pass \(500 Hz\) must be below emg_low_pass"),
        ("a: [", "not YAML"),
        ("- a", "no mapping"),
    ],
)
def test_bad_files_are_usage_errors_that_name_the_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "settings.yml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_settings(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_settings(tmp_path / "none.yml")


def test_the_digest_changes_with_every_value_and_only_then() -> None:
    assert BoldSettings().digest() == BoldSettings(low_pass=0.1).digest()
    assert BoldSettings().digest() != BoldSettings(low_pass=0.2).digest()
    assert Settings().digest() != Settings(seed=1).digest()


def test_the_documented_settings_are_the_defaults(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    documented = page.split("```yaml\n")[1].split("```")[0]
    assert documented.strip() == describe_settings().strip()
    path = tmp_path / "settings.yml"
    path.write_text(documented)
    assert load_settings(path) == Settings()
