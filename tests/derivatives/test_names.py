"""The table of output names: documented, unambiguous, true to the validator, and the only place that spells names."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from bids import BIDSLayout

from bids_stroke.core.records import SPACE
from bids_stroke.derivatives import names
from bids_stroke.derivatives.names import DATASET_FILES, ENTITY_ORDER, GRID, UNIT_FILES, OutputName, dataset_file
from bids_stroke.derivatives.outputs import Outputs, write_dataset_files
from tests.conftest import ROOT

PACKAGE = ROOT / "bids_stroke"
EXAMPLES = {
    "task": "leg", "acq": "a", "dir": "AP", "run": "2", "space": SPACE, "res": "2", "desc": "fmale", "model": "fa",
}  # fmt: skip


def documented(name: OutputName) -> str:
    """A name as docs/outputs.md writes it."""
    text = "P"
    for entity in ENTITY_ORDER:
        if entity in name.entities:
            label = name.entities[entity].replace(SPACE, "S")
            label = f"{{{label.replace('|', ',')}}}" if "|" in label else label
            text += f"_{entity}-{label.replace('*', '<label>')}"
        elif entity == "task" and "task" in name.optional:
            text += "_R"
        elif entity == "space" and set(GRID) <= set(name.optional):
            text += "[_space-S_res-<label>]"
    folder = f"{{{name.datatype.replace('|', ',')}}}" if "|" in name.datatype else name.datatype
    return f"{folder}/{text}_{name.suffix}{name.extension}".removeprefix("/")


def paths(root: Path, role: str) -> Iterator[Path]:
    """Every name that a role can have, with all its optional entities and without them (but for the task)."""
    name = UNIT_FILES[role]
    choices = {entity: (EXAMPLES[entity] if label == names.ANY else label).split("|")
               for entity, label in name.entities.items()}  # fmt: skip
    least = {"task": EXAMPLES["task"]} if "task" in name.optional and role != "figure" else {}
    for labels, datatype in product(product(*choices.values()), name.datatype.split("|")):
        fixed = dict(zip(choices, labels, strict=True))
        for optional in (least, {entity: EXAMPLES[entity] for entity in name.optional}):
            yield Outputs(root, "01").path(role, datatype, **fixed, **optional)


ALL = [path for role in UNIT_FILES for path in paths(Path("out"), role)]


def test_docs_and_table_name_the_same_files() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| ", (ROOT / "docs" / "outputs.md").read_text(), re.MULTILINE)
    table = {role: documented(name) for role, name in UNIT_FILES.items()}
    table |= {role: re.sub(r"\{(\w+)\}", r"<\1>", path) for role, path in DATASET_FILES.items()}
    assert dict(rows) == table
    assert len(rows) == len(table), "a role is documented twice"


@pytest.mark.parametrize("page", ["README.md", "docs/outputs.md", "docs/quality.md", "docs/evaluation.md"])
def test_names_in_other_words_are_names_of_the_table(page: str) -> None:
    known = {path.name for path in ALL}
    known |= {re.sub(r"\{\w+\}", "group", path).split("/")[-1] for path in DATASET_FILES.values()}
    for token in re.findall(r"`(?:[\w<>\[\]/-]+/)?(\*_\w+\.[\w.]+|group\w*\.\w+|sub-<label>\.html)`",
                            (ROOT / page).read_text()):  # fmt: skip
        assert any(fnmatch(name, token.replace("<label>", "*")) for name in known), f"{page} names {token}"


def test_a_file_has_one_role() -> None:
    for path in ALL:
        folder = "" if path.parent.name == "sub-01" else path.parent.name
        roles = [role for role, name in UNIT_FILES.items() if folder in name.datatype.split("|")]
        roles = [role for role in roles if names.is_named(path, role)]
        assert len(roles) == 1, f"{path.name} is a name of {roles}"
        assert path in paths(Path("out"), roles[0])


@pytest.mark.parametrize(
    ("role", "datatype", "labels"),
    [
        ("colours", None, {}),
        ("t1w", None, {"colour": "red"}),
        ("t1w", "dwi", {}),
        ("windows", None, {}),
        ("t1w", None, {"desc": "brain"}),
        ("tissue_probability", None, {}),
        ("tissue_probability", None, {"label": "skull"}),
    ],
)
def test_a_name_that_is_not_in_the_table_is_refused(role: str, datatype: str | None, labels: dict[str, str]) -> None:
    with pytest.raises(KeyError):
        Outputs(Path("out"), "01").path(role, datatype, **labels)


ABOUT_NAMES = ("NOT_INCLUDED", "ALL_FILENAME_RULES_HAVE_ISSUES", "ENTITY_NOT_IN_RULE", "MISSING_REQUIRED_ENTITY")
"""Errors of the validator that are about a file's name, not its content."""


