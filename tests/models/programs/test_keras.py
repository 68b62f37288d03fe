"""Keras files: answers as Keras gives them, the range of pixels, counts, and the message for each file."""

import importlib.util
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.loaded_models import THREE, load, message, refusal
from support.tiny import SIDE

if importlib.util.find_spec("keras") is None:
    pytest.skip("keras is not installed", allow_module_level=True)

from quba_check.models.preprocessing.config import PreprocessingConfig

pytestmark = pytest.mark.filterwarnings("ignore")  # those of Keras
WAY_OUT = "Save it again as .keras by Keras 3, or export it to ONNX or TFLite."


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The module, imported by the loader with its choice of a backend; seeded."""
    with zipfile.ZipFile(tmp_path_factory.mktemp("keras") / "x.keras", "w") as archive:
        archive.writestr("x", b"")
    refusal(Path(archive.filename))
    import keras

    assert keras.config.backend() == "torch"
    keras.utils.set_random_seed(0)
    return keras


def network(keras: Any, *first: Any, shape: tuple = (SIDE, SIDE, 3), last: str | None = None) -> Any:
    """Return a network for three classes with these layers before its convolution."""
    layers = keras.layers
    inner = images = keras.Input(shape)
    for layer in first:
        inner = layer(inner)
    inner = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(inner))
    inner = layers.GlobalAveragePooling2D()(layers.ReLU()(inner))
    return keras.Model(images, layers.Dense(3, activation=last)(inner))


def saved(model: Any, folder: Path) -> Path:
    model.save(folder / "net.keras")
    return folder / "net.keras"


def pixels(channels: int = 3) -> np.ndarray:
    """Return five images of random pixels, (5, side, side, channels)."""
    return np.random.default_rng(0).integers(0, 256, (5, SIDE, SIDE, channels), dtype=np.uint8)


CANNOT_LOAD = "net.keras: keras {} on torch cannot load it: "
FOREIGN = (
    "Code in the file runs with --quba-trust-pickle, if you trust it. For custom layers give "
    "--model=package.module:callable (docs/models.md)."
)
STATED = PreprocessingConfig(
    {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}, "prep.yaml", departs=True
)
UNSTATED = (
    "net.keras: does not state how pixels are scaled. State mean and std of the training in the file of "
    "--quba-preprocessing (docs/models.md)."
)


def refused_by_keras(path: Path, error: str, version: str) -> bool:
    """Return True if the message has our words around those of Keras."""
    text = refusal(path, THREE)
    return text.startswith(f"{CANNOT_LOAD.format(version)}{error}: ") and text.endswith(FOREIGN)


def shaped(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array).permute(0, 3, 1, 2)


@pytest.mark.parametrize("last", [None, "softmax"])
def test_answers_are_those_of_keras(keras, tmp_path, last):
    model = network(keras, keras.layers.RandomFlip(), keras.layers.Rescaling(1 / 127.5, offset=-1), last=last)
    classifier = load(saved(model, tmp_path), THREE)
    answers = classifier.raw(classifier.inputs(shaped(pixels())))
    np.testing.assert_allclose(answers, model.predict(pixels(), verbose=0), atol=1e-6)
    assert torch.equal(answers, classifier.raw(classifier.inputs(shaped(pixels()))))
    assert classifier.output_kind(answers) == ("probabilities" if last else "logits")
    assert classifier.module.runtime == f"keras {keras.__version__} on torch"
    assert classifier.libraries == {"keras": keras.__version__, "torch": torch.__version__}
    assert classifier.no_gradient == "a Keras model gives no gradients, which FGSM and PGD need"


def test_an_input_without_rescaling_gets_normalised_images(keras, tmp_path):
    model = network(keras)
    path = saved(model, tmp_path)
    assert refusal(path, THREE) == UNSTATED
    classifier = load(path, THREE, preprocessing=STATED)
    inputs = classifier.inputs(shaped(pixels()))
    mean, std = np.float32((0.485, 0.456, 0.406)), np.float32((0.229, 0.224, 0.225))
    expected = model.predict((pixels() / np.float32(255) - mean) / std, verbose=0)
    np.testing.assert_allclose(classifier.raw(inputs), expected, atol=1e-6)
    source = "the input of {} (mean, std: prep.yaml; interpolation, crop_pct: the suite's defaults)"
    assert classifier.preprocessing.source == source.format(path)


def test_grey_images(keras, tmp_path):
    model = network(keras, keras.layers.Rescaling(1 / 255), shape=(SIDE, SIDE, 1))
    classifier = load(saved(model, tmp_path), THREE)
    answers = classifier.raw(classifier.inputs(shaped(pixels(1).repeat(3, axis=3))))
    np.testing.assert_allclose(answers, model.predict(pixels(1), verbose=0), atol=1e-6)


def test_channels_first(keras, tmp_path):
    images = keras.Input((3, SIDE, SIDE))
    model = keras.Model(images, keras.layers.Dense(3)(keras.layers.Flatten()(images)))
    classifier = load(saved(model, tmp_path), THREE, preprocessing=STATED)
    inputs = classifier.inputs(shaped(pixels()))
    np.testing.assert_allclose(classifier.raw(inputs), model.predict(inputs.numpy(), verbose=0), atol=1e-6)


def test_pixels_as_integers_are_not_scaled_twice(keras, tmp_path):
    images = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    model = keras.Model(images, network(keras)(keras.layers.Rescaling(1 / 255)(images)))
    classifier = load(saved(model, tmp_path), THREE)
    answers = classifier.raw(classifier.inputs(shaped(pixels())))
    np.testing.assert_allclose(answers, model.predict(pixels(), verbose=0), atol=1e-6)


def first_layers(layers: Any) -> dict[str, tuple[list[Any], str]]:
    """Return first layers of a model, and the layer that states pixels from 0 to 255."""
    moments = {"mean": [120.0, 110.0, 100.0], "variance": [3000.0, 3100.0, 3200.0]}
    return {
        "in a nested model": ([layers.RandomRotation(0.1), "nested"], "Rescaling"),
        "mean and variance of pixels": ([layers.Normalization(**moments)], "Normalization"),
        "mean and variance of shares": ([layers.Normalization(mean=0.4, variance=0.05)], ""),
        "from shares to -1 to 1": ([layers.Rescaling(2.0, offset=-1)], ""),
        "after another layer": ([layers.Conv2D(3, 1), layers.Rescaling(1 / 255)], ""),
        "after an operation": ([lambda images: images / 2, layers.Rescaling(1 / 255)], ""),
    }


def test_the_first_layer_states_the_range_of_pixels(keras, tmp_path):
    for name, (first, layer) in first_layers(keras.layers).items():
        nested = keras.Sequential([keras.layers.Resizing(SIDE, SIDE), keras.layers.Rescaling(1 / 255)])
        path = saved(network(keras, *(nested if one == "nested" else one for one in first)), tmp_path)
        if not layer:
            assert refusal(path, THREE) == UNSTATED, name
            continue
        found = load(path, THREE).preprocessing
        assert (found.mean, found.std) == ((0,) * 3, (1 / 255,) * 3), name
        assert f"the {layer} layer of {path}" in found.source, name


def test_parameters_count_frozen_and_quantised_layers_without_statistics(keras, tmp_path):
    model = network(keras, keras.layers.Rescaling(1 / 255))
    weights = 3 * 9 * 4 + 4 + 2 * 4 + 4 * 3 + 3
    model.trainable = False
    facts = load(saved(model, tmp_path), THREE).facts
    assert (facts.parameters, facts.trainable, facts.weight_bytes) == (weights, 0, 4 * (weights + 2 * 4))
    assert facts.file_bytes == (tmp_path / "net.keras").stat().st_size
    model.quantize("int8")
    classifier = load(saved(model, tmp_path), THREE)
    assert classifier.facts.parameters == weights
    images = classifier.inputs(shaped(pixels()))
    torch.testing.assert_close(classifier.raw(images)[:1], classifier.raw(images[:1]), atol=1e-6, rtol=0)


def test_code_in_the_file_runs_only_if_it_is_trusted(keras, tmp_path):
    path = saved(network(keras, keras.layers.Lambda(lambda images: images / 255)), tmp_path)
    assert refused_by_keras(path, "ValueError", keras.__version__)
    assert load(path, THREE, trust_pickle=True, preprocessing=STATED).facts.parameters == 135


def test_models_that_cannot_be_judged(keras, tmp_path):
    class Own(keras.layers.Layer):
        def call(self, images):
            return images

    images, other = (keras.Input((SIDE, SIDE, 3), name=name) for name in ("images", "other"))
    model = network(keras)
    expected = {
        "net.keras: the graph does not take a batch of images, got the input "
        "'images' of float32 (None, 8, 8, 3), 'other' of float32 (None, 8, 8, 3). Allowed: "
        "one input of floats or uint8, shaped (images, channels, height, width) or (images, height, width, "
        "channels), with 3 channels, or 1 for grey images.": (
            keras.Model([images, other], model(keras.layers.Add()([images, other])))
        )
    }
    assert {refusal(saved(one, tmp_path), THREE) for one in expected.values()} == {*expected}
    path = saved(keras.Model(images, keras.layers.Conv2D(6, 1)(images)), tmp_path)
    detector = load(path, THREE, preprocessing=STATED)
    assert message(detector.raw, torch.zeros(2, 3, SIDE, SIDE)) == (
        f"{tmp_path}/net.keras: the model's output has the wrong shape, got (2, 8, 8, 6). Allowed: a "
        "floating-point tensor of shape (images, classes), here (2, 3)."
    )
    assert refused_by_keras(saved(network(keras, Own()), tmp_path), "TypeError", keras.__version__)
    model.quantize("int4")
    assert load(saved(model, tmp_path), THREE, preprocessing=STATED).facts.uncounted == (
        "the Keras file packs several weights into one number"
    )


def test_files_of_other_kinds(keras, tmp_path):
    path = tmp_path / "net.keras"
    for content in (b"", b"\x89HDF\r\n\x1a\n", b"no model at all"):
        path.write_bytes(content)
        assert refusal(path) == f"net.keras: is not a Keras 3 file, or is damaged. {WAY_OUT}"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"")
    assert refused_by_keras(path, "KeyError", keras.__version__)
    for name in ("net.h5", "saved_model.pb"):
        (tmp_path / name).write_bytes(b"")
    text = f"is a Keras file of weights alone, or in an old format. {WAY_OUT}"
    assert refusal(tmp_path / "net.h5") == f"net.h5: {text}"
    assert refusal(tmp_path).endswith(f": {text}")


def test_keras_that_is_missing_or_too_old(keras, tmp_path, monkeypatch):
    path = saved(network(keras), tmp_path)
    text = (
        "net.keras: it needs keras>=3.13.2 (or its backend), which is not installed. "
        'Install it: pip install "quba-check[keras]".'
    )
    monkeypatch.setattr(keras, "__version__", "3.13.1")
    assert refusal(path) == text
    monkeypatch.setitem(sys.modules, "keras", None)
    assert refusal(path) == text
