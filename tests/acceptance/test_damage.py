"""Artefacts and images that are damaged while all else is well."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from acceptance.runs import CLEAN_IMAGES, Judge, examined, same_findings
from PIL import Image


def shard_of(store: Path, view: str) -> Path:
    from safetensors import safe_open

    for path in store.glob("predictions/*/*.safetensors"):
        with safe_open(path, framework="numpy") as file:
            if file.metadata()["view"] == view:
                return path
    raise AssertionError(view)


@pytest.mark.usefixtures("without_stored_check")
def test_a_damaged_artefact_is_named_and_made_again(judge: Judge) -> None:
    assert judge("thresholds/x.yaml", "--quba-report=before.json").ret == pytest.ExitCode.OK
    path = shard_of(judge.store, "sketch")
    payload = bytearray(path.read_bytes())
    payload[-1] ^= 1
    path.write_bytes(payload)
    result = judge("thresholds/x.yaml", "--quba-report=record.json")
    assert result.ret == pytest.ExitCode.OK
    note = f"damaged shard predicted again: {path}: its checksum does not fit its columns"
    assert judge.record()["notes"] == [note, "2nd verdict on these clean images, by the records in the store"]
    assert note.replace(" ", "") in "".join(result.outlines).replace(" ", "")
    assert judge.passes() == {"forward": 6 + 2 * examined()}
    assert same_findings(judge.record(), judge.record("before.json"))
    assert judge("thresholds/x.yaml", "--quba-report=record.json").ret == pytest.ExitCode.OK
    assert judge.record()["notes"] == ["3rd verdict on these clean images, by the records in the store"]


def test_an_image_that_cannot_be_decoded_fails_what_needs_it(
    judge_cold: Judge, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = judge_cold.pytester.path / "data"
    shutil.copytree(tiny_data, data)
    image = data / "sketch" / "brick" / "001.png"
    image.write_bytes(b"no image")
    monkeypatch.setenv("QUBA_DATA", str(data))
    demands = "{accuracy: {min: 0}, ood_robustness: {min: 0, optional: true}}"
    judge_cold.write("thresholds/x.yaml", f"schema: 1\ndimensions: {demands}\n")
    result = judge_cold("thresholds/x.yaml", "--quba-report=record.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert judge_cold.outcomes() == {"accuracy[min]": "pass", "ood_robustness[min]": "unmeasurable"}
    message = judge_cold.record()["verdicts"][1]["message"]
    assert message.splitlines()[0] == (
        f"ood_robustness could not be measured: {image}: cannot be decoded as an image (no image format "
        "recognises it). Replace or remove the file."
    )
    assert not any("Traceback" in line for line in [*result.outlines, *result.errlines])
    assert judge_cold.passes()["forward"] >= CLEAN_IMAGES


def test_an_image_about_which_pillow_warns_is_no_damage(
    judge_cold: Judge, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = judge_cold.pytester.path / "data"
    shutil.copytree(tiny_data, data)
    with Image.open(data / "sketch" / "brick" / "001.png") as opened:
        palette = opened.convert("P")
    for folder in ("val", "sketch"):  # read before the items, and by one
        path = next(iter(sorted((data / folder).glob("*/*.png"))))
        palette.save(path, transparency=bytes(range(16)))
    monkeypatch.setenv("QUBA_DATA", str(data))
    judge_cold.write(
        "thresholds/x.yaml", "schema: 1\ndimensions: {accuracy: {min: 0}, ood_robustness: {min: 0}}\n"
    )
    assert judge_cold("thresholds/x.yaml", "-W", "error").ret == pytest.ExitCode.OK


def test_a_model_that_stays_in_train_mode_fails_every_demand_that_looks_at_it(judge_cold: Judge) -> None:
    result = judge_cold("thresholds/x.yaml", "--quba-report=record.json", model="nets:InTrainMode")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    outcomes = judge_cold.outcomes()
    assert outcomes.pop("parameters[max]") == "pass"
    assert set(outcomes.values()) == {"unmeasurable"}
    assert "clean: the model must be measured in eval mode, but it is in train mode." in str(
        judge_cold.record()["measurements"]["accuracy"]
    )
