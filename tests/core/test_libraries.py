"""Every library is known to decide numbers or not to, and its version counts as far as it can."""

from __future__ import annotations

from configparser import ConfigParser
from importlib.metadata import version

from bids_stroke.core.digest import PACKAGE, ROOT, foreign_imports
from bids_stroke.core.libraries import DECIDING, NOT_DECIDING, WHOLE, deciding_versions
from tests.conftest import ROOT as REPOSITORY


def test_every_import_is_in_one_table() -> None:
    files = [path.relative_to(ROOT).with_suffix("") for path in ROOT.rglob("*.py")]
    modules = [".".join((PACKAGE, *path.parts)).removesuffix(".__init__") for path in files]
    assert foreign_imports(*(set(modules) - {PACKAGE})) == set(DECIDING) | NOT_DECIDING
    assert not set(DECIDING) & NOT_DECIDING


def test_every_package_is_required() -> None:
    setup = ConfigParser()
    setup.read(REPOSITORY / "setup.cfg")
    required = {line.split(">")[0] for line in setup["options"]["install_requires"].split()}
    packages = {name for names in DECIDING.values() for name in names}
    assert packages <= required
    assert packages >= WHOLE


def test_two_numbers_of_a_version_count_unless_any_release_may_change_numbers() -> None:
    found = deciding_versions("bids_stroke.preprocess.eegemg.step")
    assert found["numpy"] == ".".join(version("numpy").split(".")[:2])
    assert found["python-picard"] == version("python-picard")
    assert list(found) == sorted(found)
    assert "torch" not in found
    whole = deciding_versions("bids_stroke.preprocess.eegemg.step", whole=True)
    assert whole == {name: version(name) for name in found}


def test_a_library_behind_another_counts() -> None:
    assert "torch" in deciding_versions("bids_stroke.preprocess.anat.step")
    assert "scikit-learn" in deciding_versions("bids_stroke.preprocess.bold.step")
