"""Rows on the executor: its start-up, and its time for a shard in addition to that of this process."""

from __future__ import annotations

import os
import time
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.row import Row
from benchmarks.work import Work
from quba_check.core.view import CLEAN
from quba_check.evaluation import Evaluation
from quba_check.executors.ray.pool import RayPool
from quba_check.models.request import LoadRequest
from quba_check.predictor import RunSettings
from quba_check.storage.store import SHARD_SIZE

SHARDS = 64
SIDE = 32
CLASSES = 10
REPETITIONS = 3
PACKAGE = "ray"
MOST_OVERHEAD = 15.0
MOST_START = 10.0


def linear_model() -> torch.nn.Module:
    """Return a model that costs next to nothing, with seeded random weights."""
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * SIDE * SIDE, CLASSES))


@dataclass(frozen=True)
class Times:
    """Seconds of a run.

    Attributes:
        first: until the first shard is stored.
        shard: of each further shard.
    """

    first: float
    shard: float


def rows(work: Work) -> list[Row]:
    """Return the rows of Ray with one worker, against the same run in this process."""
    titles = "executor ray: start-up", f"executor ray: time for a shard of {SHARD_SIZE} images"
    if find_spec(PACKAGE) is None:
        reason = f"{PACKAGE} is not installed: pip install 'quba-check[ray]'"
        goals = f"≤ {MOST_START:g} s", f"≤ {MOST_OVERHEAD:g} ms"
        return [Row.unmeasured(title, reason, goal) for title, goal in zip(titles, goals, strict=True)]
    suite = write_suite(work.new_folder())
    run(work, suite, None)
    os.environ["RAY_OVERRIDE_RESOURCES"] = '{"CPU": 1}'  # Ray starts a worker for each core
    with closing(RayPool("local")) as pool:
        ours, inline = zip(
            *((run(work, suite, pool), run(work, suite, None)) for _ in range(REPETITIONS)), strict=True
        )
    least = min(times.first for times in inline)
    started = f"until the first shard is stored, {ours[0].first:.1f} s; in this process {least:.1f} s"
    shard, alone = (1e3 * median(times.shard for times in side) for side in (ours, inline))
    took = f"{shard:.1f} ms, in this process {alone:.1f} ms; one worker, {SHARDS} shards of a linear model"
    return [
        Row.at_most(titles[0], ours[0].first - least, "s", started, MOST_START),
        Row.at_most(titles[1], shard - alone, "ms", took, MOST_OVERHEAD),
    ]


def write_suite(folder: Path) -> Path:
    """Write a suite of small random images as one array."""
    rng = np.random.default_rng(0)
    count = (SHARDS + 1) * SHARD_SIZE
    np.save(folder / "x.npy", rng.integers(0, 256, (count, SIDE, SIDE, 3), np.uint8))
    np.save(folder / "y.npy", np.arange(count) % CLASSES)
    names = ", ".join(f"class{number}" for number in range(CLASSES))
    manifest = (
        f"schema: 1\nname: small\nclasses: [{names}]\nimage_size: {SIDE}\nsets:\n"
        "  clean: {reader: arrays, images: x.npy, labels: y.npy, prepared: true}\n"
    )
    (folder / "quba-data.yaml").write_text(manifest, encoding="utf-8")
    return folder


def run(work: Work, suite: Path, pool: RayPool | None) -> Times:
    """Predict all shards with an empty store."""
    spec = f"{__name__}:{linear_model.__name__}"
    evaluation = Evaluation(
        spec, suite, request=LoadRequest(device="cpu"), store=work.new_folder(), run=RunSettings(workers=pool)
    )
    begin = time.perf_counter()
    evaluation.engine.first_predictions()
    first = time.perf_counter()
    evaluation.engine.predictions([CLEAN])
    return Times(first - begin, (time.perf_counter() - first) / SHARDS)
