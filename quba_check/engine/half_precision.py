"""Half precision on a GPU, if it keeps the answers of float32 on clean images."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch

from quba_check.core.view import CLEAN
from quba_check.engine.batching import Batching
from quba_check.engine.loader import batches, default_threads
from quba_check.engine.preparer import Prepare
from quba_check.errors import QubaError
from quba_check.models.classifier import Classifier
from quba_check.models.compute import CHECKED, FLIPPED, NOT_CHECKED, TOO_FEW, ComputeSettings
from quba_check.models.request import Precision
from quba_check.suites.suite import Example, Suite

CHECKED_IMAGES = 2_995
"""Images on which half precision must flip no answer.

The upper 95 % limit of the share of flips is then 1 - 0.05 ** (1 / 2,995), which is 0.1 %.
"""


def half_precisions(device: torch.device) -> tuple[Precision, ...]:
    """Return the half precisions of a device, the preferred one first."""
    if device.type == "cuda":
        return ("bf16", "fp16") if torch.cuda.is_bf16_supported() else ("fp16",)
    # A CPU saves little, and attacks stay in float32.
    return ("fp16",) if device.type == "mps" else ()


def checked_settings(classifier: Classifier, suite: Suite, prepare: Prepare) -> ComputeSettings:
    """Return settings with half precision if it flips no answer, else those with float32.

    Args:
        classifier: the model, in float32; it is left there.
        suite: the images.
        prepare: prepares an image of the clean set.
    """
    plain = classifier.compute
    reason = TOO_FEW
    try:
        examples = sample(suite.examples(CLEAN))
        if len(examples) == CHECKED_IMAGES:
            size = Batching(classifier, None).size
            with ThreadPoolExecutor(default_threads(classifier.device)) as pool:
                for precision in half_precisions(classifier.device):
                    half = classifier.rule(precision)
                    read = batches(examples, prepare, size, pool)
                    if not any(flips(classifier, half, images) for _, images in read):
                        return replace(half, reason=CHECKED, images=CHECKED_IMAGES)
                    reason = FLIPPED
    except QubaError:  # the shard with the image reports it
        reason = NOT_CHECKED
    finally:
        classifier.try_out(plain)
    return replace(plain, reason=reason)


def sample(examples: Sequence[Example]) -> list[Example]:
    """Return a random sample of a set, the same in all processes."""
    order = np.random.default_rng(0).permutation(len(examples))
    return [examples[number] for number in order[:CHECKED_IMAGES].tolist()]


def flips(classifier: Classifier, half: ComputeSettings, images: torch.Tensor) -> int:
    """Return the number of images with another top-1 answer than in float32.

    Args:
        classifier: the model.
        half: settings with half precision.
        images: uint8, (N, 3, H, W).
    """
    plain, batching = classifier.rule("fp32"), Batching(classifier, None)
    answers = [top1(classifier, settings, images, batching) for settings in (plain, half)]
    return int((answers[0] != answers[1]).sum())


def top1(
    classifier: Classifier, settings: ComputeSettings, images: torch.Tensor, batching: Batching
) -> torch.Tensor:
    """Return the predicted class of images under other settings, which stay in use.

    Args:
        classifier: the model.
        settings: the settings.
        images: uint8, (N, 3, H, W).
        batching: passes that fit into memory.
    """

    def predict(rows: Sequence[torch.Tensor]) -> torch.Tensor:
        with torch.no_grad():
            scores = classifier.raw(classifier.inputs(torch.stack(list(rows))))
        return classifier.select_classes(scores).argmax(dim=1).cpu()

    classifier.try_out(settings)
    return torch.cat(batching.run(predict, list(images)))
