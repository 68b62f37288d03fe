"""Predictions for single images equal those for the same images in a set."""

from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from support.errors import error_text
from support.evaluations import Evaluate
from syrupy.assertion import SnapshotAssertion

from quba_check.core.view import CLEAN
from quba_check.engine.ad_hoc import Answers
from quba_check.engine.batching import BatchSettings
from quba_check.errors import InvariantError, UserError
from quba_check.evaluation import Evaluation

GREY = np.full((8, 8, 3), 100, np.uint8)


@pytest.fixture
def quba(evaluate: Evaluate) -> Evaluation:
    return evaluate()


@pytest.mark.parametrize("model", ["net", "probabilities", "sigmoids"])
@pytest.mark.parametrize("batch", [None, 2])
def test_the_clean_set_as_images(evaluate, model: str, batch: int | None) -> None:
    quba = evaluate(model, batch_settings=BatchSettings(batch, threads=0))
    expected = quba.engine.predictions([CLEAN])[CLEAN]
    pictures = [quba.suite.image(example) for example in quba.suite.examples(CLEAN)]
    arrays = [np.array(picture) for picture in pictures]
    prepared = torch.stack([torch.from_numpy(array).permute(2, 0, 1) for array in arrays]).float() / 255
    for images in (pictures, arrays, prepared, prepared.double()):
        found = quba.answers(images)
        assert len(found) == len(pictures)
        np.testing.assert_array_equal(found.predicted, expected.predicted)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=1e-5)
        np.testing.assert_allclose(found.confidence, expected.confidence, rtol=1e-5)


def test_images_of_any_size_and_mode(quba: Evaluation) -> None:
    small = quba.answers([GREY]).probabilities
    large = quba.answers([np.full((40, 60, 3), 100, np.uint8), Image.new("L", (30, 20), 100)]).probabilities
    np.testing.assert_allclose(large, np.repeat(small, 2, axis=0), rtol=1e-5)


def test_images_at_their_final_size_are_not_cropped(quba: Evaluation) -> None:
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 8:16] = 255  # all that a crop of the middle leaves
    whole = quba.answers([wide], crop=False)
    cropped = quba.answers([wide])
    np.testing.assert_allclose(
        cropped.probabilities, quba.answers([np.full((8, 8, 3), 255, np.uint8)]).probabilities, rtol=1e-5
    )
    assert abs(whole.probabilities - cropped.probabilities).max() > 0.01


def test_no_image_gets_no_answer(quba: Evaluation) -> None:
    found = quba.answers([])
    assert (found.predicted.shape, found.confidence.shape, found.probabilities.shape) == ((0,), (0,), (0, 3))
    assert repr(quba.answers(torch.zeros(0, 3, 8, 8))) == "Answers(n=0, predicted none)"


def test_short_text() -> None:
    predicted = np.array([0, 2, 1, 0, 0, 0, 0])
    confidence = np.array([0.98, 0.5, 0.333333, 1, 1, 1, 1])
    found = Answers(predicted, confidence.astype(np.float32), np.zeros((7, 3), np.float32))
    first = "0 (0.980), 2 (0.500), 1 (0.333), 0 (1.000), 0 (1.000)"
    assert repr(found) == f"Answers(n=7, predicted {first} and 2 more)"


def test_it_costs_a_forward_pass_for_each_image(quba: Evaluation, models: ModuleType) -> None:
    quba.answers([GREY] * 5)
    assert models.COUNTS == {"forward": 9 + 5, "backward": 0}  # nine real images show what the outputs are
    quba.answers([GREY] * 5)
    assert models.COUNTS == {"forward": 9 + 10, "backward": 0}


@pytest.mark.parametrize(
    "images",
    [
        ["a.png"],
        [GREY, GREY / 255],
        [GREY[..., 0]],
        [GREY[:0]],
        torch.zeros(3, 8, 8),
        torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
        torch.full((1, 3, 8, 8), -1.5),
        torch.full((1, 3, 8, 8), float("nan")),
    ],
    ids=["text", "floats", "grey", "empty", "one tensor", "bytes", "normalised", "nan"],
)
def test_inputs_that_are_no_images(quba: Evaluation, images, snapshot: SnapshotAssertion) -> None:
    assert error_text(UserError, quba.answers, images) == snapshot


def test_a_model_that_changes(evaluate) -> None:
    quba = evaluate("a_buffer_that_counts")
    quba.classifier.outputs = "logits"
    with pytest.raises(InvariantError, match=r"^answers: the model's tensor 'seen' changed"):
        quba.answers([GREY])


@pytest.mark.parametrize("options", [{"limit": 0}, {"limit": -1}, {"seed": "a"}, {"seed": True}], ids=str)
def test_options_that_no_evaluation_takes(evaluate, options, snapshot: SnapshotAssertion) -> None:
    assert error_text(UserError, evaluate, **options) == snapshot


def test_a_module_is_no_spec(snapshot: SnapshotAssertion) -> None:
    assert error_text(UserError, Evaluation, torch.nn.Flatten(), "demo") == snapshot
