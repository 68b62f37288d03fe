"""Findings from answers; the short form on a run's own answers costs little, and reports planted errors."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from support.evaluations import new_evaluation
from support.planted_errors import CHECKS, around, prepared, with_shuffled_labels, without_batchnorm
from support.quick import mostly_slow
from syrupy.assertion import SnapshotAssertion

from quba_check.core.predictions import Predictions
from quba_check.core.view import CLEAN
from quba_check.demo import CLASSES
from quba_check.doctor import accuracy as module
from quba_check.doctor.accuracy import SwappedPair, answer_findings, first_answers, swapped_pairs
from quba_check.doctor.examination import Examination, examine, examine_model
from quba_check.doctor.sets import SHORT_IMAGES
from quba_check.doctor.significance import ALPHA
from quba_check.doctor.subject import BATCH, PROBE, ModelUnderTest
from quba_check.errors import InvariantError
from quba_check.evaluation import Evaluation
from quba_check.models.classifier import Classifier
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
from quba_check.storage.store import SHARD_SIZE
from quba_check.suites.opening import open_suite
from quba_check.suites.suite import Suite

ANIMALS = ("ant", "bee", "cat", "dog")


def answers(*rows: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions with a confusion matrix: a row for each label."""
    matrix = np.array(rows)
    label, predicted = np.indices(matrix.shape)
    return label.ravel().repeat(matrix.ravel()), predicted.ravel().repeat(matrix.ravel())


SWAPPED = answers([90, 5, 5, 0], [5, 90, 5, 0], [10, 10, 10, 70], [5, 10, 70, 15])


def test_swapped_classes() -> None:
    assert swapped_pairs(*SWAPPED, 4) == [SwappedPair((2, 3), 140, 25)]


@pytest.mark.parametrize(
    "rows",
    [
        SWAPPED,
        answers(*np.eye(4, dtype=int)[::-1] * 30),  # two pairs
        answers([60, 0, 0], [20, 0, 0], [20, 0, 0]),  # as accurate as a constant answer, and less
        answers([59, 1, 0], [20, 0, 0], [20, 0, 0]),
    ],
)
def test_findings(rows: tuple[np.ndarray, np.ndarray], snapshot: SnapshotAssertion) -> None:
    assert "\n".join(one.text() for one in answer_findings("net.pt", *rows, ANIMALS)) == snapshot


@pytest.mark.parametrize(
    "rows",
    [
        ([90, 5, 5], [5, 90, 5], [5, 5, 90]),
        ([0, 90, 10], [0, 90, 10], [10, 0, 90]),  # one class is never named
        ([45, 55, 0], [55, 45, 0], [0, 0, 90]),  # chance
        ([0, 90, 10], [10, 0, 90], [90, 10, 0]),  # a rotation, which no swap repairs
        ([0, 0, 0], [0, 0, 0], [0, 0, 0]),
    ],
)
def test_other_confusions_are_no_swaps(rows) -> None:
    assert swapped_pairs(*answers(*rows), 3) == []


