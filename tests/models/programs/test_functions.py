"""Functions on numpy arrays as models: inputs, identity, and the message for each that cannot be used."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from support.loaded_models import load as load_model

import quba_check
from quba_check.errors import ModelError
from quba_check.models.classifier import Classifier
from quba_check.models.preprocessing.config import preprocessing_config
from quba_check.models.programs.functions import UNCOUNTED

THREE = ("red", "green", "blue")
PIXELS = torch.arange(256, dtype=torch.uint8).repeat(3).view(1, 3, 16, 16)
ALLOWED = "Allowed: a numpy array of floats, (images, classes)."
Load = Callable[..., Classifier]


@pytest.fixture
def load(tmp_path, monkeypatch) -> Load:
    """Loads `zoo_numpy:model`, which returns the given model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("zoo_numpy.py").write_text("MODEL = None\ndef model():\n    return MODEL\n", encoding="utf-8")

    def loaded(model: object, **options: object) -> Classifier:
        import zoo_numpy

        zoo_numpy.MODEL = model
        return load_model("zoo_numpy:model", THREE, image_size=8, **options)

    yield loaded
    sys.modules.pop("zoo_numpy", None)


def means(images: np.ndarray) -> np.ndarray:
    return images.mean(axis=(1, 2))


def test_pixels_arrive_unchanged(load):
    seen = []
    model = quba_check.NumpyModel(lambda images: seen.append(images) or means(images), size=16)
    classifier = load(model)
    answers = classifier.raw(classifier.inputs(PIXELS))
    assert seen[0].dtype == np.uint8
    assert np.array_equal(seen[0], PIXELS.permute(0, 2, 3, 1).numpy())
    assert torch.allclose(answers, PIXELS.float().mean(dim=(2, 3)))
    assert answers.dtype == torch.float32
    assert classifier.preprocessing.input_size == (3, 16, 16)
    assert (classifier.preprocessing.mean, classifier.preprocessing.std) == ((0, 0, 0), (1, 1, 1))
    assert classifier.no_gradient == "a function on arrays gives no gradients, which FGSM and PGD need"


def test_floats_arrive_normalised(load):
    seen = []

    def predict(images: np.ndarray) -> np.ndarray:
        seen.append(images.copy())
        images -= images  # its array is its own
        return np.ones((len(images), 3))

    classifier = load(quba_check.NumpyModel(predict, "float32", 16))
    inputs = classifier.inputs(PIXELS)
    before = inputs.clone()
    classifier.raw(inputs)
    assert torch.equal(inputs, before)
    assert seen[0].dtype == np.float32
    assert np.array_equal(seen[0], before.numpy())


def test_a_model_may_be_given_itself(load, tmp_path):
    Path("zoo_numpy.py").write_text(
        "from quba_check import NumpyModel\nmodel = NumpyModel(lambda images: images.mean((1, 2)), size=8)\n",
        encoding="utf-8",
    )
    classifier = load_model("zoo_numpy:model", THREE)
    assert classifier.raw(torch.ones(2, 3, 8, 8)).tolist() == [[255.0] * 3] * 2


def test_parameters_are_as_stated_or_unknown(load):
    assert load(quba_check.NumpyModel(means)).uncounted == UNCOUNTED
    stated = load(quba_check.NumpyModel(means, parameters=5_000_000))
    assert (stated.parameters, stated.uncounted) == (5_000_000, "")


def test_the_identity_is_that_of_files_and_version(load, tmp_path):
    unknown = quba_check.NumpyModel(means)
    first, second = load(unknown), load(unknown)
    assert first.fingerprint != second.fingerprint
    assert first.notes[0] == (
        "zoo_numpy:model: its predictions are not used again, since nothing identifies the model. Give "
        "--quba-model-version=TEXT, or NumpyModel(files=[…])"
    )
    assert load(unknown, run_id="1").fingerprint == load(unknown, run_id="1").fingerprint

    Path("net.bin").write_bytes(b"1")
    known = quba_check.NumpyModel(means, files=["net.bin"])
    before = load(known)
    assert load(known).fingerprint == before.fingerprint
    assert list(before.files) == ["net.bin"]
    assert not any("not used again" in note for note in before.notes)
    assert load(known, model_version="2").fingerprint != before.fingerprint
    Path("net.bin").write_bytes(b"2")
    assert load(known).fingerprint != before.fingerprint
    with pytest.raises(ModelError, match=r"net\.bin: changed while the model was loaded or read from it"):
        before.raw(torch.ones(2, 3, 224, 224))
    Path("net.bin").unlink()
    with pytest.raises(ModelError, match=r"net\.bin: cannot be read \(No such file or directory\)"):
        load(known)


def test_an_endpoint_is_identified_by_its_version_alone(load):
    Path("net.bin").write_bytes(b"1")
    endpoint = quba_check.NumpyModel(means, files=["net.bin"], is_endpoint=True)
    classifier = load(endpoint)
    assert classifier.fingerprint != load(endpoint).fingerprint
    assert classifier.notes[:2] == (
        "zoo_numpy:model: endpoint, not bytes: nothing states which model answers",
        "zoo_numpy:model: its predictions are not used again, since nothing identifies the model. Give "
        "--quba-model-version=TEXT",
    )
    stated = load(endpoint, model_version="7")
    assert stated.fingerprint == load(endpoint, model_version="7").fingerprint
    assert stated.fingerprint != load(endpoint, model_version="8").fingerprint
    assert stated.notes[0] == "zoo_numpy:model: endpoint, not bytes: version 7 as stated"
    assert not any("not used again" in note for note in stated.notes)


