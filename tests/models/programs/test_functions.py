"""Callables as models, and functions on numpy arrays: inputs, identity, and messages."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from support.loaded_models import THREE, message, refusal
from support.loaded_models import load as load_model
from torch import nn

from quba_check.models.classifier import Classifier
from quba_check.models.kinds import CALLABLE
from quba_check.models.preprocessing.config import preprocessing_config
from quba_check.models.programs.functions import UNCOUNTED, NumpyModel, load_callable
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec

PIXELS = torch.arange(256, dtype=torch.uint8).repeat(3).view(1, 3, 16, 16)
Load = Callable[..., Classifier]


@pytest.fixture(name="load")
def load_value(zoo: Callable[[object], str]) -> Load:
    """Load `zoo:model`, which returns the given value."""
    return lambda value, **options: load_model(zoo(value), THREE, image_size=8, **options)


def means(images: np.ndarray) -> np.ndarray:
    return images.mean(axis=(1, 2))


def test_pixels_arrive_unchanged(load):
    seen = []
    model = NumpyModel(lambda images: seen.append(images) or means(images), size=16)
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

    classifier = load(NumpyModel(predict, "float32", 16))
    inputs = classifier.inputs(PIXELS)
    before = inputs.clone()
    classifier.raw(inputs)
    assert torch.equal(inputs, before)
    assert seen[0].dtype == np.float32
    assert np.array_equal(seen[0], before.numpy())


def test_parameters_are_as_stated_or_unknown(load):
    assert load(NumpyModel(means)).facts.uncounted == UNCOUNTED
    stated = load(NumpyModel(means, parameters=5_000_000))
    assert (stated.facts.parameters, stated.facts.uncounted) == (5_000_000, "")


def test_the_identity_is_that_of_files_and_version(load, tmp_path, snapshot):
    unknown = NumpyModel(means)
    first = load(unknown)
    second = load(unknown)
    assert first.fingerprint != second.fingerprint
    assert first.notes[0] == snapshot
    assert load(unknown, run_id="1").fingerprint == load(unknown, run_id="1").fingerprint

    Path("net.bin").write_bytes(b"1")
    known = NumpyModel(means, files=["net.bin"])
    before = load(known)
    assert load(known).fingerprint == before.fingerprint
    assert list(before.files) == ["net.bin"]
    assert not any("not used again" in note for note in before.notes)
    assert load(known, model_version="2").fingerprint != before.fingerprint
    Path("net.bin").write_bytes(b"2")
    assert load(known).fingerprint != before.fingerprint
    text = message(before.raw, torch.ones(2, 3, 224, 224))
    assert text.startswith("net.bin: changed while the model was loaded or read from it")
    Path("net.bin").unlink()
    assert message(load, known) == "net.bin: cannot be read (No such file or directory)."


def test_an_endpoint_is_identified_by_its_version_alone(load, snapshot):
    Path("net.bin").write_bytes(b"1")
    endpoint = NumpyModel(means, files=["net.bin"], is_endpoint=True)
    classifier = load(endpoint)
    assert classifier.fingerprint != load(endpoint).fingerprint
    assert classifier.notes[:2] == snapshot
    stated = load(endpoint, model_version="7")
    assert stated.fingerprint == load(endpoint, model_version="7").fingerprint
    assert stated.fingerprint != load(endpoint, model_version="8").fingerprint
    assert stated.notes[0] == "zoo:model: endpoint, not bytes: version 7 as stated"
    assert not any("not used again" in note for note in stated.notes)


def test_a_version_is_of_no_use_for_other_models(load):
    note = "demo: --quba-model-version has no effect, since it identifies functions on arrays alone"
    assert note in load_model("demo", model_version="7").notes
    assert note not in load_model("demo").notes


ANSWERS = (
    lambda images: [[0.0] * 3] * len(images),
    lambda images: None,
    lambda images: np.ones((len(images), 3), int),
    lambda images: np.ones((3, len(images))),
    lambda images: np.ones(3),
    lambda images: np.full((len(images), 3), np.nan),
)


def test_answers_that_cannot_be_used(load, snapshot):
    texts = [message(load(NumpyModel(predict, size=8)).raw, torch.ones(2, 3, 8, 8)) for predict in ANSWERS]
    assert texts[0] == (
        "zoo:model: the function returns a value of type list. "
        "Allowed: a numpy array of floats, (images, classes)."
    )
    assert "\n".join(texts) == snapshot


def changing(change: float) -> Callable[[np.ndarray], np.ndarray]:
    calls = []

    def predict(images: np.ndarray) -> np.ndarray:
        calls.append(images)
        return np.full((len(images), 3), 1 + change * len(calls))

    return predict


def test_answers_that_change_between_calls(load, snapshot):
    text = message(load(NumpyModel(changing(0.5), size=8)).raw, torch.ones(2, 3, 8, 8))
    assert text == snapshot
    load(NumpyModel(changing(1e-6), size=8)).raw(torch.ones(2, 3, 8, 8))


def test_the_first_batch_alone_is_predicted_twice(load):
    sizes = []
    classifier = load(NumpyModel(lambda x: sizes.append(len(x)) or means(x), size=8))
    for count in (2, 4, 1):
        classifier.raw(torch.ones(count, 3, 8, 8))
    assert sizes == [2, 2, 4, 1]


VALUES = ({"predict": 3}, {"input": "int8"}, {"size": 0}, {"parameters": -1}, {"files": "net.bin"})


def test_values_that_are_not_allowed(snapshot):
    texts = [message(NumpyModel, **{"predict": means, **values}) for values in VALUES]
    assert texts[0] == "NumpyModel: predict cannot be used, got 3. Allowed: a function."
    assert "\n".join(texts) == snapshot


def test_a_preprocessing_file_that_normalises_pixels(load, snapshot):
    def config(**values: object) -> object:
        return preprocessing_config(values, where="x.yaml", source="x.yaml", departs=True)

    model = NumpyModel(means, size=8)
    assert message(load, model, preprocessing=config(mean=(0.5, 0.5, 0.5))) == snapshot
    accepted = load(model, preprocessing=config(mean=(0, 0, 0), crop_pct=0.5))
    assert accepted.preprocessing.crop_pct == 0.5
    floats = load(NumpyModel(means, "float32"), preprocessing=config(mean=(0.5, 0.5, 0.5)))
    assert floats.preprocessing.mean == (0.5, 0.5, 0.5)


SOURCE = """
from torch import nn

