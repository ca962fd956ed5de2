"""The style of BIDS Apps, rewritten into click's."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_stroke.cli.arguments import derivative_folders, expand_arguments
from bids_stroke.core.errors import InputError, UsageError


@pytest.mark.parametrize(
    ("arguments", "expanded"),
    [
        (["--participant_label", "01", "02"], ["--participant-label=01", "--participant-label=02"]),
        (["a", "b", "participant", "--force"], ["a", "b", "participant", "--force"]),
        (["--session-label", "1", "-v", "x"], ["--session-label=1", "-v", "x"]),
        (["--modalities", "fa", "md", "--omp_nthreads=2"], ["--modalities=fa", "--modalities=md", "--omp-nthreads=2"]),
        (["--participant-label=01", "x"], ["--participant-label=01", "x"]),
        (["--mem_gb", "8", "--task-label", "rest"], ["--mem-gb", "8", "--task-label=rest"]),
    ],
)
def test_bids_app_style_is_expanded(arguments: list[str], expanded: list[str]) -> None:
    assert expand_arguments(arguments) == expanded


def test_labels_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("sub-01\n02\n")
    expected = ["--participant-label=sub-01", "--participant-label=02", "--participant-label=03"]
    assert expand_arguments(["--participant-label", f"@{path}", "03"]) == expected
    assert expand_arguments([f"--participant_label=@{path}"]) == expected[:2]
    with pytest.raises(InputError, match="cannot be read"):
        expand_arguments(["--participant-label", f"@{tmp_path / 'none'}"])


def test_a_file_that_names_nothing_selects_nothing(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("\n")
    with pytest.raises(UsageError, match="names nothing"):
        expand_arguments([f"--participant-label=@{path}"])
    path.write_text("\ufeff04\n", encoding="utf-8")
    assert expand_arguments([f"--participant-label=@{path}"]) == ["--participant-label=04"]


def test_an_option_without_its_values() -> None:
    with pytest.raises(UsageError, match="--modalities needs at least one value"):
        expand_arguments(["--modalities", "--force"])


def test_derivatives_are_name_and_folder() -> None:
    """Without a name, as Boutiques gives them, a folder's own."""
    assert derivative_folders(["/x/masks", "y", "/a=b/c"]) == {
        "masks": Path("/x/masks"), "y": Path.cwd() / "y", "c": Path("/a=b/c")
    }  # fmt: skip
    assert derivative_folders(["a=/x", "b=y=z"]) == {"a": Path("/x"), "b": Path.cwd() / "y=z"}
    wrong = (
        (["x="], "NAME=DIR"),
        (["/"], "NAME=DIR"),
        (["a=/x", "/b/a"], "given twice"),
        (["raw=/x"], "BIDS_DIR itself"),
    )
    for values, message in wrong:
        with pytest.raises(UsageError, match=message):
            derivative_folders(values)
