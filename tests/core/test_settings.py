"""Settings from a file and from options; unknown keys are never ignored."""

from __future__ import annotations

from itertools import pairwise
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
    [
        ("fma_le<=17", 17, 18),
        ("fma_le<17", 16, 17),
        ("nihss>=5", 5, 4),
        ("nihss > 5.5", 6, 5.5),
        ("x<=17.123456789", 17, 17.2),
    ],
)
def test_outcome_rules(rule: str, poor: float, good: float) -> None:
    outcome = Outcome.parse(rule)
    assert outcome.is_poor(poor)
    assert not outcome.is_poor(good)
    assert Outcome.parse(str(outcome)) == outcome


@pytest.mark.parametrize(
    "rule", ["fma_le", "fma_le=17", "17<=fma_le", "fma_le<=", "<=17", "a<=1;b", "a<=nan", "a>inf", "a<=" + "9" * 400]
)
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


_LAUGHS = "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in pairwise("abcdefgh"))
"""Ten times ten times ten ... items in a few lines."""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour: red", "Setting 'colour'"),
        ("bold:\n  lowpass: 1", r"Setting 'bold\.lowpass'"),
        ("bold:\n  low_pass: fast", r"Setting 'bold\.low_pass'"),
        ("bold:\n  low_pass: 0.005", r"Setting 'bold'.*high_pass \(0\.01 Hz\) must be below low_pass \(0\.005 Hz\)"),
        ("eegemg:\n  emg_high_pass: 500", r"Setting 'eegemg'.*emg_high_pass \(500 Hz\) must be below emg_low_pass"),
        ("a: [", "not YAML"),
        ("seed: " + "9" * 5000, "not YAML"),
        ("a: 2026-99-99", "not YAML"),
        ("[" * 2000, "not YAML"),
        ("training: {members: " + "{a: " * 200 + "1" + "}" * 201, "nested without end"),
        ("training: {members: &a {b: *a}}", "nested without end"),
        ("a: &a [1,1,1,1,1,1,1,1,1,1]\n" + _LAUGHS, "nested without end"),
        ("5: 1", "Setting '5'"),
        ("true: 1", "Setting 'true'"),
        ("null: 1", "Setting 'null'"),
        ("dwi: {5: 1}", r"Setting 'dwi\.5'"),
        ("modalities: 5", "Setting 'modalities'"),
        ("modalities: fa", "Setting 'modalities'"),
        ("modalities: [fa, pet]", "Setting 'modalities'.* 'pet' is not known; known: fa"),
        ("modalities: []", "Setting 'modalities'"),
        ("modalities: [[fa]]", r"Setting 'modalities\.0'"),
        ("seed: 99999999999999999999", "Setting 'seed'"),
        ("outcome: {column: fma_le, operator: <=, threshold: .nan}", r"Setting 'outcome\.threshold'"),
        ("outcome: {column: fma_le, operator: <=, threshold: .inf}", r"Setting 'outcome\.threshold'"),
        ("outcome: {column: a b, operator: <=, threshold: 1}", r"Setting 'outcome\.column'"),
        ("eegemg: {eeg_max_uv: .nan}", r"Setting 'eegemg\.eeg_max_uv'"),
        ("eegemg: {window_seconds: 1.0e-9}", r"Setting 'eegemg\.window_seconds'"),
        ("eegemg: {low_pass: .inf}", r"Setting 'eegemg\.low_pass'"),
        ("training: {learning_rate: .inf}", r"Setting 'training\.learning_rate'"),
        ("training: {members: {a: {network: regions, x: .nan}}}", r"Setting 'training\.members'.*a: Out of range"),
        ("training: {members: {a: {x: 2026-01-01}}}", r"Setting 'training\.members'.*a: datetime"),
        ("training: {name: " + "a" * 300 + "}", r"Setting 'training\.name'"),
        ("- a", "no mapping"),
    ],
)
@pytest.mark.inputs(
    "A setting that is no number, or beyond what the app can work with, is refused with its key: exit code 2."
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


@pytest.mark.inputs("A key that is twice in a `--config` file is refused.")
@pytest.mark.parametrize("text", ["seed: 1\nseed: 2\n", "eegemg:\n  window_seconds: 12\nbold: {}\neegemg: {}\n"])
def test_a_key_that_is_there_twice(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.yml"
    path.write_text(text)
    with pytest.raises(UsageError, match=f"the key '{text.split(':')[0]}' is there twice"):
        load_settings(path)
    path.write_text("eegemg: {window_seconds: 12}\nbold: {}\n")
    assert load_settings(path).eegemg.window_seconds == 12
