"""Predictions for single images equal those for the same images in a set."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from support.evaluations import new_evaluation
from support.tiny import write_models, write_suite

from quba_check.core.view import CLEAN
from quba_check.engine.ad_hoc import Answers
from quba_check.engine.batching import BatchSettings
from quba_check.errors import InvariantError, ModelError, UserError
from quba_check.evaluation import Evaluation

ALLOWED = (
    "Allowed: a list of PIL images or uint8 arrays (H, W, 3), or a float tensor (N, 3, H, W) of prepared "
    "images with values in [0, 1]."
)
GREY = np.full((8, 8, 3), 100, np.uint8)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    folder, name = tmp_path_factory.mktemp("models"), "tiny_models_that_answer"
    write_models(folder, name)
    sys.path.insert(0, str(folder))
    yield importlib.import_module(name)
    sys.path.remove(str(folder))
    del sys.modules[name]


@pytest.fixture(scope="module")
def evaluate(models: ModuleType, tmp_path_factory: pytest.TempPathFactory):
    data = write_suite(tmp_path_factory.mktemp("suite") / "data")

    def made(model: str = "net", **options) -> Evaluation:
        options = {
            "store": tmp_path_factory.mktemp("store"),
            "batch_settings": BatchSettings(threads=0),
        } | options
        return new_evaluation(f"{models.__name__}:{model}", data, **options)

    return made


@pytest.fixture(scope="module")
def quba(evaluate) -> Evaluation:
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
    whole, cropped = quba.answers([wide], crop=False), quba.answers([wide])
    np.testing.assert_allclose(
        cropped.probabilities, quba.answers([np.full((8, 8, 3), 255, np.uint8)]).probabilities, rtol=1e-5
    )
    assert abs(whole.probabilities - cropped.probabilities).max() > 0.01


def test_no_image_gets_no_answer(quba: Evaluation) -> None:
    found = quba.answers([])
    assert (found.predicted.shape, found.confidence.shape, found.probabilities.shape) == ((0,), (0,), (0, 3))
    assert len(quba.answers(torch.zeros(0, 3, 8, 8))) == 0


def test_short_text() -> None:
    confidence = np.array([0.98, 0.5, 0.333333], np.float32)
    found = Answers(np.array([0, 2, 1]), confidence, np.zeros((3, 3), np.float32))
    assert repr(found) == "Answers(n=3, predicted 0 (0.980), 2 (0.500), 1 (0.333))"
    many = Answers(np.zeros(50_000, np.int64), np.ones(50_000, np.float32), np.zeros((50_000, 3), np.float32))
    assert repr(many) == f"Answers(n=50000, predicted {', '.join(['0 (1.000)'] * 5)} and 49995 more)"
    none = Answers(np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 3), np.float32))
    assert repr(none) == "Answers(n=0, predicted none)"


def test_it_costs_a_forward_pass_for_each_image(evaluate, models: ModuleType) -> None:
    quba = evaluate()
    models.COUNTS.update(forward=0, backward=0)
    quba.answers([GREY] * 5)
    assert models.COUNTS == {"forward": 9 + 5, "backward": 0}  # nine real images show what the outputs are
    quba.answers([GREY] * 5)
    assert models.COUNTS == {"forward": 9 + 10, "backward": 0}


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (["a.png"], f"answers: image 0 is a value of type str. {ALLOWED}"),
        ([GREY, GREY / 255], f"answers: image 1 is an array of float64 and shape (8, 8, 3). {ALLOWED}"),
        ([GREY[..., 0]], f"answers: image 0 is an array of uint8 and shape (8, 8). {ALLOWED}"),
        ([GREY[:0]], f"answers: image 0 is an array of uint8 and shape (0, 8, 3). {ALLOWED}"),
        (torch.zeros(3, 8, 8), f"answers: got a tensor of torch.float32 and shape (3, 8, 8). {ALLOWED}"),
        (
            torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
            f"answers: got a tensor of torch.uint8 and shape (1, 3, 8, 8). {ALLOWED}",
        ),
        (
            torch.full((1, 3, 8, 8), -1.5),
            f"answers: got values from -1.5 to -1.5. {ALLOWED} Normalisation is done here.",
        ),
        (
            torch.full((1, 3, 8, 8), float("nan")),
            f"answers: got values from nan to nan. {ALLOWED} Normalisation is done here.",
        ),
    ],
)
def test_inputs_that_are_no_images(quba: Evaluation, images, message: str) -> None:
    with pytest.raises(UserError) as caught:
        quba.answers(images)
    assert str(caught.value) == message


def test_a_model_that_fails_or_changes(evaluate) -> None:
    with pytest.raises(ModelError, match="not finite"):
        evaluate("not_finite").answers([GREY])
    quba = evaluate("a_buffer_that_counts")
    quba.classifier.outputs = "logits"
    with pytest.raises(InvariantError, match=r"^answers: the model's tensor 'seen' changed"):
        quba.answers([GREY])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, "max_images: got 0. Allowed: a whole number from 1."),
        ({"limit": -1}, "max_images: got -1. Allowed: a whole number from 1."),
        ({"seed": "a"}, "seed: got 'a'. Allowed: a whole number from 0."),
        ({"seed": True}, "seed: got True. Allowed: a whole number from 0."),
    ],
)
def test_options_that_no_evaluation_takes(evaluate, options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as raised:
        evaluate(**options)
    assert str(raised.value) == message


def test_a_module_is_no_spec() -> None:
    with pytest.raises(UserError) as raised:
        Evaluation(torch.nn.Flatten(), "demo")  # type: ignore[arg-type]
    assert str(raised.value) == (
        "model: got a value of type Flatten. Allowed: a model spec, such as 'model.pt' or "
        "'package.module:callable', or a loaded Classifier."
    )
