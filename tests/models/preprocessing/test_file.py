import pytest
from support.loaded_models import load, message
from torch import nn

from quba_check.models.preprocessing.config import KEYS
from quba_check.models.preprocessing.file import PreprocessingFile, read_preprocessing

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
CONFIG = {
    "input_size": (3, 8, 8),
    "mean": (0.1,) * 3,
    "std": (0.2,) * 3,
    "interpolation": "bicubic",
    "crop_pct": 1.0,
    "outputs": "logits",
}


def read(tmp_path, text):
    (tmp_path / "prep.yaml").write_text(text)
    return read_preprocessing(tmp_path / "prep.yaml", "prep.yaml")


@pytest.fixture
def load_with(zoo, tmp_path):
    """Load a module with its own config, and a preprocessing file."""

    def load_with(text, config=CONFIG):
        net = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 10))
        net.quba_config = config
        return load(zoo(net), image_size=8, preprocessing=read(tmp_path, text))

    return load_with


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


def test_it_comes_before_what_the_model_says_key_by_key(load_with):
    classifier = load_with("mean: [0.5, 0.5, 0.5]\noutputs: sigmoids\ntemperature: 1\n")
    preprocessing = classifier.preprocessing
    assert (preprocessing.mean, preprocessing.std) == ((0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    assert preprocessing.source == "quba_config of zoo:model (mean, temperature: prep.yaml)"
    assert classifier.outputs == "sigmoids"


def test_it_is_noted(load_with, snapshot):
    notes = {
        text: load_with(text, config).notes
        for text, config in (
            ("mean: [0.5, 0.5, 0.5]\noutputs: sigmoids\n", CONFIG),
            ("temperature: 2.7\n", CONFIG),
            (FULL, CONFIG),
            ("mean: [0, 0, 0]\nstd: [1, 1, 1]\n", None),
        )
    }
    assert notes == snapshot


TEXTS = (
    *("men: [0, 0, 0]", "schema: 1\ninput_size: 224", "std: [1, 1, 0]", "interpolation: bicubik"),
    *("crop_mode: yes", "outputs:", "schema: 2", ""),
)


def test_messages(tmp_path, snapshot):
    texts = [message(read, tmp_path, text) for text in TEXTS]
    assert texts[2] == (
        "prep.yaml:1: std: got [1, 1, 0]. Allowed: three numbers above 0, or one for all channels, for "
        "values in [0, 1]."
    )
    assert "\n".join(texts) == snapshot


def test_the_schema_knows_every_key():
    assert set(PreprocessingFile.model_json_schema(by_alias=True)["properties"]) == {"schema", *KEYS}
