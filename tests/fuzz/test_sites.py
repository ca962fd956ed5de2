"""Headers that once ended in an internal error, each with what is said of it now."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.fuzz.base import fresh
from tests.fuzz.images import READY
from tests.fuzz.run import command, wrong
from tests.fuzz.trial import Trial, copy, participant

EEG = ("--modalities", "eegemg", "--config", "{place}/config.yml")
VHDR = "raw/sub-02/eeg/sub-02_task-leg_eeg.vhdr"
EDF, BDF = "raw/sub-03/eeg/sub-03_task-leg_eeg.edf", "raw/sub-03/emg/sub-03_task-leg_emg.bdf"
FA = "ready/sub-01/dwi/sub-01_space-MNI152NLin2009aSym_res-2_model-tensor_param-fa_dwimap.nii.gz"
Change = Callable[[bytes], bytes]


def instead(old: str, new: str) -> Change:
    """Another text."""

    def change(data: bytes) -> bytes:
        assert old.encode() in data
        return data.replace(old.encode(), new.encode())

    return change


def field(at: int, length: int, text: str) -> Change:
    """Another field of an EDF header."""
    return lambda data: data[:at] + text.encode().ljust(length) + data[at + length :]


def packed(at: int, content: bytes) -> Change:
    """Other bytes in a compressed image."""

    def change(data: bytes) -> bytes:
        plain = gzip.decompress(data)
        return gzip.compress(plain[:at] + content + plain[at + len(content) :], 1)

    return change


SITES: dict[str, tuple[str, Change, int]] = {
    # site: file, what is done to it, exit code
    "SamplingInterval 0": (VHDR, instead("SamplingInterval=10000", "SamplingInterval=0"), 65),
    "SamplingInterval below 0": (VHDR, instead("SamplingInterval=10000", "SamplingInterval=-1"), 65),
    "SamplingInterval 1e308": (VHDR, instead("SamplingInterval=10000.0", "SamplingInterval=1e308"), 65),
    "no DataFile": (VHDR, instead("DataFile=", "Other="), 65),
    "no channels": (VHDR, instead("NumberOfChannels=5", "NumberOfChannels=0"), 65),
    "no BinaryFormat": (VHDR, instead("BinaryFormat=", "Other="), 65),
    "no Common Infos": (VHDR, instead("[Common Infos]", "[Other]"), 65),
    "no signals": (BDF, field(252, 4, "0"), 65),
    "equal digital limits": (BDF, lambda data: field(384, 8, "5")(field(376, 8, "5")(data)), 65),
    "records of 1e308 s": (EDF, field(244, 8, "1e308"), 65),
    "99999999 signals": (EDF, field(252, 4, "9999"), 65),
    "unknown units": (FA, packed(123, b"\xff"), 0),
    "terabytes": (FA, packed(42, b"\xff\x7f\xff\x7f\xff\x7f"), 65),
    "no datatype": (FA, packed(70, b"\x63\x00"), 65),
    "offset of infinity": (FA, packed(108, b"\x00\x00\x80\x7f"), 65),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fresh(tmp_path_factory.mktemp("sites") / "base")


@pytest.mark.parametrize("site", SITES)
def test_the_file_is_named(base: Path, tmp_path: Path, site: str) -> None:
    name, change, wanted = SITES[site]
    copy(base, tmp_path, "raw", "ready")
    (tmp_path / "config.yml").write_bytes((base / "config.yml").read_bytes())
    path = tmp_path / name
    path.write_bytes(change(path.read_bytes()))
    label = path.relative_to(tmp_path).parts[1].removeprefix("sub-")
    options = ("--modalities", "fa", *READY) if name == FA else EEG
    trial = Trial(participant("--participant-label", label, *options), (path.name,), site)
    code, said = command(trial, tmp_path)
    assert wrong(code, said, trial) == []
    assert code == wanted, said
    row = pd.read_csv(tmp_path / "out" / "logs" / "status.tsv", sep="\t", keep_default_na=False).iloc[0]
    assert row["status"] == ("failed" if wanted else "done")
    assert (path.name in row["detail"]) == bool(wanted)
