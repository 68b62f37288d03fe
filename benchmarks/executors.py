"""Rows on executors: their start-up, and their time for a shard in addition to that of this process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.row import Row
from benchmarks.work import Work
from quba_check import Evaluation, LoadRequest, RunSettings
from quba_check.core.view import CLEAN
from quba_check.executors.choice import parse_executor
from quba_check.executors.opening import open_pool
from quba_check.executors.pool import WorkerPool
from quba_check.storage.store import SHARD_SIZE

SHARDS = 64
SIDE = 32
CLASSES = 10
REPETITIONS = 3
EXECUTORS = {"ray": "ray", "slurm:local": "submitit"}
"""Executors, and the package that each needs."""
MOST_OVERHEAD, MOST_START = 15.0, 10.0


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
        driver: CPU time of this process for each further shard.
    """

    first: float
    shard: float
    driver: float


def rows(work: Work) -> list[Row]:
    """Return the rows of each executor with one worker, against the same run in this process."""
    suite = write_suite(work.new_folder())
    run(work, suite, None)
    return [row for name, package in EXECUTORS.items() for row in _rows(work, suite, name, package)]


def _rows(work: Work, suite: Path, name: str, package: str) -> list[Row]:
    """Return the rows of an executor; both sides run alternately."""
    titles = f"executor {name}: start-up", f"executor {name}: time for a shard of {SHARD_SIZE} images"
    if find_spec(package) is None:
        reason = f"{package} is not installed: pip install 'quba-check[{name.partition(':')[0]}]'"
        goals = f"≤ {MOST_START:g} s", f"≤ {MOST_OVERHEAD:g} ms"
        return [Row.unmeasured(title, reason, goal) for title, goal in zip(titles, goals, strict=True)]
    with opened(name, work.new_folder()) as pool:
        ours, inline = zip(
            *((run(work, suite, pool), run(work, suite, None)) for _ in range(REPETITIONS)), strict=True
        )
    least = min(times.first for times in inline)
    started = f"until the first shard is stored, {ours[0].first:.1f} s; in this process {least:.1f} s"
    shard, alone = (1e3 * median(times.shard for times in side) for side in (ours, inline))
    took = f"{shard:.1f} ms, in this process {alone:.1f} ms; one worker, {SHARDS} shards of a linear model"
    driver = 1e3 * median(times.driver for times in ours)
    return [
        Row.at_most(titles[0], ours[0].first - least, "s", started, MOST_START),
        Row.at_most(titles[1], shard - alone, "ms", took, MOST_OVERHEAD),
        Row(f"cost --shard-ms, executor {name}", f"{driver:.1f} ms", "CPU of the driver for a shard"),
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


@contextmanager
def opened(name: str, folder: Path) -> Iterator[WorkerPool | None]:
    """Open the pool of an executor with one worker."""
    pool = open_pool(replace(parse_executor(name), workers=1), folder)
    try:
        yield pool
    finally:
        if pool is not None:
            pool.close()


def run(work: Work, suite: Path, pool: WorkerPool | None) -> Times:
    """Predict all shards with an empty store."""
    spec = f"{__name__}:{linear_model.__name__}"
    evaluation = Evaluation(
        spec,
        suite,
        request=LoadRequest(device="cpu"),
        store=work.new_folder(),
        run=RunSettings(workers=pool),
    )
    begin = time.perf_counter()
    evaluation.engine.predictions([CLEAN], shards=range(1))
    first, cpu = time.perf_counter(), time.process_time()
    evaluation.engine.predictions([CLEAN], shards=range(1, SHARDS + 1))
    end = time.perf_counter()
    return Times(first - begin, (end - first) / SHARDS, (time.process_time() - cpu) / SHARDS)