def test_two_functions_of_one_file_are_two_models(load):
    Path("zoo_numpy.py").write_text(
        "from quba_check import NumpyModel\n"
        "a = NumpyModel(lambda images: images.mean((1, 2)), is_endpoint=True)\n"
        "b = NumpyModel(lambda images: images.max((1, 2)), is_endpoint=True)\n",
        encoding="utf-8",
    )
    prints = {load_model(f"zoo_numpy:{name}", THREE, model_version="1").fingerprint for name in "ab"}
    assert len(prints) == 2


def test_a_version_is_of_no_use_for_other_models(load):
    note = "demo: --quba-model-version has no effect, since it identifies functions on arrays alone"
    assert note in load_model("demo", model_version="7").notes
    assert note not in load_model("demo").notes


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (lambda images: [[0.0] * 3] * len(images), f"the function returns a value of type list. {ALLOWED}"),
        (lambda images: None, f"the function returns a value of type NoneType. {ALLOWED}"),
        (lambda images: np.ones((len(images), 3), int), f"the function returns an array of int64. {ALLOWED}"),
        (
            lambda images: np.ones((3, len(images))),
            "the model's output has the wrong shape, got (3, 2). Allowed: a floating-point tensor of shape "
            "(images, classes), here (2, 3).",
        ),
        (
            lambda images: np.ones(3),
            "the model's output has the wrong shape, got (3,). Allowed: a floating-point tensor of shape "
            "(images, classes), here (2, 3).",
        ),
        (
            lambda images: np.full((len(images), 3), np.nan),
            "the model's output is not finite, got NaN or infinity for 2 of 2 images.",
        ),
    ],
)
def test_answers_that_cannot_be_used(load, answers, message):
    with pytest.raises(ModelError) as raised:
        load(quba_check.NumpyModel(answers, size=8)).raw(torch.ones(2, 3, 8, 8))
    assert str(raised.value) == f"zoo_numpy:model: {message}"


def changing(change: float) -> Callable[[np.ndarray], np.ndarray]:
    calls = []

    def predict(images: np.ndarray) -> np.ndarray:
        calls.append(images)
        return np.full((len(images), 3), 1 + change * len(calls))

    return predict


def test_answers_that_change_between_calls(load):
    with pytest.raises(ModelError) as raised:
        load(quba_check.NumpyModel(changing(0.5), size=8)).raw(torch.ones(2, 3, 8, 8))
    assert str(raised.value) == (
        "zoo_numpy:model: changes between calls, got answers that differ by 0.5 for the same images. "
        "Allowed: the same answers up to 1e-05. Switch off whatever draws random numbers."
    )
    load(quba_check.NumpyModel(changing(1e-6), size=8)).raw(torch.ones(2, 3, 8, 8))


def test_the_first_batch_alone_is_predicted_twice(load):
    sizes = []
    classifier = load(quba_check.NumpyModel(lambda x: sizes.append(len(x)) or means(x), size=8))
    for count in (2, 4, 1):
        classifier.raw(torch.ones(count, 3, 8, 8))
    assert sizes == [2, 2, 4, 1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"predict": 3}, "predict cannot be used, got 3. Allowed: a function."),
        ({"input": "int8"}, "input cannot be used, got 'int8'. Allowed: 'uint8', 'float32'."),
        ({"size": 0}, "size cannot be used, got 0. Allowed: a positive integer."),
        ({"parameters": -1}, "parameters cannot be used, got -1. Allowed: a positive integer, None."),
        ({"files": "net.bin"}, "files cannot be used, got 'net.bin'. Allowed: a list of paths."),
    ],
)
def test_values_that_are_not_allowed(values, message):
    with pytest.raises(ModelError) as raised:
        quba_check.NumpyModel(**{"predict": means, **values})
    assert str(raised.value) == f"NumpyModel: {message}"


def test_a_preprocessing_file_that_normalises_pixels(load):
    def config(**values: object) -> object:
        return preprocessing_config(values, where="x.yaml", source="x.yaml", departs=True)

    model = quba_check.NumpyModel(means, size=8)
    with pytest.raises(ModelError) as raised:
        load(model, preprocessing=config(mean=(0.5, 0.5, 0.5)))
    assert str(raised.value) == (
        "zoo_numpy:model: takes pixels as uint8, but the preprocessing file states mean or std. Leave them "
        'out, or give NumpyModel(input="float32").'
    )
    accepted = load(model, preprocessing=config(mean=(0, 0, 0), crop_pct=0.5))
    assert accepted.preprocessing.crop_pct == 0.5
    floats = load(quba_check.NumpyModel(means, "float32"), preprocessing=config(mean=(0.5, 0.5, 0.5)))
    assert floats.preprocessing.mean == (0.5, 0.5, 0.5)


def test_a_server_that_dies(load):
    from urllib.request import urlopen

    class Server(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            images = np.frombuffer(self.rfile.read(int(self.headers["Content-Length"])), np.uint8)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(means(images.reshape(-1, 8, 8, 3)).tolist()).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=partial(server.serve_forever, 0.01))
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}/"

    def predict(images: np.ndarray) -> np.ndarray:
        with urlopen(address, images.tobytes(), timeout=10) as answer:
            return np.array(json.load(answer))

    classifier = load(quba_check.NumpyModel(predict, size=8, is_endpoint=True))
    assert classifier.raw(torch.ones(2, 3, 8, 8)).tolist() == [[255.0] * 3] * 2
    server.shutdown()
    server.server_close()
    thread.join()
    with pytest.raises(ModelError) as raised:
        classifier.raw(torch.ones(2, 3, 8, 8))
    (line,) = str(raised.value).splitlines()
    assert line.startswith("zoo_numpy:model: the model fails on a batch of 2 images of 3×8×8: URLError: ")
