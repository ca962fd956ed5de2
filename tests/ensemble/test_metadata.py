"""Bundles that were tampered with, cut, or made by hand: refused before anything of them is used, the file named."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bids_stroke.app.model import DEMONSTRATION
from bids_stroke.cli.tools import main
from bids_stroke.core.errors import ModelError
from bids_stroke.ensemble.bundle import load_bundle, write_bundle
from bids_stroke.ensemble.metadata import (
    CHECKSUMS,
    METADATA,
    bundle_lesion_side,
    bundle_modalities,
    bundle_outcome,
    verify_bundle,
)
from tests.helpers.units import tiny_contents


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("models") / "tiny", tiny_contents()).path


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "tiny"))


def sign(folder: Path) -> None:
    """Write the checksums anew, as somebody would who changed a file on purpose."""
    names = [line.split("  ", 1)[1] for line in (folder / CHECKSUMS).read_text().splitlines()]
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}" for name in names]
    (folder / CHECKSUMS).write_text("\n".join(lines) + "\n")


def refused(folder: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        load_bundle(folder)
    assert caught.value.exit_code == 66
    assert caught.value.remedy
    return caught.value


@pytest.mark.inputs(
    "Each file of a model that is read must stand in its `SHA256SUMS`; all are compared before anything is parsed.",
    "A file without a checksum, a changed file, and a name or link that leads out of the model's folder are refused.",
)
@pytest.mark.parametrize("name", [METADATA, "models/a.safetensors", "out_of_fold.tsv", "docs/model_card.md"])
def test_a_file_without_a_checksum(folder: Path, name: str) -> None:
    rows = (folder / CHECKSUMS).read_text().splitlines()
    (folder / CHECKSUMS).write_text("\n".join(row for row in rows if not row.endswith(name)) + "\n")
    error = refused(folder)
    assert (Path(name).name if name != METADATA else CHECKSUMS) in error.message


def test_what_the_fusion_was_fitted_on_must_not_be_slipped_in(folder: Path) -> None:
    (folder / "evidence.tsv").write_text("poor\tscore\n")
    error = refused(folder)
    assert "evidence.tsv is not in SHA256SUMS" in error.message
    assert "sha256sum evidence.tsv >> SHA256SUMS" in error.remedy


def test_nothing_is_parsed_before_all_is_compared(folder: Path) -> None:
    (folder / METADATA).write_text("{")
    assert "metadata.json is corrupt: its sha256 differs" in refused(folder).message


@pytest.mark.parametrize("name", ["../other.txt", "/etc/hostname", "models/../../other.txt", "a\0b"])
def test_a_name_that_leads_out(folder: Path, name: str) -> None:
    (folder.parent / "other.txt").write_text("x")
    with (folder / CHECKSUMS).open("a") as stream:
        stream.write(f"{hashlib.sha256(b'x').hexdigest()}  {name}\n")
    assert "is not within the bundle" in refused(folder).message


@pytest.mark.parametrize("name", [METADATA, "models/a.safetensors", CHECKSUMS, "models"])
def test_a_link_that_leads_out(folder: Path, name: str) -> None:
    (folder / name).rename(folder.parent / "elsewhere")
    (folder / name).symlink_to(folder.parent / "elsewhere")
    error = refused(folder)
    assert "is not within the bundle" in error.message
    assert "cp -rL" in error.remedy


def test_a_link_to_the_whole_folder_is_the_folder(folder: Path) -> None:
    (folder.parent / "latest").symlink_to(folder)
    assert load_bundle(folder.parent / "latest").sha256 == load_bundle(folder).sha256


@pytest.mark.parametrize("text", [b"\xff\xfe", b"0  configs/metadata.json", b"a  b\n" * 2, b"x" * 5000])
def test_a_list_that_is_none(folder: Path, text: bytes) -> None:
    (folder / CHECKSUMS).write_bytes(text)
    assert refused(folder).reason == "corrupt-model"


def at(*place: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    """Puts a value at a place of the metadata."""

    def change(metadata: dict[str, Any]) -> None:
        inner: Any = metadata
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value

    return change


HARM = {
    "members": at("members", value=5),
    "members.0": at("members", value=["a"]),
    "members.0.member.name": at("members", 0, "member", "name", value="../a"),
    "members.1.member.name": at("members", 1, "member", "name", value=".hidden"),
    "members.0.member.arguments": at("members", 0, "member", "arguments", value=[1]),
    "members.0.scaler.mean.1": at("members", 0, "scaler", "mean", value=[1.0, "2", 3.0]),
    "members.0.scaler": at("members", 0, "scaler", "names", value=["age"]),
    "members.0.score_sd": at("members", 0, "score_sd", value=float("nan")),
    "members.1.score_mean": at("members", 1, "score_mean", value=True),
    "fusion_weights.a": at("fusion_weights", "a", value=float("inf")),
    "fusion_weights": at("fusion_weights", value={"a": 1.0}),
    "scales.0": at("scales", 0, "logit", value=[0.0, 0.0]),
    "scales": at("scales", value=[]),
    "distribution.slope": at("distribution", "slope", value=-1.0),
    "distribution.levels.0": at("distribution", "levels", value=[-0.1, 0.9]),
    "distribution.direction": at("distribution", "direction", value=0),
    "distribution.cut": at("distribution", "cut", value=-1),
    "distribution": at("distribution", value="none"),
    "participants.train": at("participants", "train", value="abc"),
    "facts": at("facts", value=[]),
    "facts.settings": at("facts", value={"settings": 1}),
    "outcome": at("outcome", value="fma_le ~ 17"),
    "demonstration": at("demonstration", value="no"),
    "name": at("name", value=None),
    "salt": lambda metadata: metadata.pop("salt"),
}


@pytest.mark.inputs(
    "A value of another kind in a model's metadata, and NaN or infinity, is refused with its file and key (66)."
)
@pytest.mark.parametrize("key", HARM)
def test_a_value_of_another_kind(folder: Path, key: str) -> None:
    content = json.loads((folder / METADATA).read_text())
    HARM[key](content)
    (folder / METADATA).write_text(json.dumps(content))
    sign(folder)
    error = refused(folder)
    assert f"{folder / METADATA} cannot be read: " in error.message
    assert key in error.message


@pytest.mark.parametrize("text", ["[]", "{", "", '{"a": ' * 90 + "1" + "}" * 90])
def test_metadata_that_are_no_object(folder: Path, text: str) -> None:
    (folder / METADATA).write_text(text)
    sign(folder)
    assert str(folder / METADATA) in refused(folder).message


def test_packages_that_are_no_mapping_do_not_hide_the_version(folder: Path) -> None:
    content = json.loads((folder / METADATA).read_text()) | {"format_version": 99, "required_packages_version": []}
    (folder / METADATA).write_text(json.dumps(content))
    sign(folder)
    error = refused(folder)
    assert error.reason == "other-version"
    assert "bids_stroke unknown" in error.remedy


def test_the_demonstration_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(verify_bundle(DEMONSTRATION).members) == 18
    assert bundle_outcome(DEMONSTRATION) == "fma_le<=17"
    assert bundle_modalities(DEMONSTRATION)["shufflenet"] == "bold"
    assert bundle_lesion_side(DEMONSTRATION) == "as-is"


def test_what_verify_says_of_a_whole_and_of_a_harmed_bundle(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["model", "verify", str(folder)])
    assert not stop.value.code
    assert "bundle tiny 1.0.0 is whole" in capsys.readouterr().out
    (folder / "models" / "a.safetensors").write_bytes(b"x")
    sign(folder)
    with pytest.raises(SystemExit) as stop:
        main(["model", "verify", str(folder)])
    assert stop.value.code == 66
    assert "a.safetensors cannot be read" in capsys.readouterr().err
