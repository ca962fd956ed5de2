"""How recipes differ, in words."""

from __future__ import annotations

import pytest

from bids_stroke.derivatives.recipes import few, file_changes, recipe_changes

A, B = "a" * 64, "b" * 64
OLD = {
    "code": A,
    "libraries": {"dipy": "1.11", "numpy": "2.3"},
    "settings": {"bias_shrink": 3, "several": "best", "motion": True},
    "seed": 0,
    "metadata": {"x_bold.nii.gz": A},
    "earlier steps": {"anat": A},
    "modalities": ["fa", "md"],
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, []),
        ({"code": B}, ["code changed"]),
        ({"libraries": {"dipy": "1.11", "numpy": "2.4"}}, ["libraries changed: numpy 2.3 -> 2.4"]),
        ({"libraries": {"numpy": "2.3", "scipy": "1.17"}}, ["libraries changed: scipy (new), dipy (gone)"]),
        (
            {"settings": {"bias_shrink": 2, "several": "average", "motion": False}},
            ["settings changed: bias_shrink 3 -> 2, several best -> average, motion true -> false"],
        ),
        ({"seed": 1}, ["seed changed: 0 -> 1"]),
        ({"metadata": {"x_bold.nii.gz": B}}, ["metadata changed: x_bold.nii.gz"]),
        ({"metadata": {"x_bold.nii.gz": A, "y_bold.nii.gz": A}}, []),
        ({"earlier steps": {"anat": B}}, ["earlier steps changed: anat"]),
        ({"earlier steps": {"anat": A, "lesion": A}}, ["earlier steps changed: lesion (new)"]),
        ({"modalities": ["fa"]}, ['modalities changed: ["fa", "md"] -> ["fa"]']),
        ({"mirror code": A}, ["mirror code changed"]),
        ({"affected side": "L"}, ["affected side changed: null -> L"]),
        ({"code": B, "seed": 1}, ["code changed", "seed changed: 0 -> 1"]),
    ],
)
def test_what_differs_is_said(change: dict, words: list[str]) -> None:
    assert recipe_changes(OLD, OLD | change) == words


def test_a_part_that_is_gone_is_said_and_another_version_is_no_list_of_parts() -> None:
    assert recipe_changes(OLD, {key: value for key, value in OLD.items() if key != "seed"}) == [
        "seed changed: 0 -> null"
    ]
    assert recipe_changes({}, OLD) == ["made by another version"]


def test_files_that_come_and_go() -> None:
    assert file_changes(["/raw/a.nii", "/raw/b.nii"], iter(["/raw/b.nii", "/raw/c.nii"])) == [
        "inputs changed: c.nii (new), a.nii (gone)"
    ]
    assert file_changes(["/raw/a.nii", "/raw/b.nii"], ["/data/a.nii", "/raw/b.nii"]) == ["inputs moved: a.nii"]
    assert file_changes(["/raw/a.nii"], ["/raw/a.nii"]) == []


def test_of_many_a_few_are_named() -> None:
    assert (few("abc"), few("abcd"), few("")) == ("a, b, c", "a, b, c and 1 more", "")
