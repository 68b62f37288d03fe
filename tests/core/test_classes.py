"""Predictions restricted to some classes equal those of a model with these classes alone."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from support.errors import error_text
from support.evaluations import new_evaluation
from support.tiny import CLASSES, MANIFEST, copy_suite, write_models
from syrupy.assertion import SnapshotAssertion

from quba_check.core.view import CLEAN, FGSM, PGD, View
from quba_check.errors import HeadError
from quba_check.evaluation import Evaluation
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest

NAME = "tiny_models_with_more_classes"
ALL = ("cloud", "dune", "apple", "elk", "brick")
COLUMNS = [ALL.index(name) for name in CLASSES]
MORE = f"""

def of_all(head=None):
    made = Net(classes={len(ALL)})
    made.head = head or made.head
    return made


def of_all_in_probabilities():
    return of_all(nn.Softmax(dim=1))


def of_all_in_sigmoids():
    return of_all(nn.Sigmoid())


def of_three():
    made = Net()
    made.weight.data = of_all().weight.data[{COLUMNS}]
    return made
"""
VIEWS = (CLEAN, FGSM, PGD, View("corruptions", "fog", 3), View("cue_conflict"))


@pytest.fixture
def evaluate(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Evaluation]]:
    path = write_models(tmp_path, NAME)
    path.write_text(path.read_text(encoding="utf-8") + MORE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    restricted = copy_suite(tiny_data, tmp_path / "restricted")

    def made(model: str, restrict: tuple[str, ...] | None = ALL, **options) -> Evaluation:
        if restrict is not None:
            (restricted / "all.txt").write_text("\n".join(restrict), encoding="utf-8")
            text = MANIFEST.replace("image_size:", "restrict: all.txt\nimage_size:")
            (restricted / "quba-data.yaml").write_text(text, encoding="utf-8")
        data = tiny_data if restrict is None else restricted
        return new_evaluation(f"{NAME}:{model}", data, store=tmp_path / "store", **options)

    yield made
    sys.modules.pop(NAME, None)


@pytest.mark.parametrize(
    ("model", "outputs", "protocol"),
    [
        ("of_all", "logits", "standard"),
        ("of_all", "logits", "released"),
        ("of_all_in_probabilities", "probabilities", "standard"),
        ("of_all_in_sigmoids", "sigmoids", "standard"),
    ],
)
def test_they_equal_those_of_a_smaller_model(evaluate, model: str, outputs: str, protocol: str) -> None:
    """Softmax over some logits is softmax of these alone; probabilities are normalised again."""
    restricted = evaluate(model, protocol=protocol)
    smaller = evaluate("of_three", None, protocol=protocol)
    ours = restricted.engine.predictions(VIEWS)
    theirs = smaller.engine.predictions(VIEWS)
    assert restricted.classifier.outputs == outputs
    for view in VIEWS:
        assert (ours[view].predicted == theirs[view].predicted).all(), view
        np.testing.assert_allclose(ours[view].confidence, theirs[view].confidence, atol=2e-5)
        np.testing.assert_allclose(ours[view].true_probability, theirs[view].true_probability, atol=2e-5)
    assert ours[CLEAN].probabilities.shape == (9, 3)
    np.testing.assert_allclose(ours[CLEAN].probabilities.sum(axis=1), 1, atol=1e-6)
    for name in ("accuracy", "adversarial_robustness", "calibration_error", "class_balance", "shape_bias"):
        assert restricted.measure(name).value == pytest.approx(smaller.measure(name).value, abs=1e-4), name


def test_answers_in_other_columns_are_other_predictions(evaluate) -> None:
    first = evaluate("of_all")
    second = evaluate("of_all", tuple(reversed(ALL)))
    assert first.classifier.fingerprint != second.classifier.fingerprint
    assert first.engine.cache_keys.cache_entry(CLEAN) != second.engine.cache_keys.cache_entry(CLEAN)
    ours, theirs = (made.engine.predictions([CLEAN])[CLEAN].probabilities for made in (first, second))
    assert not np.allclose(ours, theirs)


def test_the_record_states_the_restriction(evaluate) -> None:
    restricted = evaluate("of_all")
    assert "answers are restricted to 3 of the model's 5 classes" in restricted.classifier.notes
    assert restricted.row.classes == 3
    assert not any("restricted" in note for note in evaluate("of_three", None).classifier.notes)


def test_a_model_of_another_size(evaluate, snapshot: SnapshotAssertion) -> None:
    evaluation = evaluate("of_three")
    assert error_text(HeadError, evaluation.engine.predictions, [CLEAN]) == snapshot


def test_a_classifier_that_was_loaded_for_other_classes(
    evaluate, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    evaluation = evaluate("of_all")
    loaded = load_classifier(f"{NAME}:of_all", LoadRequest(classes=ALL, device="cpu"))
    text = error_text(HeadError, Evaluation, loaded, evaluation.suite, store=tmp_path / "store")
    assert text == snapshot
    again = load_classifier(
        f"{NAME}:of_all",
        LoadRequest(classes=evaluation.suite.classes, head=evaluation.suite.head, device="cpu"),
    )
    assert Evaluation(again, evaluation.suite, store=tmp_path / "store").measure("accuracy").n == 9
