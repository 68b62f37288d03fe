"""`quba_check.judge`: records of whole runs without pytest, and what ends them."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from acceptance.runs import ALL, NINE, Passes, examined
from support.gate import Gate
from support.stored import flip_last_bit
from syrupy.assertion import SnapshotAssertion

import quba_check
from quba_check.cli.main import main
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


def test_a_release_is_blocked_until_all_unknown_images_can_be_read(gate: Gate, data: Path) -> None:
    file = data / "sketch" / "notes.png"
    file.write_text("no image", encoding="utf-8")
    manifest = data / "quba-data.yaml"
    text = manifest.read_text(encoding="utf-8").replace("path: sketch}", "path: night}")
    manifest.write_text(f"{text}  unknown: {{near: sketch, far: night, score: energy}}\n", encoding="utf-8")
    demands = "dimensions: {unknown_detection: {min: 0.01, parts: {near_fpr95: {max: 1}}}}"
    whole, part = gate.judge(demands, data=data).verdicts
    assert whole.outcome == part.outcome == "unmeasurable"
    assert whole.message.startswith(f"unknown_detection could not be measured: {file}: cannot be decoded as")
    file.unlink()
    record = gate.judge(demands, data=data)
    assert record.overall_verdict == "pass"
    row = record.measurements["unknown_detection"]
    assert list(row.parts) == ["near", "far", "near_fpr95", "far_fpr95"]
    assert "sketch/brick/001.png" in {cells[1] for cells in row.tables["most_confident"].rows}
    assert record.suite.sets["unknown/near"].images == 6


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


def test_a_model_that_stays_in_train_mode_fails_every_demand_on_its_answers(gate: Gate) -> None:
    record = gate.judge(ALL, model="acceptance.nets:InTrainMode")
    assert {row.outcome for row in record.verdicts if row.dimension != "parameters"} == {"unmeasurable"}
    assert record.measurements["parameters"].value == 3.6e-05
    assert "clean: the model must be measured in eval mode, but it is in train mode." in (
        record.measurements["accuracy"].unmeasurable
    )


@pytest.mark.usefixtures("without_stored_check")
def test_a_damaged_shard_is_named_and_predicted_again(gate: Gate, passes: Passes, tmp_path: Path) -> None:
    store = tmp_path / "store"
    first = gate.judge("dimensions: {ood_robustness: {min: 0}}", store=store)
    before = passes()["forward"]
    shards = [
        file for file in store.glob("predictions/*/*.safetensors") if b'"view":"night"' in file.read_bytes()
    ]
    (path,) = shards
    flip_last_bit(path)
    second = gate.judge("dimensions: {ood_robustness: {min: 0}}", store=store)
    assert second.notes == (f"damaged shard predicted again: {path}: its checksum does not fit its columns",)
    assert passes()["forward"] == before + 6 + examined()
    assert second.measurements == first.measurements
    assert gate.judge("dimensions: {ood_robustness: {min: 0}}", store=store).notes == ()


@pytest.mark.usefixtures("without_stored_check")
def test_equal_models_share_predictions(gate: Gate, passes: Passes) -> None:
    prints = set()
    for model in ("net", "twin"):
        before = passes()
        prints.add(gate.judge(ALL, model=f"acceptance.nets:{model}").model.fingerprint)
    assert len(prints) == 1
    assert passes() - before == {"forward": examined()}


def test_a_manifest_that_init_wrote_is_judged(
    gate: Gate, data: Path, passes: Passes, capsys: pytest.CaptureFixture[str]
) -> None:
    gate.judge(ALL)
    (data / "quba-data.yaml").unlink()
    assert main(["init", "data"]) == 0
    names = "clean, corruptions, night, sketch, mixed_same, mixed_rand, cue_conflict"
    assert f"data/quba-data.yaml: 3 classes; {names}\n" in capsys.readouterr().out
    before = passes()
    record = quba_check.judge(
        gate.model, "data", "thresholds/thorough.yaml", options=quba_check.Options(store=gate.store)
    )
    expected = {f"{name}[{'max' if name == 'calibration_error' else 'min'}]" for name in NINE}
    assert {row.name for row in record.verdicts} == expected - {"parameters[min]"}
    assert {row.outcome for row in record.verdicts} <= {"pass", "fail"}
    sets = record.suite.sets
    assert all(row.images == row.expected for name, row in sets.items() if name != "corruptions")
    assert set(passes() - before) <= {"forward"}, "images of the same content are not predicted again"


def test_it_imports_no_pytest() -> None:
    code = "import quba_check, sys; quba_check.judge; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