def small():
    return nn.Linear(2, 2)

class Net(nn.Module):
    @staticmethod
    def large():
        return nn.Linear(4, 4)

def raising():
    raise ValueError("no weights here")

def needing(path):
    return nn.Linear(2, 2)

def number():
    return 3

def leaving():
    import sys
    sys.exit(0)

def skipping():
    import pytest
    pytest.skip("later")

value = 4
made = nn.Linear(2, 2)
"""


FILES = {
    "zoo_here.py": SOURCE,
    "zoo_lacks.py": "import not_installed_at_all\n",
    "zoo_fails.py": "1 / 0\n",
    "zoo_leaves.py": "raise SystemExit(0)\n",
    "zoo_lazy.py": "def __getattr__(name):\n    raise SystemExit(0)\n",
    "zoo_package/__init__.py": "",
    "zoo_package/nets.py": SOURCE,
}


@pytest.fixture
def _in_a_folder_with_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "zoo_package").mkdir()
    for name, text in FILES.items():
        Path(name).write_text(text)
    yield
    for name in [name for name in sys.modules if name.startswith("zoo_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("zoo_here:small", "Linear"),
        ("zoo_here:Net", "Net"),
        ("zoo_here:Net.large", "Linear"),
        ("zoo_package.nets:small", "Linear"),
    ],
)
@pytest.mark.usefixtures("_in_a_folder_with_code")
def test_callables_of_the_current_folder(spec, kind):
    loaded = load_callable(ModelSpec(spec, CALLABLE, spec), LoadRequest())
    assert isinstance(loaded.module, nn.Module)
    assert type(loaded.module).__name__ == kind
    assert len(loaded.code) == 32


CALLABLES = (
    *("zoo_her:small", "zoo_package.net:small", "zoo_lacks:x", "zoo_fails:x", "zoo_here:smal"),
    *("zoo_here:Net.huge", "zoo_here:raising", "zoo_here:needing", "zoo_here:leaving", "zoo_here:skipping"),
    *("zoo_leaves:x", "zoo_lazy:x", "zoo_here:number", "zoo_here:value", "zoo_here:made"),
)


@pytest.mark.usefixtures("_in_a_folder_with_code")
def test_callables_that_cannot_be_used(tmp_path, snapshot):
    texts = [refusal(spec).replace(str(tmp_path), "HERE") for spec in CALLABLES]
    assert texts[0] == "zoo_her:small: there is no module 'zoo_her', neither in HERE nor installed."
    assert "\n".join(texts) == snapshot