def test_the_test_is_exact_with_holms_correction() -> None:
    """Of six pairs, the second smallest p-value is compared with a fifth of the level."""
    clear = [[0, 100, 0, 0], [100, 0, 0, 0]]
    n = 40
    for swapped in range(n // 4 + 1, n // 2 + 1):
        rows = (*clear, [0, 0, n // 2 - swapped, swapped], [0, 0, swapped, n // 2 - swapped])
        p_value = binomtest(2 * swapped, n, 0.5, alternative="greater").pvalue
        expected = [(0, 1), (2, 3)] if p_value <= ALPHA / 5 else [(0, 1)]
        assert [pair.classes for pair in swapped_pairs(*answers(*rows), 4)] == expected
    p_values = [binomtest(2 * k, n, 0.5, alternative="greater").pvalue for k in (14, 15)]
    assert p_values[1] < ALPHA / 5 < ALPHA < 3 * p_values[0]


@pytest.mark.parametrize("rows", [([60, 0], [19, 1]), ([60, 0], [0, 0]), ([0, 0], [0, 0])])
def test_accuracies_above_it_and_sets_of_one_class(rows) -> None:
    assert list(answer_findings("net.pt", *answers(*rows), ANIMALS)) == []


PASSES = 2 * PROBE + PROBE // 2
"""Images of the passes that compare answers: a batch twice, and half of it."""
SHUFFLED = torch.tensor([3, 4, 0, 1, 5, 9, 2, 6, 7, 8])
Plant = Callable[[Classifier], Classifier]


@pytest.fixture
def loaded(demo_suite: Suite) -> Callable[[str], Classifier]:
    request = LoadRequest(classes=demo_suite.classes, image_size=demo_suite.image_size, device="cpu")
    return lambda spec: load_classifier(spec, request)


@pytest.fixture
def checked(tmp_path: Path) -> Callable[..., Evaluation]:
    """An evaluation whose first shard is predicted, as before a gate."""

    def check(classifier: Classifier, suite: Suite, *names: str) -> Evaluation:
        evaluation = new_evaluation(classifier, suite, store=tmp_path / "store")
        evaluation.plan(names or ["accuracy"])
        evaluation.check()
        return evaluation

    return check


def examined(evaluation: Evaluation) -> Examination:
    return examine_model(evaluation, {"accuracy": ["t.yaml:1"]}, short=True)


def counted(classifier: Classifier) -> list[int]:
    """The sizes of the batches that the module is shown from now on."""
    sizes: list[int] = []
    classifier.module.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    return sizes


@pytest.fixture
def listed(demo_suite: Suite, tmp_path: Path) -> Callable[..., Suite]:
    """A copy of the demo's clean images as a list in random order, some of each class."""

    def copy(counts: dict[str, int]) -> Suite:
        root = tmp_path / f"listed{sum(counts.values())}"
        shutil.copytree(demo_suite.root / "clean", root / "clean")
        rows = [f"clean/{name}/{k:03}.png,{name}" for name, count in counts.items() for k in range(count)]
        np.random.default_rng(0).shuffle(rows)
        (root / "clean.csv").write_text("\n".join(["path,label", *rows, ""]), encoding="utf-8")
        (root / "quba-data.yaml").write_text(
            f"schema: 1\nname: copy\nclasses: [{', '.join(CLASSES)}]\nimage_size: 48\n"
            "sets:\n  clean: {reader: csv, path: clean.csv}\n",
            encoding="utf-8",
        )
        return open_suite(root)

    return copy


@pytest.mark.parametrize("spec", ["demo", "demo-textured"])
def test_a_healthy_model_costs_a_few_passes_beyond_the_first_shard(loaded, checked, demo_suite, spec) -> None:
    classifier = loaded(spec)
    sizes = counted(classifier)
    evaluation = checked(classifier, demo_suite)
    assert sum(sizes) == SHARD_SIZE
    examination = examined(evaluation)
    assert examination.findings == ()
    assert examination.forwards == PASSES
    shown = examination.forwards + BATCH
    assert sum(sizes) == SHARD_SIZE + shown, "the last ones end at the first BatchNorm"
    assert 0 < examination.decoded <= SHORT_IMAGES
    images = len(demo_suite.examples(CLEAN))
    evaluation.measure("accuracy")
    assert sum(sizes) == images + shown, "the first shard is predicted once"


@pytest.mark.parametrize("spec", ["demo", "demo-textured"])
def test_a_healthy_model_without_batchnorm_costs_a_few_more(loaded, checked, listed, spec) -> None:
    """A first look at another normalisation shows four images, and eight more if these do not rule it out."""
    classifier = without_batchnorm(loaded(spec))
    sizes = counted(classifier)
    examination = examined(checked(classifier, listed(dict.fromkeys(CLASSES, 30))))
    assert examination.findings == ()
    assert PASSES + 24 <= examination.forwards <= PASSES + 84
    assert sum(sizes) == SHARD_SIZE + examination.forwards


@pytest.mark.usefixtures("without_stored_check")
def test_a_stored_first_shard_is_not_predicted_again(loaded, checked, demo_suite) -> None:
    classifier = loaded("demo")
    first = examined(checked(classifier, demo_suite))
    sizes = counted(classifier)
    assert examined(checked(classifier, demo_suite)) == first
    assert sum(sizes) == first.forwards + BATCH


def named(classifier: Classifier, scale: float) -> Classifier:
    """A model with another order of the last three classes, none in the first shard, and its names."""
    order = [*range(7), 9, 7, 8]
    planted = around(classifier, after=lambda z: scale * z[:, torch.tensor(order)])
    planted.module.pretrained_cfg = {"label_names": [CLASSES[k] for k in order]}
    return planted


def traced(classifier: Classifier) -> Classifier:
    """A program, whose layers are unknown."""
    return replace(classifier, module=torch.jit.trace(classifier.module, torch.zeros(8, 3, 48, 48)))


NONE = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
PLANTED: dict[str, tuple[str, Plant]] = {
    "reversed outputs": ("demo", lambda c: around(c, after=lambda z: z.flip(1))),
    "an order without a rule": ("demo", lambda c: around(c, after=lambda z: z[:, SHUFFLED])),
    "no normalisation": ("demo", lambda c: prepared(c, **NONE)),
    "no normalisation, textured": ("demo-textured", lambda c: prepared(c, **NONE)),
    "no normalisation, no BatchNorm": ("demo-textured", lambda c: prepared(without_batchnorm(c), **NONE)),
    "a normalisation far off": ("demo-textured", lambda c: prepared(c, std=(0.004,) * 3)),
    "BGR, no BatchNorm": (
        "demo-textured",
        lambda c: around(without_batchnorm(c), before=lambda x: x.flip(1)),
    ),
    "a program": ("demo-textured", lambda c: traced(prepared(c, **NONE))),
    "the last classes in another order": ("demo", lambda c: named(c, 1.0)),
    "another order with a confidence far below accuracy": ("demo", lambda c: named(c, 0.05)),
    "two errors": ("demo", lambda c: prepared(around(c, after=lambda z: z.flip(1)), **NONE)),
    "untrained": ("demo", lambda c: around(c, after=lambda z: z * 0 + torch.arange(10.0))),
    "softmax twice": ("demo", lambda c: around(c, after=lambda z: z.softmax(1).softmax(1))),
    "stated logits": (
        "demo",
        lambda c: replace(around(c, after=lambda z: z.softmax(1)), stated_outputs="logits", outputs=None),
    ),
}


FAST = ("reversed outputs", "no normalisation, textured", "a program", "stated logits")
"""Errors of each kind; the others are slow tests."""


@pytest.mark.parametrize("name", mostly_slow(PLANTED, FAST))
def test_planted_errors_are_reported_before_a_gate(loaded, checked, demo_suite, name) -> None:
    spec, plant = PLANTED[name]
    planted = plant(loaded(spec))
    alone = examine(ModelUnderTest(replace(planted, outputs=None), demo_suite, short=True), CHECKS)
    assert alone
    assert examined(checked(planted, demo_suite)).findings == alone


def test_shuffled_labels_are_reported_in_sets_that_the_run_reads(
    loaded, checked, demo_suite, tmp_path
) -> None:
    suite = with_shuffled_labels(demo_suite, tmp_path / "data", "sketch")
    assert examined(checked(loaded("demo"), suite)).findings == ()
    (finding,) = examined(checked(loaded("demo"), suite, "accuracy", "ood_robustness")).findings
    assert finding.problem == "demo: the labels of the set 'sketch' look shuffled."


@pytest.mark.parametrize(("predicted", "plausible"), [(0, False), (None, True)])
def test_each_class_has_the_same_weight(loaded, demo_suite, monkeypatch, predicted, plausible) -> None:
    """A constant answer, the most frequent class, is right on three of four images."""
    label = np.array([0] * 108 + [*range(1, 10)] * 4)
    answer = label if predicted is None else np.full(len(label), predicted)
    sure = np.ones(len(label), dtype=np.float32)
    answers = Predictions(np.arange(len(label)), label, answer, sure, sure)
    monkeypatch.setattr(module, "first_answers", lambda _: answers)
    assert module.is_plausible(ModelUnderTest(loaded("demo"), demo_suite)) == plausible


@pytest.mark.parametrize("n", [1, 2])
def test_errors_are_reported_on_few_images(loaded, checked, listed, n) -> None:
    """Fewer than sixteen images allow no conclusion, neither alone nor in a run."""
    suite = listed(dict.fromkeys(CLASSES, n))
    planted = around(loaded("demo"), after=lambda z: z.flip(1))
    findings = examined(checked(planted, suite)).findings
    assert len(findings) == n - 1
    assert findings == examine(ModelUnderTest(planted, suite, short=True), CHECKS)
    assert examined(checked(loaded("demo"), suite)).findings == ()


def test_several_right_classes_count_in_first_answers(loaded, checked, demo_suite, monkeypatch) -> None:
    evaluation = checked(loaded("demo"), demo_suite)
    answers = evaluation.engine.first_predictions()
    anything = np.broadcast_to(np.arange(len(CLASSES)), (len(answers), len(CLASSES)))
    wide = replace(answers, acceptable=np.concatenate([answers.label[:, None], anything], axis=1))
    monkeypatch.setattr(evaluation.engine, "first_predictions", lambda: wide)
    found = first_answers(ModelUnderTest(evaluation.classifier, demo_suite, engine=evaluation.engine))
    assert (np.diff(found.index) > 0).all()
    of_run = np.isin(found.index, answers.index)
    assert (found.correct == of_run | (found.predicted == found.label)).all()


def test_no_answers_without_clean_images_in_the_run(loaded, checked, demo_suite, monkeypatch) -> None:
    def answers(evaluation: Evaluation) -> object:
        return first_answers(ModelUnderTest(evaluation.classifier, demo_suite, engine=evaluation.engine))

    assert answers(new_evaluation(loaded("demo"), demo_suite)) is None
    evaluation = checked(loaded("demo"), demo_suite)
    assert SHARD_SIZE < len(answers(evaluation)) <= SHARD_SIZE + PROBE

    def fail(*_: object) -> None:
        raise InvariantError("the model changed")

    monkeypatch.setattr(evaluation.engine, "first_predictions", fail)
    assert answers(evaluation) is None
