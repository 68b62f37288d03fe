"""Networks that take grey images: answers, and attacks on the grey input."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from support.evaluations import Evaluate
from torch import nn

from quba_check.core.view import CLEAN, FGSM

GREY = """

class Grey(Net):
    quba_config = CONFIG | {"input_size": (1, 8, 8), "mean": (0.5,), "std": (0.25,)}

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4, generator=torch.Generator().manual_seed(1)))


def grey():
    return Grey()
"""


def test_answers_and_an_attack_equal_an_own_computation(
    evaluate: Evaluate, models, tmp_path: Path, suite: Path, monkeypatch
) -> None:
    exec(GREY, vars(models))  # noqa: S102  the same file as the other networks
    evaluation = evaluate("grey", device="cpu")
    examples = evaluation.suite.examples(CLEAN)
    found = evaluation.engine.predictions([CLEAN, FGSM])
    images = [evaluation.suite.read_image(one, lambda image: image.convert("RGB")) for one in examples]
    greys = [np.array(Image.fromarray(np.array(image)).convert("L")) for image in images]
    pixels = torch.from_numpy(np.stack(greys))[:, None].float() / 255
    label = torch.tensor([one.label for one in examples])
    net = evaluation.classifier.module
    pixels.requires_grad_()
    logits = net((pixels - 0.5) / 0.25)
    np.testing.assert_allclose(found[CLEAN].probabilities, logits.softmax(1).detach(), atol=1e-5)
    nn.functional.cross_entropy(logits, label, reduction="sum").backward()
    moved = (pixels.detach() + 8 / 255 * pixels.grad.sign()).clamp(0, 1)
    with torch.no_grad():
        attacked = net((moved - 0.5) / 0.25).softmax(1).numpy()
    assert (found[FGSM].predicted == attacked.argmax(axis=1)).all()
    np.testing.assert_allclose(found[FGSM].confidence, attacked.max(axis=1), atol=1e-5)
    assert (found[FGSM].confidence != found[CLEAN].confidence).any()
