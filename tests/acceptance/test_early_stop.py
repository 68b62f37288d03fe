"""`--quba-early-stop`: as few images as the verdict on all of them takes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from acceptance.runs import Judge, Project, usage_error
from support.tiny import CLASSES, SIDE, picture

IMAGES = 3000
MANIFEST = f"""\
schema: 1
name: many
classes: [{", ".join(CLASSES)}]
image_size: {SIDE}
sets:
  clean: {{reader: arrays, path: clean.npz}}
  corruptions: {{generate: from clean, sample: one}}
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set that may be left early; nets:net is right on two thirds of it."""
    root = tmp_path_factory.mktemp("many")
    labels = np.repeat(np.arange(3), IMAGES // 3)
    images = np.stack([picture(number, like=label) for number, label in enumerate(labels)])
    np.savez(root / "clean.npz", images=images, labels=labels)
    (root / "quba-data.yaml").write_text(MANIFEST)
    return root


@pytest.fixture
def judge_many(judge_cold: Judge, many: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    monkeypatch.setenv("QUBA_DATA", str(many))
    return judge_cold


def run(judge: Judge, demands: str, *arguments: str, head: str = "") -> pytest.RunResult:
    judge.write("thresholds/x.yaml", f"schema: 1\n{head}dimensions:\n{demands}")
    return judge("thresholds/x.yaml", "--quba-report=record.json", *arguments)


def shards(judge: Judge) -> int:
    """How many shards were predicted, each of 256 images; a pack is named after its first and last."""
    names = [path.stem.split("-")[:-1] for path in (judge.store / "predictions").rglob("*.safetensors")]
    return sum(int(numbers[-1]) - int(numbers[0]) + 1 for numbers in names)


def test_a_demand_that_is_clearly_met(judge_many: Judge) -> None:
    result = run(judge_many, "  accuracy: {min: 0.4}\n", "--quba-early-stop")
    assert result.ret == 0
    stopped = judge_many.record()["verdicts"][0]["stopped"]
    seen = stopped["images"]
    assert stopped == {"images": seen, "of": IMAGES, "passes": True, "alpha": pytest.approx(0.025)}
    assert seen in (256, 512)
    assert shards(judge_many) == seen // 256
    row = judge_many.record()["measurements"]["accuracy"]
    assert (row["n"], row["stopped"]) == (seen, stopped)
    assert (
        f"accuracy: stopped early after {seen} of 3,000 images: the full run would pass (α =\n  0.025)"
    ) in "\n".join(result.outlines)


def test_a_demand_that_is_clearly_missed(judge_many: Judge) -> None:
    result = run(
        judge_many, "  corruption_robustness: {min: 1.6}\n  accuracy: {min: 0.95}\n", "--quba-early-stop"
    )
    assert result.ret == 1
    record = judge_many.record()
    assert [row["outcome"] for row in record["verdicts"]] == ["fail", "fail"]
    assert record["grades"][0]["missing"][:1] == ["accuracy"]  # of some images, it grades nothing
    assert not any(line.startswith("QUBA") for line in result.outlines)
    at = result.outlines.index("Failed:")
    assert (
        "    stopped early after 256 of 3,000 images: the full run would fail (α = 0.025)"
        in (result.outlines[at:])
    )
    assert shards(judge_many) == 2


@pytest.mark.slow
def test_where_all_images_are_needed_values_are_those_of_a_whole_run(judge_many: Judge) -> None:
    demands = "  accuracy: {min: 0.4}\n  calibration_error: {max: 0.9}\n  class_balance: {min: 0.1}\n"
    assert run(judge_many, demands, "--quba-early-stop").ret == 0
    shuffled = judge_many.record()
    assert all(row["stopped"] is None for row in shuffled["verdicts"])
    assert shards(judge_many) == 12
    shutil.rmtree(judge_many.store / "predictions")
    assert run(judge_many, demands).ret == 0
    whole = judge_many.record()["measurements"]
    for name in ("accuracy", "calibration_error", "class_balance"):
        assert shuffled["measurements"][name]["value"] == pytest.approx(whole[name]["value"], abs=1e-9)


@pytest.mark.slow
def test_a_bound_too_near_takes_all_images(judge_many: Judge) -> None:
    run(judge_many, "  accuracy: {min: 0.5}\n")
    value = judge_many.record()["measurements"]["accuracy"]["value"]
    assert run(judge_many, f"  accuracy: {{min: {value}}}\n", "--quba-early-stop").ret == 0
    verdict = judge_many.record()["verdicts"][0]
    assert (verdict["outcome"], verdict["stopped"]) == ("pass", None)
    assert judge_many.record()["measurements"]["accuracy"]["value"] == value


def test_small_sets_are_always_seen_whole(judge_cold: Judge) -> None:
    assert run(judge_cold, "  accuracy: {min: 0.1}\n", "--quba-early-stop").ret == 0
    assert judge_cold.record()["verdicts"][0]["stopped"] is None
    assert judge_cold.record()["measurements"]["accuracy"]["n"] == 9


@pytest.mark.parametrize("policy", ["fail", "allow"])
def test_it_goes_with_the_policy_point_alone(judge_many: Judge, policy: str) -> None:
    result = run(judge_many, "  accuracy: {min: 0.5}\n", "--quba-early-stop", head=f"uncertain: {policy}\n")
    assert usage_error(result) == (
        f"--quba-early-stop: asks whether the value over all images would pass, got uncertain: {policy} in "
        "thresholds/x.yaml. Leave the option out, or state uncertain: point."
    )


@pytest.mark.slow
def test_workers_leave_sets_as_early_as_one_process(judge_many: Judge, many: Path) -> None:
    """Waiting for another's shard, a worker makes none that may not be needed."""
    demands = "  accuracy: {min: 0.95}\n  corruption_robustness: {min: 1.6}\n"
    assert run(judge_many, demands, "--quba-early-stop").ret == 1
    alone, made = judge_many.outcomes(), shards(judge_many)
    project = Project.at(judge_many.pytester.path / "two", many, f"schema: 1\ndimensions:\n{demands}")
    finished = project.run("--quba-early-stop", "-n2", "--quba-report=record.json")
    assert finished.code == 1, finished.out
    rows = project.record()["verdicts"]
    assert {row["id"].partition("::")[2]: row["outcome"] for row in rows} == alone
    assert len(list((project.store / "predictions").rglob("*.safetensors"))) == made


def test_drops_need_the_images_in_order(judge_many: Judge) -> None:
    result = run(judge_many, "  accuracy: {min: 0.4, max_drop: 0.01}\n", "--quba-early-stop")
    assert usage_error(result) == (
        "--quba-early-stop: sees images in random order, but accuracy[max_drop] (thresholds/x.yaml:3) is "
        "counted from a baseline, image by image. Leave the option out, or keep drops in a file of their own."
    )
