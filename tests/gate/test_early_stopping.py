"""Early decisions agree with those of all images, or are not taken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.tiny import CLASSES, SIDE, picture, write_pictures

from quba_check.core.measurement import Measurement
from quba_check.core.predictions import Predictions
from quba_check.core.protocols import LEAST_STOPPED
from quba_check.core.requests import AnswerMetric, AnswerRequest
from quba_check.core.view import CLEAN
from quba_check.demands.demand import Demand
from quba_check.dimensions import registry
from quba_check.dimensions._streaming import sequential_share
from quba_check.evaluation import Evaluation
from quba_check.gate.early_stopping import EarlyJudge, Units
from quba_check.gate.record_rows import content_hashes
from quba_check.storage.file_digests import ContentDigests
from quba_check.suites.example import Example
from quba_check.suites.opening import open_suite
from quba_check.suites.sampling import SubsetSampler

SETS = {"clean": 2600, "sketch": 2400, "night": 300, "mixed_same": 2400, "mixed_rand": 2400}
MANIFEST = f"""\
schema: 1
name: many
classes: [{", ".join(CLASSES)}]
image_size: {SIDE}
sets:
  clean: {{reader: arrays, path: clean.npz}}
  corruptions: {{generate: from clean, sample: one}}
  shifts:
    sketch: {{reader: arrays, path: sketch.npz}}
    night: {{reader: arrays, path: night.npz}}
  mixed_same: {{reader: arrays, path: mixed_same.npz}}
  mixed_rand: {{reader: arrays, path: mixed_rand.npz}}
