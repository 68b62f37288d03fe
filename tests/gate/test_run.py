"""`quba_check.judge`: records of whole runs without pytest, and what ends them."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from acceptance.runs import ALL, Passes
from support.gate import Gate
from syrupy.assertion import SnapshotAssertion

import quba_check
from quba_check.errors import HeadError, OptionError
from quba_check.gate.preflight import plan_run

ACCURACY = "dimensions: {accuracy: {min: 0}}"


@pytest.mark.parametrize(
    "options",
    [
        {"limit": "few"},
        {"device": "gpu"},
        {"html": Path("r.html")},
        {"trust_pickle": "no"},
        {"data": None},
        {"store": "/dev/null/store"},
        {"model": Counter()},
        {"model": "acceptance.nets:FourClasses"},
    ],
    ids=[
        "no number",
        "no device",
        "an argument",
        "no switch",
        "no data",
        "no folder",
        "no spec",
        "another suite's model",
    ],
)
def test_what_cannot_be_used(gate: Gate, options: dict[str, Any], snapshot: SnapshotAssertion) -> None:
    assert gate.error(ACCURACY, **options) == snapshot


def test_options_of_another_type() -> None:
    with pytest.raises(OptionError) as caught:
        quba_check.judge("demo", options={"limit": 5})  # type: ignore[arg-type]
    assert str(caught.value) == (
        "judge: options: got dict. Allowed: quba_check.Options, such as Options(limit=5000)."
    )


def test_errors_name_arguments_in_each_of_their_pieces() -> None:
    with pytest.raises(OptionError) as caught:
        quba_check.judge("demo", "data", options=quba_check.Options(store="/dev/null"))
    assert caught.value.where == "Options.store"


def test_an_error_leaves_no_earlier_record(gate: Gate) -> None:
    Path("r.json").write_bytes(gate.judge(ACCURACY).to_json().encode())
    with pytest.raises(HeadError):
        gate.judge(ACCURACY, model="acceptance.nets:FourClasses", record="r.json")
    assert not Path("r.json").exists(), "it is not of this run"


def test_a_class_folder_that_is_unknown_is_found_before_the_long_work(
    gate: Gate, data: Path, passes: Passes
) -> None:
    (data / "night/brick").rename(data / "night/bricke")
    assert gate.error(ALL, data=data) == (
        f"{data}/night/bricke: unknown class folder 'bricke'. Allowed: apple, brick, cloud. Did you "
        "mean 'brick'?"
    )
    assert passes() == {}


def test_images_that_cannot_be_decoded(gate: Gate, data: Path) -> None:
    """One of the clean set ends the run; one of another set fails what needs it."""
    reason = "cannot be decoded as an image (no image format recognises it). Replace or remove the file."
    demands = "dimensions: {accuracy: {min: 0}, ood_robustness: {min: 0, optional: true}}"
    (data / "sketch/brick/001.png").write_bytes(b"no image")
    accuracy, robustness = gate.judge(demands, data=data).verdicts
    assert (accuracy.outcome, robustness.outcome) == ("pass", "unmeasurable")
    message = f"ood_robustness could not be measured: {data}/sketch/brick/001.png: {reason}\n"
    assert robustness.message.startswith(message)
    (data / "val/cloud/001.png").write_bytes(b"no image")
    assert gate.error(demands, data=data) == f"{data}/val/cloud/001.png: {reason}"


def test_a_misspelt_function_of_a_pipeline_is_found_before_the_model_is_loaded(
    gate: Gate, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan imports nothing."""
    with (data / "quba-data.yaml").open("a", encoding="utf-8") as manifest:
        manifest.write("serving:\n  app: {call: 'pipelines_of_a_shop:prepare'}\n")
    (tmp_path / "pipelines_of_a_shop.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    text = "parity: {pipeline: app, agreement: {min: 0.5}}"
    plan_run(gate.session(text, data=data, plan=True))
    assert "pipelines_of_a_shop" not in sys.modules
    assert gate.error(text, data=data, model="nowhere:net") == (
        "pipelines_of_a_shop:prepare: 'pipelines_of_a_shop' has no attribute 'prepare'."
    )


def test_it_imports_no_pytest() -> None:
    code = "import quba_check, sys; quba_check.judge; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
