"""Networks that take grey images: answers, and attacks on the grey input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from support.evaluations import Evaluate
from torch import nn

from quba_check.core.view import CLEAN, FGSM, PGD, View
from quba_check.engine.attacks import start_noise

GREY = """

class Grey(Net):
    quba_config = CONFIG | {"input_size": (1, 8, 8), "mean": (0.5,), "std": (0.25,)}

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4, generator=torch.Generator().manual_seed(1)))


def grey():
    return Grey()
"""


def test_answers_and_attacks_equal_an_own_loop(
    evaluate: Evaluate, models, tmp_path: Path, suite: Path, monkeypatch
) -> None:
    exec(GREY, vars(models))  # noqa: S102  the same file as the other networks
    evaluation = evaluate("grey", device="cpu")
    examples = evaluation.suite.examples(CLEAN)
    found = evaluation.engine.predictions([CLEAN, FGSM, PGD])
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
    noise = [start_noise((1, 8, 8), one.index, 0, 8 / 255) for one in examples]
    current = (pixels.detach() + torch.stack(noise)).clamp(0, 1)
    is_right = torch.ones(len(label), dtype=torch.bool)
    for _ in range(10):
        current = current.requires_grad_()
        loss = nn.functional.cross_entropy(net((current - 0.5) / 0.25), label, reduction="sum")
        (direction,) = torch.autograd.grad(loss, current)
        with torch.no_grad():
            is_right &= net((current - 0.5) / 0.25).argmax(1) == label
            near = (pixels - 8 / 255).clamp(min=0), (pixels + 8 / 255).clamp(max=1)
            current = (current + 2 / 255 * direction.sign()).clamp(*near)
    is_right &= net((current - 0.5) / 0.25).argmax(1) == label
    assert (found[PGD].extra["always_right"].astype(bool) == is_right.numpy()).all()


def test_grey_images_have_other_predictions_than_colours(evaluate: Evaluate, models) -> None:
    exec(GREY, vars(models))  # noqa: S102  the same file as the other networks
    grey = evaluate("grey")
    colours = evaluate("net")
    assert grey.measure("accuracy").n == colours.measure("accuracy").n == 9
    keys = [one.engine.cache_keys.cache_entry(View("clean")) for one in (grey, colours)]
    assert keys[0] != keys[1]
    assert grey.measure("corruption_robustness").value >= 0
