"""Networks that hide their gradients, and one whose output is provably constant around some images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.evaluations import new_evaluation

from quba_check.doctor.outputs import check_gradients
from quba_check.doctor.subject import ModelUnderTest
from quba_check.evaluation import Evaluation

NONE = "100.0 % of images have no input gradient"
CLASSES = ("red", "green", "blue")
NETWORKS = """\
import torch
from torch import nn

class Dead(nn.Module):
    '''The mean of each channel above 0.3: no unit is active within 8/255 of a dark picture.'''

    quba_config = {
        "input_size": (3, 8, 8), "mean": (0, 0, 0), "std": (1, 1, 1), "interpolation": "bilinear",
        "crop_pct": 1.0,
    }

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.tensor([0.3, 0.0, 0.0]))

    def forward(self, x):
        return 8 * (x.mean(dim=(2, 3)) - 0.3).relu() + self.bias

class Alive(Dead):
    def forward(self, x):
        return 8 * x.mean(dim=(2, 3)) + self.bias

class Rounded(Alive):
    def forward(self, x):
        return super().forward((8 * x).round() / 8)

class Saturated(Alive):
    def forward(self, x):
        return 1000 * super().forward(x)

class SaturatedProbabilities(Alive):
    def forward(self, x):
        return (1000 * super().forward(x)).softmax(1)

class Clipped(Alive):
    def forward(self, x):
        z = super().forward(x)
        return (100 * (z - z.mean(1, keepdim=True))).clamp(-1, 1)
"""


@pytest.fixture
def evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Evaluation]:
    """Evaluations of these networks on 60 pictures, of which every tenth is dark."""
    (tmp_path / "hiding_networks.py").write_text(NETWORKS)
    monkeypatch.syspath_prepend(tmp_path)
    rng = np.random.default_rng(0)
    for number, name in enumerate(CLASSES):
        (tmp_path / "data/val" / name).mkdir(parents=True)
        for place in range(20):
            if place % 10 == 0:
                picture = rng.integers(0, 60, (8, 8, 3))
            else:
                picture = rng.integers(60, 140, (8, 8, 3))
                picture[..., number] += rng.integers(10, 100)
            Image.fromarray(picture.astype(np.uint8)).save(tmp_path / f"data/val/{name}/{place}.png")
    (tmp_path / "data/quba-data.yaml").write_text(
        f"schema: 1\nname: tiny\nclasses: [{', '.join(CLASSES)}]\nsets:\n"
        "  clean: {reader: folder, path: val, prepared: true}\n"
    )

    def made(network: str) -> Evaluation:
        spec = f"hiding_networks:{network}"
        return new_evaluation(spec, tmp_path / "data", store=tmp_path / "store", device="cpu")

    return made


@pytest.mark.parametrize(
    ("network", "n_zero", "signs"),
    [
        ("Alive", 0, ()),
        ("Dead", 6, ()),
        ("Rounded", 60, (NONE, "PGD makes the model surer of 48 % of the images it gets right")),
        ("Saturated", 54, ("90.0 % of images have no input gradient",)),
        ("SaturatedProbabilities", 58, ("96.7 % of images have no input gradient",)),
        ("Clipped", 60, (NONE,)),
    ],
)
def test_a_constant_output_hides_nothing_and_all_else_does(
    evaluate: Callable[[str], Evaluation], network: str, n_zero: int, signs: tuple[str, ...]
) -> None:
    evaluation = evaluate(network)
    measured = evaluation.measure("adversarial_robustness")
    assert measured.parts["zero_gradient"].value == pytest.approx(n_zero / 60)
    assert measured.masked == signs
    subject = ModelUnderTest(evaluation.classifier, evaluation.suite)
    assert bool(list(check_gradients(subject))) == bool(signs)
