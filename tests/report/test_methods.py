"""Methods in words: of the steps and networks that ran, all of them and no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import bids_stroke
from bids_stroke.core.settings import Settings
from bids_stroke.networks import registry
from bids_stroke.preprocess import registry as preprocess
from bids_stroke.report.methods import NETWORKS, STEPS, installed_versions, methods, packages, write_methods
from bids_stroke.report.references import REFERENCES

CITED = re.compile(r"@(\w+)")


def test_every_step_and_network_has_its_methods() -> None:
    assert list(STEPS) == list(preprocess.STEPS)
    assert set(NETWORKS) == set(registry.NETWORKS)


def test_every_reference_is_cited_and_there() -> None:
    cited = set()
    for fit in ("wls", "restore"):
        text, found = methods([*STEPS], [*NETWORKS], {}, Settings.model_validate({"dwi": {"fit": fit}}))
        assert set(CITED.findall(text)) == set(found)
        cited |= set(found)
    assert cited == set(REFERENCES)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_did_not_run_is_not_told(step: str) -> None:
    text, cited = methods([step], [], {"bids_stroke": "9.9"})
    assert text.startswith("Data were processed by bids_stroke (bids_stroke 9.9).")
    assert list(dict.fromkeys(CITED.findall(text))) == list(cited)
    others = {said.text for name, every in STEPS.items() if name != step for said in every}
    assert not [words for words in others - {said.text for said in STEPS[step]} if words in text]
    assert [said for said in STEPS[step] if said.text in text]


def test_networks_and_fusion_are_told_where_there_is_an_ensemble() -> None:
    text, cited = methods([], ["lstm"], {"torch": "2.0"})
    assert "Stacked LSTM" in text and "torch 2.0" in text and "hochreiter1997" in cited
    assert "fused" not in methods(["anat"], [], {})[0]
    assert "woo2018" not in cited


def test_what_the_settings_leave_out_is_not_told() -> None:
    off = Settings.model_validate(
        {"dwi": {"denoise": False, "gibbs": "off", "motion": False, "susceptibility": "none"}}
    )
    _, cited = methods(["dwi"], [], {}, off)
    assert not {"veraart2016", "kellner2016", "andersson2015", "andersson2003"} & cited.keys()
    assert "basser1996" in cited
    masked = Settings.model_validate({"anat": {"lesion_handling": "mask"}})
    assert "nachev2008" not in methods(["anat"], [], {}, masked)[1]
    assert "masked out" in methods(["anat"], [], {}, masked)[0]


def test_versions_are_those_that_are_installed() -> None:
    versions = installed_versions()
    assert set(versions) == packages() | {"bids_stroke"}
    assert versions["bids_stroke"] == bids_stroke.__version__
    text, _ = methods([*STEPS], [*NETWORKS], versions)
    assert [name for name in versions if f"{name} {versions[name]}" not in text] == []


def test_the_files_hold_the_same_keys_and_the_steps_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "logs" / "manifests"
    folder.mkdir(parents=True)
    (folder / "person-01_step-dwi.json").write_text("{}")
    (folder / "person-01_step-figures.json").write_text("{}")
    page = write_methods(tmp_path, ["lstm"], Settings()).read_text()
    entries = re.findall(r"^@(?:article|misc)\{(\w+),$", (tmp_path / "logs" / "CITATION.bib").read_text(), re.MULTILINE)
    assert "basser1996" in entries and "hochreiter1997" in entries and "tustison2010" in entries
    assert "fisch2024" not in entries and "gramfort2013" not in entries
    assert list(dict.fromkeys(CITED.findall(page.split("# References")[0]))) == entries
    assert re.findall(r"^- (\w+): ", page, re.MULTILINE) == entries
