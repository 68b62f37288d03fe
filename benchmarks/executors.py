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
from quba_check import Evaluation
from quba_check.core.view import CLEAN
from quba_check.executors.opening import open_pool, parse_executor
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
    """

    first: float
    shard: float


def rows(work: Work) -> list[Row]:
    """Return the rows of each executor with one worker, against the same run in this process."""
    suite = write_suite(work.new_folder())
    inline = [run(work, suite, None) for _ in range(REPETITIONS)]
    results = []
    for name, package in EXECUTORS.items():
        titles = f"executor {name}: start-up", f"executor {name}: time for a shard of {SHARD_SIZE} images"
        if find_spec(package) is None:
            reason = f"{package} is not installed: pip install 'quba-check[{name.partition(':')[0]}]'"
            goals = f"≤ {MOST_START:g} s", f"≤ {MOST_OVERHEAD:g} ms"
            results += [Row.unmeasured(*row) for row in zip(titles, (reason, reason), goals, strict=True)]
            continue
        with opened(name, work.new_folder()) as pool:
            times = [run(work, suite, pool) for _ in range(REPETITIONS)]
        results += [_start_row(titles[0], times, inline), _shard_row(titles[1], times, inline)]
    return results


def _start_row(title: str, times: list[Times], inline: list[Times]) -> Row:
    least = min(run.first for run in inline)
    details = f"until the first shard is stored, {times[0].first:.2f} s; in this process {least:.2f} s"
    return Row.at_most(title, times[0].first - least, "s", details, MOST_START)


def _shard_row(title: str, times: list[Times], inline: list[Times]) -> Row:
    ours, least = (1e3 * median(run.shard for run in runs) for runs in (times, inline))
    details = f"{ours:.1f} ms, in this process {least:.1f} ms; one worker, {SHARDS} shards of a linear model"
    return Row.at_most(title, ours - least, "ms", details, MOST_OVERHEAD)


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
    evaluation = Evaluation(spec, suite, device="cpu", store=work.new_folder(), workers=pool)
    begin = time.perf_counter()
    evaluation.engine.predictions([CLEAN], shards=range(1))
    first = time.perf_counter()
    evaluation.engine.predictions([CLEAN], shards=range(1, SHARDS + 1))
    return Times(first - begin, (time.perf_counter() - first) / SHARDS)
