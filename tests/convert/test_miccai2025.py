"""The published weight files: into a bundle, equal to Keras, and used as any other model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
import torch

from bids_stroke.app.group_tables import write_group_tables
from bids_stroke.cli.tools import main
from bids_stroke.convert.keras_weights import read_state
from bids_stroke.convert.miccai2025 import FILE_NAME, MAPS, ImportOptions, import_keras, parse_divisors, parse_maps
from bids_stroke.core.errors import DataError, ModelError, UsageError
from bids_stroke.core.records import UnitFeatures
from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.predictions import prediction_json, prediction_row, read_prediction
from bids_stroke.ensemble.bundle import Bundle, load_bundle
from bids_stroke.ensemble.one_unit import run_network
from bids_stroke.ensemble.predict import predict
from bids_stroke.ensemble.weights import restore_network
from bids_stroke.features.readers import GRID_AFFINE, read_samples
from bids_stroke.report.participant import UnitReport, write_participant_report

KNOWN = {"age": 45.0, "sex": "F", "days_since_stroke": 1568.0}


@pytest.fixture(scope="module")
def bundle(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("models") / "published"
    return import_keras(folder, out, ImportOptions(maps=("FA", "WM")))


@pytest.fixture
def unit(tmp_path: Path) -> UnitFeatures:
    """One person with FA and WM on the standard grid."""
    rng, files = np.random.default_rng(0), {}
    for name in ("fa", "wm"):
        path = tmp_path / f"{name}.nii.gz"
        nib.Nifti1Image(rng.random((91, 109, 91), dtype=np.float32), GRID_AFFINE).to_filename(path)
        files[name] = (path,)
    return UnitFeatures("01", None, files, {"md": "no-dwi"}, KNOWN, "somewhere")


@pytest.mark.parametrize("name", MAPS)
def test_equals_keras_on_the_real_maps(real_data: Path, name: str) -> None:
    oracle = json.loads((real_data / "keras_oracle" / "expected.json").read_text())
    state = read_state(real_data / "keras_oracle" / FILE_NAME.format(name))
    model = restore_network("miccai2025", {}, state, torch.device("cpu"))
    for case, covariates in oracle["demographics"].items():
        (path,) = (real_data / "miccai_maps").glob(f"*_{case[:2]}_*_{name}*.nii.gz")
        data = read_samples(name.lower(), [path], {"scale": 1.0}).data  # refuses any other grid or order of voxels
        output = run_network(model, data, np.array([covariates], dtype=np.float32), torch.device("cpu"))
        poor = 1 / (1 + np.exp(-output[0, 0]))
        wanted = oracle["subjects"][case][name]["softmax"]
        assert poor == pytest.approx(wanted[0], abs=1e-5), case
        assert 1 - poor == pytest.approx(wanted[1], abs=1e-5), case


def test_fused_prediction_equals_keras(real_data: Path, tmp_path: Path) -> None:
    oracle = json.loads((real_data / "keras_oracle" / "expected.json").read_text())
    bundle = import_keras(real_data / "keras_oracle", tmp_path / "m", ImportOptions(maps=("WM", "FA")))
    maps = real_data / "miccai_maps"
    files = {name.lower(): tuple(maps.glob(f"*_p4_*_{name}*.nii.gz")) for name in ("FA", "WM")}
    prediction = predict(bundle, UnitFeatures("p4", None, files, {}, KNOWN, "x"), "cpu")
    wanted = oracle["subjects"]["p4"]["ensemble_WM_FA"]
    assert prediction.probability_poor == pytest.approx(wanted["softmax"][0], abs=1e-5)
    assert prediction.prediction == wanted["label"].lower()


def test_diffusivities_of_the_published_people_are_100_times_ours(real_data: Path) -> None:
    for person in ("c4", "p4"):
        (fa, md, wm) = (
            np.asarray(nib.load(next((real_data / "miccai_maps").glob(f"*_{person}_*_{name}*"))).dataobj)
            for name in ("FA", "MD", "WM")
        )
        assert 0.0006 < np.median(md[(fa > 0.4) & (wm > 0.5)]) / 100 < 0.0009  # mm^2/s in white matter


def test_the_bundle_says_what_it_is(bundle: Bundle) -> None:
    again = load_bundle(bundle.path)
    assert [entry.member.name for entry in again.members] == ["fa", "wm"]
    assert set(again.fusion.weights.values()) == {0.5}
    assert again.fusion.distribution is None
    assert again.saw("somewhere", "sub-01") is None
    entry = again.members[0]
    ours = np.array([45.0, 0.0, 1568.0])
    assert entry.scaler.transform(ours) == pytest.approx([45 / 85, 0.0, 1568 / 6368])
    card = (bundle.path / "docs" / "model_card.md").read_text()
    for word in ("0 Poor, 1 Good", "divided by 6368", "No interval", "100 x mm^2/s", "(L1 + L3) / 2"):
        assert word in card


def test_scales_are_recorded_and_applied(folder: Path, tmp_path: Path) -> None:
    bundle = import_keras(folder, tmp_path / "m", ImportOptions(maps=("MD",)))
    path = tmp_path / "md.nii.gz"
    nib.Nifti1Image(np.full((91, 109, 91), 7e-4, np.float32), GRID_AFFINE).to_filename(path)
    assert read_samples("md", [path], bundle.members[0].member.inputs).data.max() == pytest.approx(0.07, rel=1e-5)


def test_sex_can_be_coded_the_other_way(folder: Path, tmp_path: Path) -> None:
    bundle = import_keras(folder, tmp_path / "m", ImportOptions(maps=("FA",), one_is="female"))
    rows = bundle.members[0].scaler.transform(np.array([[85.0, 1, 0], [0, 0, 6368.0]]))
    assert rows.tolist() == [[1, 0, 0], [0, 1, 1]]


def test_a_unit_is_predicted_without_score_interval_or_claim(
    bundle: Bundle, unit: UnitFeatures, tmp_path: Path
) -> None:
    prediction = predict(bundle, unit, "cpu")
    members = prediction.members
    assert prediction.probability_poor == pytest.approx(np.mean([item.probability for item in members.values()]))
    assert prediction.prediction == ("poor" if prediction.probability_poor >= 0.5 else "good")
    assert prediction.predicted_score is prediction.probability_poor_interval is prediction.in_training_set is None
    assert all(item.score is None for item in members.values())
    assert any("not calibrated" in text for text in prediction.warnings)
    assert any("trained on" in text for text in prediction.warnings)
    path = tmp_path / "p.json"
    path.write_text(json.dumps(prediction_json(prediction), allow_nan=False))
    assert read_prediction(path) == prediction
    page = write_participant_report(tmp_path, "01", [UnitReport("01", None, prediction)]).read_text()
    assert "not calibrated, without an interval" in page


def test_group_tables_survive_a_model_without_score(bundle: Bundle, unit: UnitFeatures, tmp_path: Path) -> None:
    import pandas as pd

    from bids_stroke.core.settings import Settings
    from bids_stroke.evaluation.evaluate import evaluate
    from bids_stroke.report.group import origin_in_words, write_group_report

    row = prediction_row(predict(bundle, unit, "cpu"))
    who = [{"participant_id": f"sub-{i}", "session_id": None, "score": i, "poor": float(i < 6), "excluded": None,
            "missing": None} for i in range(12)]  # fmt: skip
    table = pd.DataFrame([item | row for item in who])
    evaluation = evaluate(table, Settings.model_validate({"training": {"bootstrap": 100, "permutations": 100}}))
    write_group_tables(tmp_path, table, evaluation)
    written = pd.read_csv(dataset_file(tmp_path, "participant_predictions"), sep="\t")
    assert written["in_training_set"].isna().all()
    assert written["predicted_score"].isna().all()
    assert "nobody knows" in origin_in_words(table)
    assert "sub-3" in write_group_report(tmp_path, evaluation, table).read_text()


@pytest.mark.parametrize("missing", ["age", "sex", "days_since_stroke"])
def test_without_a_covariate_nothing_is_predicted(bundle: Bundle, unit: UnitFeatures, missing: str) -> None:
    known = {name: value for name, value in KNOWN.items() if name != missing}
    with pytest.raises(DataError, match=f"{missing} unknown") as caught:
        predict(bundle, UnitFeatures("01", None, unit.features, {}, known, "x"), "cpu")
    assert caught.value.reason == "no-member-applies"
    assert missing in caught.value.remedy


def test_a_member_without_its_map_is_left_out(bundle: Bundle, unit: UnitFeatures) -> None:
    only = UnitFeatures("01", None, {"wm": unit.features["wm"]}, {"fa": "no-dwi"}, KNOWN, "x")
    prediction = predict(bundle, only, "cpu")
    assert dict(prediction.missing) == {"fa": "no-dwi"}
    assert prediction.members["wm"].weight == 1.0


def test_same_files_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    one, two = (import_keras(folder, tmp_path / name, ImportOptions(maps=("FA",))) for name in "ab")
    assert one.sha256 == two.sha256


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0), "".join(capsys.readouterr())


def test_from_the_command_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "model"
    code, text = run(
        capsys, "import-keras", folder, out, "--covariates", "age=80,sex=1,days_since_stroke=1000", "--maps", "wm,FA"
    )
    assert code == 0, text
    bundle = load_bundle(out)
    assert [entry.member.modality for entry in bundle.members] == ["fa", "wm"]
    assert bundle.members[0].scaler.sd == (80.0, 1.0, 1000.0)
    assert run(capsys, "model", "verify", out)[0] == 0
    code, text = run(capsys, "import-keras", folder, out)
    assert code == 2
    assert "not an empty folder" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--covariates", "age=85,sex=1"), "days_since_stroke is missing"),
        (("--covariates", "age=85,sex=1,days_since_stroke=0"), "above 0"),
        (("--covariates", "age=85,age=85,sex=1,days_since_stroke=1"), "there twice"),
        (("--covariates", "age=85,sex=1,days_since_stroke=1,weight=3"), "'weight' is not known"),
        (("--covariates", "age,sex=1,days_since_stroke=1"), "no number"),
        (("--maps", "FA,FLAIR"), "FLAIR"),
        (("--outcome", "bad"), "not a rule"),
    ],
)
def test_wrong_options(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, str], message: str
) -> None:
    code, text = run(capsys, "import-keras", folder, tmp_path / "m", *options)
    assert code == 2
    assert message in text
    assert not (tmp_path / "m").exists()


def test_options_in_any_order_and_by_other_names() -> None:
    assert parse_divisors("days_post_stroke=6368, gender=1,age=85") == parse_divisors(
        "age=85,sex=1,days_since_stroke=6368"
    )
    assert parse_maps(()) == MAPS
    assert parse_maps(("wm", "fa md")) == ("FA", "MD", "WM")


def test_folders_and_files_that_are_missing(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, "import-keras", tmp_path / "none", tmp_path / "m")
    assert (code, "none is no folder" in text) == (66, True)
    shutil.copy(folder / FILE_NAME.format("FA"), tmp_path)
    code, text = run(capsys, "import-keras", tmp_path, tmp_path / "m")
    assert code == 66
    assert "lacks MD_MotorScore_weights.hdf5, RD_" in text
    assert not (tmp_path / "m").exists()


def broken(kind: str, path: Path) -> None:
    """Harm a weight file in one way."""
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:100_000])
    elif kind == "text":
        path.write_text("no weights")
    elif kind == "empty":
        with h5py.File(path, "w"):
            pass
    else:
        with h5py.File(path, "r+") as file:
            last = file[file.attrs["layer_names"][-1]]
            name = last.attrs["weight_names"][-1]
            values = {"shape": np.zeros(3, np.float32), "nan": np.full(2, np.nan, np.float32)}
            if kind in values:
                del last[name]
                last[name] = values[kind]
            if kind == "fewer":
                file.attrs["layer_names"] = file.attrs["layer_names"][:-1]
            if kind == "no-array":
                del last[name]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("truncated", "corrupt-model"), ("text", "corrupt-model"), ("empty", "corrupt-model"),
        ("no-array", "corrupt-model"), ("nan", "corrupt-model"), ("shape", "other-network"), ("fewer", "other-network"),
    ],
)  # fmt: skip
def test_a_broken_weight_file_is_refused(folder: Path, tmp_path: Path, kind: str, reason: str) -> None:
    path = Path(shutil.copy(folder / FILE_NAME.format("FA"), tmp_path))
    broken(kind, path)
    with pytest.raises(ModelError, match="FA_MotorScore_weights") as caught:
        import_keras(tmp_path, tmp_path / "m", ImportOptions(maps=("FA",)))
    assert (caught.value.reason, caught.value.exit_code) == (reason, 66)
    assert not (tmp_path / "m").exists()


def test_a_folder_with_other_things_is_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "mine.txt").write_text("x")
    with pytest.raises(UsageError):
        import_keras(folder, tmp_path / "m", ImportOptions(maps=("FA",)))
    assert (tmp_path / "m" / "mine.txt").read_text() == "x"
