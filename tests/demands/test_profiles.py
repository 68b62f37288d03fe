import pytest
from support.errors import error_text

from quba_check.demands import profiles
from quba_check.demands.profiles import DEMO_THRESHOLDS, display_name, find_thresholds, shipped_profiles
from quba_check.errors import ThresholdError


def test_shipped_profiles():
    assert list(shipped_profiles()) == ["default", "mobile", "own-data", "safety-critical", "server"]
    assert all(path.is_file() for path in shipped_profiles().values())


def test_profiles_inside_the_package_come_first(tmp_path, monkeypatch):
    monkeypatch.setattr(profiles, "_PACKAGE", tmp_path / "quba_check")
    checkout = tmp_path / "thresholds"
    inside = tmp_path / "quba_check" / "thresholds"
    for folder in (checkout, inside):
        folder.mkdir(parents=True)
    (checkout / "default.yaml").touch()
    (inside / "mobile.yaml").touch()
    assert shipped_profiles() == {"mobile": inside / "mobile.yaml"}
    inside.joinpath("mobile.yaml").unlink()
    inside.rmdir()
    assert shipped_profiles() == {"default": checkout / "default.yaml"}


@pytest.mark.parametrize("text", ["mobile", "mobile.yaml", "quba_check/thresholds/mobile.yaml"])
def test_a_profile_by_name(tmp_path, text):
    assert find_thresholds(text, tmp_path) == shipped_profiles()["mobile"]


def test_a_file_comes_before_a_profile(tmp_path):
    own = tmp_path / "mobile.yaml"
    own.touch()
    assert find_thresholds("mobile.yaml", tmp_path) == own
    assert find_thresholds(str(own), tmp_path / "elsewhere") == own
    assert find_thresholds("mobile", tmp_path) == shipped_profiles()["mobile"]


def test_the_demos_file_by_its_shown_name(tmp_path):
    assert find_thresholds(display_name(DEMO_THRESHOLDS), tmp_path) == DEMO_THRESHOLDS


def test_shown_names(tmp_path):
    assert display_name(shipped_profiles()["default"]) == "quba_check/thresholds/default.yaml"
    assert display_name(DEMO_THRESHOLDS) == "quba_check/demo/thresholds.yaml"
    assert display_name(tmp_path / "default.yaml") == str(tmp_path / "default.yaml")


NEIGHBOUR = " Did you mean 'gate.yaml'?"
MOBILE = " Did you mean 'mobile'?"


@pytest.mark.parametrize(
    ("text", "near"),
    [
        *[(f"own/{name}", NEIGHBOUR) for name in ("gat.yaml", "gat", "GATE.yml")],  # before a profile
        *[("moble", MOBILE), ("moble.yaml", MOBILE), ("servers.yml", " Did you mean 'server'?")],
        *[(name, "") for name in ("conf/zzz.yaml", "nofile.yaml", "file", "")],
    ],
)
def test_neither_file_nor_profile(tmp_path, text, near):
    (tmp_path / "own").mkdir()
    for name in ("gate.yaml", "gated.txt"):
        (tmp_path / "own" / name).touch()
    assert error_text(ThresholdError, find_thresholds, text, tmp_path) == (
        f"{text and f'{text}: '}there is no such threshold file, and no shipped profile of that name.{near} "
        "Shipped: default, mobile, own-data, safety-critical, server."
    )


def test_a_folder_is_not_a_threshold_file(tmp_path):
    assert error_text(ThresholdError, find_thresholds, ".", tmp_path) == (
        ".: this is a folder. "
        "Allowed: a threshold file, or default, mobile, own-data, safety-critical, server."
    )
