"""The short form on a run's own answers: a healthy model costs little, planted errors are still reported."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.evaluations import new_evaluation
from support.planted_errors import CHECKS, around, prepared, shuffle, without_batchnorm

from quba_check.core.view import CLEAN
from quba_check.doctor import accuracy
from quba_check.doctor.examination import Examination, examine, examine_model
from quba_check.doctor.first_answers import are_plausible, first_answers
from quba_check.doctor.image_files import SHORT_IMAGES
from quba_check.doctor.subject import PROBE, ModelUnderTest
from quba_check.engine.cache_keys import SHARD_SIZE
from quba_check.errors import InvariantError
from quba_check.evaluation import Evaluation
from quba_check.models.classifier import Classifier
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
from quba_check.suites.opening import open_suite
from quba_check.suites.suite import Suite

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


@pytest.mark.parametrize("spec", ["demo", "demo-textured"])
def test_a_healthy_model_costs_a_few_passes_beyond_the_first_shard(loaded, checked, demo_suite, spec) -> None:
    classifier = loaded(spec)
    sizes = counted(classifier)
    evaluation = checked(classifier, demo_suite)
    assert sum(sizes) == SHARD_SIZE
    examination = examined(evaluation)
    assert examination.findings == ()
    assert examination.forwards == PASSES
    assert sum(sizes) == SHARD_SIZE + PASSES + PROBE, "the last ones end at the first BatchNorm"
    assert 0 < examination.decoded <= SHORT_IMAGES
    images = len(demo_suite.examples(CLEAN))
    evaluation.measure("accuracy")
    assert sum(sizes) == images + PASSES + PROBE, "the first shard is predicted once"


def test_first_answers_of_few_classes_need_images_of_all(loaded, checked, demo_suite, monkeypatch) -> None:
    monkeypatch.setattr(accuracy, "_COVERED", 0.8)
    examination = examined(checked(loaded("demo"), demo_suite))
    assert (examination.findings, examination.forwards) == ((), PASSES + accuracy._BALANCED - PROBE)


NONE = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
PLANTED: dict[str, tuple[str, Plant]] = {
    "reversed outputs": ("demo", lambda c: around(c, after=lambda z: z.flip(1))),
    "an order without a rule": ("demo", lambda c: around(c, after=lambda z: z[:, SHUFFLED])),
    "no normalisation": ("demo", lambda c: prepared(c, **NONE)),
    "no normalisation, textured": ("demo-textured", lambda c: prepared(c, **NONE)),
    "no normalisation, no BatchNorm": ("demo-textured", lambda c: prepared(without_batchnorm(c), **NONE)),
    "a normalisation far off": ("demo-textured", lambda c: prepared(c, std=(0.004,) * 3)),
    "two errors": ("demo", lambda c: prepared(around(c, after=lambda z: z.flip(1)), **NONE)),
    "untrained": ("demo", lambda c: around(c, after=lambda z: z * 0 + torch.arange(10.0))),
    "softmax twice": ("demo", lambda c: around(c, after=lambda z: z.softmax(1).softmax(1))),
    "stated logits": (
        "demo",
        lambda c: replace(around(c, after=lambda z: z.softmax(1)), stated_outputs="logits", outputs=None),
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_errors_are_reported_before_a_gate(loaded, checked, demo_suite, name) -> None:
    spec, plant = PLANTED[name]
    planted = plant(loaded(spec))
    alone = examine(ModelUnderTest(replace(planted, outputs=None), demo_suite, short=True), CHECKS)
    assert alone
    assert examined(checked(planted, demo_suite)).findings == alone


def test_shuffled_labels_are_reported_in_sets_that_the_run_reads(
    loaded, checked, demo_suite, tmp_path
) -> None:
    shutil.copytree(demo_suite.root, tmp_path / "data")
    shuffle(tmp_path / "data", "sketch")
    suite = open_suite(tmp_path / "data")
    assert examined(checked(loaded("demo"), suite)).findings == ()
    (finding,) = examined(checked(loaded("demo"), suite, "accuracy", "ood_robustness")).findings
    assert finding.problem == "demo: the labels of the set 'sketch' look shuffled."


def test_no_answers_without_clean_images_in_the_run(loaded, checked, demo_suite, monkeypatch) -> None:
    assert first_answers(new_evaluation(loaded("demo"), demo_suite)) is None
    evaluation = checked(loaded("demo"), demo_suite)
    answers = first_answers(evaluation)
    assert answers is not None
    assert len(answers) == SHARD_SIZE

    def fail(*_: object) -> None:
        raise InvariantError("the model changed")

    monkeypatch.setattr(evaluation.engine, "predictions", fail)
    assert first_answers(evaluation) is None


@pytest.mark.parametrize(
    ("n_correct", "confidence", "plausible"),
    [
        (90, 0.92, True),
        (90, 0.3, True),  # no confidence is too low
        (80, 0.85, True),
        (80, 0.99, False),  # 0.19 above accuracy, with a standard error of 0.04
        (70, 0.84, True),  # 0.14 above, and 0.107 of noise
        (49, 0.4, False),
    ],
)
def test_accuracy_is_compared_with_confidence(n_correct, confidence, plausible) -> None:
    assert are_plausible(np.arange(100) < n_correct, np.full(100, confidence)) == plausible


def test_fewer_than_sixteen_answers_decide_nothing() -> None:
    assert not are_plausible(np.ones(15, dtype=bool), np.ones(15))
    assert are_plausible(np.ones(16, dtype=bool), np.ones(16))