"""
ALPHA = 0.025
PARTS = ("adversarial_robustness.pgd", "adversarial_robustness.worst_case", "ood_robustness.sketch")
TARGETS = (
    "accuracy",
    "adversarial_robustness",
    "corruption_robustness",
    "ood_robustness",
    "object_focus",
    *(pytest.param(part, marks=pytest.mark.slow) for part in PARTS),
)


def write_set(path: Path, images: int, seed: int) -> None:
    labels = np.arange(images) * len(CLASSES) // images
    pictures = [picture(seed + number, like=label) for number, label in enumerate(labels)]
    np.savez(path, images=np.stack(pictures), labels=labels)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("many")
    for number, (name, images) in enumerate(SETS.items()):
        write_set(root / f"{name}.npz", images, 10_000 * number)
    (root / "quba-data.yaml").write_text(MANIFEST)
    return root


@pytest.fixture(scope="module")
def store(data: Path) -> Path:
    return data / "store"


def new_evaluation(data: Path, store: Path) -> Evaluation:
    """Return an evaluation without measurements; it shares stored predictions."""
    return Evaluation("acceptance.nets:net", open_suite(data, SubsetSampler(shuffled=True)), store=store)


@pytest.fixture(scope="module")
def whole(data: Path, store: Path) -> Evaluation:
    return new_evaluation(data, store)


def demand(target: str, limit: float, bound: str = "min") -> Demand:
    name, _, part = target.partition(".")
    return Demand(name, part or None, bound, limit, "block", False, "ratio", "high", "x.yaml", 1)


def value(measurement: Measurement, target: str) -> float:
    part = target.partition(".")[2]
    return measurement.parts[part].value if part else measurement.value


@pytest.mark.parametrize("target", TARGETS)
def test_decisions_are_those_of_all_images(target: str, data: Path, store: Path, whole: Evaluation) -> None:
    true = value(whole.measure(target.partition(".")[0]), target)
    for limit in (true - 0.25, true + 0.25):
        asked = demand(target, limit)
        stopped = EarlyJudge(new_evaluation(data, store), [asked]).decide(asked, ALPHA)
        assert stopped is not None
        assert stopped.row.passes == (true >= limit)
        assert stopped.row.images < stopped.row.of
        assert stopped.row.alpha == ALPHA
        assert value(stopped.measurement, target) == pytest.approx(true, abs=0.2)
    asked = demand(target, true)
    stopped = EarlyJudge(new_evaluation(data, store), [asked]).decide(asked, ALPHA)
    assert stopped is None or stopped.row.passes


def test_upper_bounds_are_decided_early(data: Path, store: Path, whole: Evaluation) -> None:
    true = whole.measure("calibration_error").parts["brier"].value
    for limit in (true - 0.25, true + 0.25):
        asked = demand("calibration_error.brier", limit, "max")
        stopped = EarlyJudge(new_evaluation(data, store), [asked]).decide(asked, ALPHA)
        assert stopped is not None
        assert stopped.row.passes == (true <= limit)
        assert stopped.row.images < stopped.row.of


@pytest.mark.parametrize("metric", ["share", "accuracy"])
def test_numbers_at_a_stated_threshold_are_decided(metric: AnswerMetric, data: Path, store: Path) -> None:
    request = AnswerRequest(metric, threshold=0.3)
    asked = demand(f"answers.{request.name}", 0.99)
    evaluations = [new_evaluation(data, store) for _ in range(2)]
    for evaluation in evaluations:
        evaluation.plan(["answers"], requests=[request])
    true = evaluations[0].measure("answers").parts[request.name].value
    stopped = EarlyJudge(evaluations[1], [asked]).decide(asked, ALPHA)
    assert stopped is not None
    assert (stopped.row.passes, stopped.row.of) == (true >= 0.99, 2600)
    assert stopped.row.images < 2600
    assert value(stopped.measurement, f"answers.{request.name}") == pytest.approx(true, abs=0.2)


def test_demands_that_need_all_images_are_not_decided(data: Path, store: Path) -> None:
    evaluation = new_evaluation(data, store)
    for asked in (demand("calibration_error", 0.9, "max"), demand("class_balance", 0.1), demand("quba", 0.0)):
        assert EarlyJudge(evaluation, [asked]).decide(asked, ALPHA) is None
    assert registry["parameters"].streamed(evaluation.facts.suite, None) is None


def test_sets_that_another_demand_needs_whole_are_not_left_early(data: Path, store: Path) -> None:
    accuracy, focus, balance = (
        demand("accuracy", 0.1),
        demand("object_focus", 0.1),
        demand("class_balance", 0.1),
    )
    early = EarlyJudge(new_evaluation(data, store), [accuracy, focus, balance])
    assert early.decide(accuracy, ALPHA) is None
    assert early.decide(focus, ALPHA) is not None  # its mixed sets are needed by no other


def test_measured_dimensions_are_not_decided_early(whole: Evaluation) -> None:
    asked = demand("accuracy", 0.1)
    whole.measure("accuracy")
    assert EarlyJudge(whole, [asked]).decide(asked, ALPHA) is None


def test_errors_are_left_to_the_measurement_of_all_images(data: Path, tmp_path: Path) -> None:
    broken = Evaluation(
        "acceptance.nets:NotFinite", open_suite(data, SubsetSampler(shuffled=True)), store=tmp_path
    )
    asked = demand("accuracy", 0.1)
    assert EarlyJudge(broken, [asked]).decide(asked, ALPHA) is None
    missing = demand("shape_bias", 0.1)
    assert EarlyJudge(broken, [missing]).decide(missing, ALPHA) is None


def test_signs_of_masking_among_few_images_stop_nothing(data: Path, tmp_path: Path) -> None:
    suite = open_suite(data, SubsetSampler(shuffled=True))
    masked = Evaluation("acceptance.nets:WithoutUsableGradients", suite, store=tmp_path)
    asked = demand("adversarial_robustness.fgsm", 0.1)
    assert EarlyJudge(masked, [asked]).decide(asked, ALPHA) is None
    allowing = replace(asked, allow_masked=True)
    assert EarlyJudge(masked, [allowing]).decide(allowing, ALPHA) is not None
    missed = demand("adversarial_robustness.fgsm", 3.0)
    assert EarlyJudge(masked, [missed]).decide(missed, ALPHA) is not None


def test_only_files_of_the_needed_shards_are_read(tmp_path: Path) -> None:
    write_pictures(tmp_path / "val", 0, 200)
    head = MANIFEST.partition("  clean:")[0]
    (tmp_path / "quba-data.yaml").write_text(f"{head}  clean: {{reader: folder, path: val}}\n")
    suite = open_suite(tmp_path, SubsetSampler(shuffled=True))
    evaluation = Evaluation("acceptance.nets:net", suite, store=tmp_path / "store")
    table = evaluation.engine.predictions([CLEAN], shards=range(1, 2))[CLEAN]
    assert table.index.tolist() == list(range(256, 512))
    digests = ContentDigests(tmp_path / "store" / "digests.sqlite")
    digests.digests([suite.path(example) for example in suite.examples(CLEAN)])
    assert digests.files_read == 600 - 512  # the first shard shows the kind of outputs
    assert evaluation.engine.predictions([CLEAN], shards=range(3, 4)) == {}
    assert content_hashes(evaluation, ["accuracy"], range(1)) != content_hashes(evaluation, ["accuracy"])


def test_groups_are_drawn_as_wholes(data: Path, store: Path, whole: Evaluation) -> None:
    """Ten neighbours are a group. Their answers are equal at random, so that as many images decide."""
    manifest = MANIFEST.replace("path: clean.npz", "path: clean.npz, group: {path: '(?P<group>.*).$'}")
    (data / "grouped").mkdir()
    for file in data.glob("*.npz"):
        (data / "grouped" / file.name).symlink_to(file)
    (data / "grouped" / "quba-data.yaml").write_text(manifest)
    true = whole.measure("accuracy").value
    for limit in (true - 0.25, true + 0.25):
        asked = demand("accuracy", limit)
        stopped = EarlyJudge(new_evaluation(data / "grouped", store), [asked]).decide(asked, ALPHA)
        assert stopped is not None
        assert stopped.row.passes == (true >= limit)
        assert (stopped.row.images % 256, stopped.row.of) == (0, 2600)
        assert stopped.row.images < 2600
        assert stopped.measurement.groups is not None


def test_terms_of_groups_wait_for_their_last_image() -> None:
    examples = [Example(row, f"{row}.png", 0, group=f"g{row // 3}") for row in range(LEAST_STOPPED)]
    units = Units(sequential_share(CLEAN), examples)
    assert (units.total, units.size) == (-(-LEAST_STOPPED // 3), LEAST_STOPPED)
    assert set(units.corners) == {(0.0, 2.0), (2.0, 2.0), (0.0, 3.0), (3.0, 3.0)}
    seen = []
    for start in range(0, LEAST_STOPPED, 256):
        rows = np.arange(start, min(start + 256, LEAST_STOPPED))
        one = np.ones(len(rows), np.float32)
        table = Predictions(rows, 0 * rows, np.where(rows % 3 == 0, 0, 1), one, one)
        seen.append(units.terms({CLEAN: table}))
    right, images = (np.concatenate(column) for column in zip(*seen, strict=True))
    assert len(seen[0][0]) == 85  # the image after 85 groups of three waits
    assert right.tolist() == [1.0] * units.total
    assert images.tolist() == [3.0] * (units.total - 1) + [2.0]
    assert units.n_seen == LEAST_STOPPED