def unknown_to_the_validator(root: Path) -> set[str]:
    """Paths whose names the BIDS validator does not accept."""
    program = Path(sys.executable).parent / "bids-validator-deno"
    done = subprocess.run([program, "--format", "json", root], capture_output=True, text=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    return {issue["location"].removeprefix("/") for issue in issues if issue["code"] in ABOUT_NAMES}


def test_the_validator_knows_what_the_table_says_and_passes_over_the_rest(tmp_path: Path) -> None:
    write_dataset_files(tmp_path, "../raw", {})
    for role, name in UNIT_FILES.items():
        for path in paths(tmp_path, role):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("-")
            if name.suffix != "prediction":
                names.sidecar_of(path).write_text("{}")
    for template in DATASET_FILES.values():
        path = tmp_path / re.sub(r"\{\w+\}", "group", template)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix:
            path.write_text("-")
    assert unknown_to_the_validator(tmp_path) == set()
    (tmp_path / ".bidsignore").unlink()
    found = unknown_to_the_validator(tmp_path)
    for role, name in UNIT_FILES.items():
        for path in paths(tmp_path, role):
            ignored = bool(name.unknown) or path.parent.name == "emg"
            assert (path.relative_to(tmp_path).as_posix() in found) == ignored, path.name


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OUTPUT_DIR with a file of every name, of one person."""
    root = tmp_path_factory.mktemp("whole")
    write_dataset_files(root, "../raw", {})
    steps = ("anat", "bold", "dwi", "eegemg", "lesion", "page", "prediction")
    labels = [{"unit": f"sub-01{session}", "step": step} for session in ("", "_ses-1") for step in steps]
    of_dataset = {dataset_file(root, role, name="group", subject="01", level="train", job="12", **own)
                  for role in DATASET_FILES for own in labels}  # fmt: skip
    for path in (*of_dataset, *(path for role in UNIT_FILES for path in paths(root, role))):
        if path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}")
    return root


@pytest.mark.parametrize("suffix", ["prediction", "bold", "dwi", "emg", "T1w"])
def test_programs_that_go_by_names_find_data_and_nothing_else(whole: Path, suffix: str) -> None:
    layout = BIDSLayout(whole, validate=False, is_derivative=True, config=["bids", "derivatives"])
    found = {Path(file.path) for file in layout.get(suffix=suffix)}
    data = {path for role, name in UNIT_FILES.items() if name.suffix == suffix for path in paths(whole, role)}
    assert found == data | ({dataset_file(whole, "participant_predictions")} if suffix == "prediction" else set())
    assert not [file.path for file in layout.get(subject="01") if "logs" in Path(file.path).parts]


def test_the_questions_to_pybids_that_the_page_shows_are_answered(whole: Path) -> None:
    code = (ROOT / "docs" / "outputs.md").read_text().split("```python\n")[1].split("```")[0]
    answers: dict[str, Any] = {"OUTPUT_DIR": whole}
    exec(code, answers)
    found = {name: {Path(file.path) for file in answers[name]} for name in ("fa", "legs", "predictions", "muscles")}
    space = f"_space-{SPACE}_"
    maps = {path for role in ("tensor_map", "external_tensor_map") for path in paths(whole, role)}
    assert found["fa"] == {path for path in maps if space in path.name and "param-fa" in path.name}
    assert found["legs"] == {path for path in paths(whole, "seed_map") if "label-leg" in path.name}
    assert found["predictions"] == set(paths(whole, "prediction"))
    assert found["muscles"] == set(paths(whole, "emg"))
    assert all(found.values())


NOT_OURS = {
    "preprocess/bold/precomputed.py": "the table of confounds that fMRIPrep writes",
    "report/group.py": "the template group.html",
}
"""Modules that spell such a name because it is something else's."""
RAW = {"channels.tsv", "events.tsv"}
"""Names of raw data, too."""


def spelled(text: str) -> list[str]:
    """Names of outputs in a text, but for the examples of a docstring."""
    endings = {f"{name.suffix}{name.extension}" for name in UNIT_FILES.values()} - RAW
    endings |= {re.split(r"[{}]", path.split("/")[-1])[-1] for path in DATASET_FILES.values() if "models/" not in path}
    pattern = "|".join(re.escape(ending) for ending in sorted(endings) if ending[0] != "." and "." in ending)
    labels = "|".join({name.entities["desc"] for name in UNIT_FILES.values() if name.entities.get("desc", "*") != "*"})
    return re.findall(rf"(?<![A-Za-z0-9])(?:{pattern})(?![A-Za-z])|desc-(?:{labels})_", text.split(">>>")[0])


def test_no_other_module_spells_a_name() -> None:
    found = {}
    for folder in ("app", "derivatives", "evaluation", "features", "preprocess", "quality", "report"):
        for path in (PACKAGE / folder).rglob("*.py"):
            texts = [node.value for node in ast.walk(ast.parse(path.read_text()))
                     if isinstance(node, ast.Constant) and isinstance(node.value, str)]  # fmt: skip
            if path != Path(names.__file__) and (words := [word for text in texts for word in spelled(text)]):
                found[path.relative_to(PACKAGE).as_posix()] = words
    assert found.keys() == NOT_OURS.keys(), found


def test_every_role_has_a_writer() -> None:
    texts = {node.value for path in PACKAGE.rglob("*.py") if path != Path(names.__file__)
             for node in ast.walk(ast.parse(path.read_text()))
             if isinstance(node, ast.Constant) and isinstance(node.value, str)}  # fmt: skip
    external = {role for role in UNIT_FILES if role.startswith("external_")}  # of maps that another step writes, too
    assert {*UNIT_FILES, *DATASET_FILES} - external - texts == set()
    assert {role.removeprefix("external_") for role in external} <= texts
