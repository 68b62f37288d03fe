"""Rows on the engine against a bare loop of the model on images decoded already."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch

from benchmarks.measuring import Ratio, cpu_seconds
from benchmarks.row import Row
from benchmarks.work import MOBILENET, RESNET, Work
from quba_check.core.view import CLEAN
from quba_check.models.classifier import Classifier
from quba_check.suites.opening import open_suite
from quba_check.suites.sampling import SubsetSampler
from quba_check.suites.suite import Suite

BATCH = 64
IMAGES = {MOBILENET: 256, RESNET: 96}
PAIRS = {MOBILENET: 4, RESNET: 2}
LEAST_DECODED, LEAST_WITH_DECODING = 0.92, 0.90


def rows(work: Work) -> list[Row]:
    """Return the rows on images of an array and on JPEG files, exact and fp32."""
    sources = (
        ("images decoded already", work.decoded, LEAST_DECODED),
        ("with decoding of JPEG", work.photos, LEAST_WITH_DECODING),
    )
    return [
        _row(work, what, suite, architecture, least)
        for what, suite, least in sources
        for architecture in (MOBILENET, RESNET)
    ]


def _row(work: Work, what: str, suite: Suite, architecture: str, least: float) -> Row:
    classifier = work.classifier(architecture, suite)
    count = IMAGES[architecture]
    suite = open_suite(suite.root, SubsetSampler(count, 0))
    images = np.load(work.decoded.root / "x.npy")[:count]
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()

    def engine() -> None:
        evaluation = work.evaluation(classifier, suite)
        evaluation.engine.cache_keys.shard_keys(CLEAN)
        evaluation.engine.predictions([CLEAN])

    engine()
    bare_loop(classifier, pixels)
    pairs, cpu = [], []
    for _ in range(PAIRS[architecture]):
        wall_engine, cpu_engine = _timed(engine)
        wall_bare, cpu_bare = _timed(lambda: bare_loop(classifier, pixels))
        pairs.append((wall_engine / count, wall_bare / count))
        cpu.append(cpu_engine / cpu_bare)
    ratio = Ratio.of(pairs)
    details = (
        f"{1 / ratio.ours:.0f} against {1 / ratio.other:.0f} images/s; "
        f"CPU {median(cpu):.2f} times that of the loop; one torch thread, exact fp32"
    )
    return Row.of_ratio(
        f"engine, {what}, {architecture}: share of the bare loop's images/s", ratio, details, least
    )


def bare_loop(classifier: Classifier, pixels: torch.Tensor) -> None:
    """Predict decoded images (N, 3, H, W) uint8 in a loop that does nothing else."""
    with torch.inference_mode():
        for batch in pixels.split(BATCH):
            classifier.module(classifier.normalise(batch.float().div(255))).argmax(dim=1)


def _timed(function: Callable[[], object]) -> tuple[float, float]:
    """Return seconds and CPU seconds of a call."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    function()
    return time.perf_counter() - wall, cpu_seconds() - cpu
