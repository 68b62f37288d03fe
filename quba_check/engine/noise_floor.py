"""The agreement of a model with itself, computed in another way."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch

from quba_check.core.view import CLEAN
from quba_check.engine.batching import Batching
from quba_check.engine.half_precision import sample, top1
from quba_check.engine.loader import batches, default_threads
from quba_check.engine.preparer import Prepare
from quba_check.models.classifier import Classifier
from quba_check.models.compute import PROGRAM, SINGLE_IMAGES, ComputeSettings
from quba_check.models.request import Precision
from quba_check.number_format import format_value
from quba_check.suites.suite import Suite

IMAGES = 1_000
"""Largest number of images that are predicted again."""
_OTHER_BATCH = 3
"""Batches of another size, whose kernels sum in another order."""


def noise_floor(classifier: Classifier, suite: Suite, prepare: Prepare) -> str:
    """Return the share of equal answers for each other way of computing them, in words.

    Programs run as they are: only the size of their batches is changed.

    Args:
        classifier: the model; its settings are the same afterwards.
        suite: the images.
        prepare: prepares an image of the clean set.

    Raises:
        QubaError: an image cannot be read, or the model fails.
    """
    plain, usual = classifier.compute, Batching(classifier, None)
    examples = sample(suite.examples(CLEAN))[:IMAGES]
    equal: dict[str, int] = {}
    try:
        with ThreadPoolExecutor(default_threads(classifier.device)) as pool:
            for _, images in batches(examples, prepare, usual.size, pool):
                expected = top1(classifier, plain, images, usual)
                for name, settings, size in _ways(classifier, plain):
                    parts = torch.split(images, size or len(images))
                    answers = torch.cat([top1(classifier, settings, part, usual) for part in parts])
                    equal[name] = equal.get(name, 0) + int((answers == expected).sum())
    finally:
        classifier.try_out(plain)
    shares = [f"{format_value(count / len(examples), 'fraction')} {way}" for way, count in equal.items()]
    start = f"noise floor: of {len(examples):,} images {classifier.name} gives the same answer to "
    return start + " and ".join(shares)


def _ways(
    classifier: Classifier, plain: ComputeSettings
) -> Iterator[tuple[str, ComputeSettings, int | None]]:
    yield f"in batches of {_OTHER_BATCH}", plain, _OTHER_BATCH
    if plain.reason not in (PROGRAM, SINGLE_IMAGES):
        other: Precision = "bf16" if plain.precision == "fp32" else "fp32"
        yield f"in {other}", classifier.rule(other), None
