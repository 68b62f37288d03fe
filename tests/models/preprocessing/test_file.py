from __future__ import annotations

import sys

import pytest

from quba_check.errors import ModelError
from quba_check.models.loading import load_classifier
from quba_check.models.preprocessing.config import KEYS
from quba_check.models.preprocessing.file import preprocessing_schema, read_preprocessing
from quba_check.models.request import LoadRequest

FULL = """\
schema: 1
input_size: [3, 48, 40]
interpolation: bilinear
mean: [0.5, 0.5, 0]
std: [0.5, 0.5, 1]
crop_pct: 1
crop_mode: squash
outputs: probabilities
"""
ZOO = """
from torch import nn

def net():
    made = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 10))
    made.quba_config = {
        "input_size": (3, 8, 8), "mean": (0.1,) * 3, "std": (0.2,) * 3, "interpolation": "bicubic",
        "crop_pct": 1.0, "outputs": "logits",
    }
    return made
"""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "prep_zoo.py").write_text(ZOO)
    yield
    sys.modules.pop("prep_zoo", None)


def read(tmp_path, text):
    (tmp_path / "prep.yaml").write_text(text)
    return read_preprocessing(tmp_path / "prep.yaml", "prep.yaml")


def load(preprocessing, image_size=8):
    return load_classifier(
        "prep_zoo:net",
        LoadRequest(
            classes=tuple("abcdefghij"), image_size=image_size, device="cpu", preprocessing=preprocessing
        ),
    )


def test_all_of_it_is_read(tmp_path):
    config = read(tmp_path, FULL)
    assert config.source == "prep.yaml"
    assert config.values == {
        "input_size": (3, 48, 40),
        "interpolation": "bilinear",
        "mean": (0.5, 0.5, 0),
        "std": (0.5, 0.5, 1),
        "crop_pct": 1,
        "crop_mode": "squash",
        "outputs": "probabilities",
    }


def test_it_comes_before_what_the_model_says_key_by_key(tmp_path):
    classifier = load(read(tmp_path, "mean: [0.5, 0.5, 0.5]\noutputs: sigmoids\n"))
    preprocessing = classifier.preprocessing
    assert (preprocessing.mean, preprocessing.std) == ((0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    assert preprocessing.source == "quba_config of prep_zoo:net (mean: prep.yaml)"
    assert classifier.outputs == "sigmoids"
    assert classifier.notes == (
        (
            "images are prepared as quba_config of prep_zoo:net (mean: prep.yaml) states: "
            "8 × 8, bicubic, crop 1, mean 0.5, std 0.2"
        ),
        "outputs are sigmoids, as prep.yaml states",
    )


def test_a_temperature_is_noted(tmp_path):
    classifier = load(read(tmp_path, "temperature: 2.7\n"))
    assert classifier.preprocessing.temperature == 2.7
    assert classifier.notes == (
        "images are prepared as quba_config of prep_zoo:net (temperature: prep.yaml) states: "
        "8 × 8, bicubic, crop 1, mean 0.1, std 0.2, logits divided by 2.7",
    )


def test_all_of_it_leaves_nothing_to_the_model(tmp_path):
    classifier = load(read(tmp_path, FULL))
    assert classifier.preprocessing.source == "prep.yaml"
    assert classifier.notes[0] == (
        "images are prepared as prep.yaml states: "
        "48 × 40, bilinear, crop 1, mean 0.5 0.5 0, std 0.5 0.5 1, not at the suite's 8 × 8"
    )


def test_what_neither_says_comes_from_the_suite(tmp_path):
    (tmp_path / "prep_zoo.py").write_text(ZOO.replace("made.quba_config", "made.other"))
    classifier = load(read(tmp_path, "mean: [0, 0, 0]\nstd: [1, 1, 1]\n"))
    assert classifier.notes == (
        "images are prepared as prep.yaml (input_size, interpolation, crop_pct: the suite's defaults) "
        "states: 8 × 8, bicubic, crop 1, mean 0, std 1",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "men: [0, 0, 0]\n",
            "prep.yaml:1: unknown key 'men'. Did you mean 'mean'? Allowed: "
            "schema, input_size, interpolation, mean, std, crop_pct, crop_mode, outputs, "
            "temperature.",
        ),
        (
            "schema: 1\ninput_size: 224\n",
            "prep.yaml:2: input_size: got 224. Allowed: three whole numbers (3, height, width).",
        ),
        (
            "std: [1, 1, 0]\n",
            "prep.yaml:1: std: got [1, 1, 0]. Allowed: three numbers above 0, for values in [0, 1].",
        ),
        (
            "interpolation: bicubik\n",
            "prep.yaml:1: interpolation: got text 'bicubik'. "
            "Allowed: nearest, bilinear, bicubic, box, hamming, lanczos. Did you mean 'bicubic'?",
        ),
        ("crop_mode: yes\n", "prep.yaml:1: crop_mode: got text 'yes'. Allowed: center, squash, border."),
        ("outputs:\n", "prep.yaml:1: outputs: got nothing. Allowed: logits, probabilities, sigmoids."),
        ("schema: 2\n", "prep.yaml:1: schema: got 2. Allowed: 1."),
        ("", "prep.yaml:1: the file is empty. Allowed: keys with values."),
    ],
)
def test_messages(tmp_path, text, message):
    with pytest.raises(ModelError) as caught:
        read(tmp_path, text)
    assert str(caught.value) == message


def test_the_schema_knows_every_key():
    assert set(preprocessing_schema()["properties"]) == {"schema", *KEYS}
