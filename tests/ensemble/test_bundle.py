"""Bundles: written and read back, the same bytes for the same contents, and harm found."""

from __future__ import annotations

import hashlib
import json
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser, verify_metadata

from bids_stroke.bids.labels import participant_hash
from bids_stroke.core.errors import ModelError, OutputError
from bids_stroke.ensemble.bundle import load_bundle, write_bundle
from bids_stroke.ensemble.metadata import CHECKSUMS, METADATA, bundle_digest
from bids_stroke.fusion.fitted import Fusion
from tests.helpers.units import tiny_contents, tiny_fusion

FILES = (METADATA, "models/a.safetensors", "docs/model_card.md", "splits.tsv", "out_of_fold.tsv")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "models" / "tiny", tiny_contents()).path


def test_what_was_written_is_read_back(folder: Path) -> None:
    contents, bundle = tiny_contents(), load_bundle(folder)
    assert (bundle.name, bundle.version, bundle.outcome) == ("tiny", "1.0.0", "fma_le<=17")
    assert bundle.fusion == contents.fusion
    assert [entry.scaler for entry in bundle.members] == [entry.scaler for entry in contents.members]
    assert [entry.member.name for entry in bundle.members] == ["a", "b"]
    for name, wanted in contents.states.items():
        found = bundle.state(name)
        assert set(found) == set(wanted)
        assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_same_contents_give_the_same_bytes(tmp_path: Path) -> None:
    first = write_bundle(tmp_path / "a", tiny_contents())
    second = write_bundle(tmp_path / "b", tiny_contents())
    assert first.sha256 == second.sha256 == bundle_digest(tmp_path / "a")


def test_other_weights_give_another_digest(tmp_path: Path) -> None:
    first = write_bundle(tmp_path / "a", tiny_contents())
    second = write_bundle(tmp_path / "a", tiny_contents(fusion=Fusion({"a": 0.5, "b": 0.5})))
    assert first.sha256 != second.sha256
    assert load_bundle(tmp_path / "a").fusion.weights == {"a": 0.5, "b": 0.5}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_every_file_is_in_the_checksums_and_there_is_no_pickle(folder: Path) -> None:
    listed = {line.split("  ")[1]: line.split("  ")[0] for line in (folder / CHECKSUMS).read_text().splitlines()}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {CHECKSUMS}
    assert set(listed) == found == {*FILES, "models/b.safetensors"}
    assert listed[METADATA] == hashlib.sha256((folder / METADATA).read_bytes()).hexdigest()


def test_other_users_may_read_every_file(folder: Path) -> None:
    modes = {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}
    assert len(modes) == 1  # what the umask allows, for the weights as for the texts


def test_it_is_laid_out_like_a_monai_bundle_and_does_not_claim_to_be_one(folder: Path) -> None:
    """MONAI reads the metadata; what it would check against a schema, or build a network from, is not there."""
    metadata = ConfigParser.load_config_file(str(folder / METADATA))
    shared = {
        "version", "changelog", "monai_version", "pytorch_version", "numpy_version", "task", "description", "authors",
        "required_packages_version", "copyright", "intended_use",
    }  # fmt: skip
    assert shared <= set(metadata)
    assert metadata["version"] in metadata["changelog"]
    assert not {"schema", "network_data_format"} & set(metadata)
    assert {"configs", "models", "docs"} <= {path.name for path in folder.iterdir() if path.is_dir()}
    with pytest.raises(ValueError, match="schema"):
        verify_metadata(meta_file=str(folder / METADATA), filepath=str(folder / "schema.json"))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_a_harmed_file_is_found(folder: Path, name: str, harm: str) -> None:
    path = folder / name
    if harm == "missing":
        path.unlink()
    else:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))
    with pytest.raises(ModelError, match=Path(name).name) as caught:
        load_bundle(folder)
    assert caught.value.reason == "corrupt-model"
    assert caught.value.remedy


@pytest.mark.parametrize("text", ["", "nonsense\n", "0000  other.txt\n"])
def test_a_list_of_checksums_that_is_none(folder: Path, text: str) -> None:
    (folder / CHECKSUMS).write_text(text)
    with pytest.raises(ModelError) as caught:
        load_bundle(folder)
    assert caught.value.reason == "corrupt-model"


def rewrite(folder: Path, change: dict[str, Any]) -> None:
    """Change the metadata and the checksums with it, as another version of the app would have written them."""
    path = folder / METADATA
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    after = hashlib.sha256(path.read_bytes()).hexdigest()
    sums = folder / CHECKSUMS
    sums.write_text(sums.read_text().replace(before, after))


@pytest.mark.parametrize("key", ["format_version", "preprocessing_version"])
def test_another_version_is_refused_with_the_remedy(folder: Path, key: str) -> None:
    rewrite(folder, {key: 99})
    with pytest.raises(ModelError, match=f"{key} 99, this version") as caught:
        load_bundle(folder)
    assert caught.value.reason == "other-version"
    assert "Train it again" in caught.value.remedy


def test_metadata_without_members_is_refused(folder: Path) -> None:
    rewrite(folder, {"members": [{"name": "a"}]})
    with pytest.raises(ModelError, match="cannot be read"):
        load_bundle(folder)


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_that_is_no_bundle(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path / "none"
    if exists:
        folder.mkdir()
    with pytest.raises(ModelError, match="none") as caught:
        load_bundle(folder)
    assert caught.value.reason == "missing-model"
    assert caught.value.exit_code == 66


def test_participants_are_known_again_but_not_named(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert bundle.saw("tiny", "sub-00")
    assert not bundle.saw("tiny", "sub-02")
    assert not bundle.saw("other dataset", "sub-00")
    texts = [path.read_text() for path in folder.rglob("*") if path.suffix in (".json", ".tsv", ".md")]
    assert len(texts) == 4
    assert not any("sub-0" in text for text in texts)


def test_out_of_fold_predictions_are_found_by_hash(folder: Path) -> None:
    bundle = load_bundle(folder)
    table = bundle.out_of_fold().set_index("participant_hash")
    assert table.loc[participant_hash(bundle.salt, "tiny", "sub-01"), "probability_poor"] == 0.6


def test_the_distribution_of_the_outcome_comes_back_and_is_told(tmp_path: Path) -> None:
    fusion = tiny_fusion("a", "b", levels=(0.03, 0.93))
    path = write_bundle(tmp_path, tiny_contents(fusion=fusion)).path
    assert load_bundle(path).fusion == fusion
    card = (path / "docs" / "model_card.md").read_text()
    assert "Decided: good below a probability of 40.0%, poor above 60.0%" in card
    assert "from 7.0% to 97.0% of the distribution" in card  # low scores are poor: the levels count from there


def test_a_full_disk_leaves_the_bundle_that_was_there(folder: Path) -> None:
    before = bundle_digest(folder)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # no file may be larger
    try:
        with pytest.raises(OutputError, match="tiny cannot be written: File too large"):
            write_bundle(folder, tiny_contents(fusion=Fusion({"a": 0.5, "b": 0.5})))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert load_bundle(folder).sha256 == before
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]
