"""Shards predicted by processes of Ray on this machine."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ray")

import ray
from support.evaluations import new_evaluation

from quba_check.core.view import CLEAN, View
from quba_check.engine.shards import PlannedShard
from quba_check.evaluation import Evaluation
from quba_check.executors.ray.pool import RayPool

VIEWS = (CLEAN, *(View(name) for name in ("sketch", "edge", "silhouette", "negative")))


@pytest.fixture(scope="module")
def pool() -> Iterator[RayPool]:
    ray.init(
        address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
    )
    pool = RayPool("")
    yield pool
    pool.close()
    assert ray.is_initialized()  # the connection was there before
    ray.shutdown()


def answers(evaluation: Evaluation) -> list[np.ndarray]:
    predictions = evaluation.engine.predictions(VIEWS, VIEWS)
    evaluation.engine.check_unchanged()
    return [predictions[view].confidence for view in VIEWS]


@pytest.mark.parametrize("model", ["demo", "demo-textured"])
def test_processes_of_ray_predict_what_this_one_does(pool: RayPool, tmp_path: Path, model: str) -> None:
    ours = new_evaluation(model, store=tmp_path / "ours", limit=300)
    theirs = new_evaluation(model, store=tmp_path / "theirs", limit=300, workers=pool)
    theirs.engine.worker.run = lambda orders: pytest.fail("predicted here")  # type: ignore[method-assign]
    assert all((one == other).all() for one, other in zip(answers(ours), answers(theirs), strict=True))
    files = [path.relative_to(tmp_path / "ours") for path in (tmp_path / "ours").glob("predictions/*/*")]
    assert len(files) == len(VIEWS)
    assert all((tmp_path / "theirs" / file).exists() for file in files)


def test_a_process_that_is_killed_is_replaced(pool: RayPool, tmp_path: Path) -> None:
    evaluation = new_evaluation("demo", store=tmp_path, limit=300, workers=pool)
    engine = evaluation.engine
    engine.determine_outputs(VIEWS)  # predicts the first shard
    wanted = [PlannedShard(engine.cache_keys.stored_view(view), int(view == CLEAN)) for view in VIEWS]
    with closing(engine._stream(())) as stream:
        run = engine._executor.run(stream.requests(wanted))
        predicted = [str(next(run).request)]
        busy = next(worker for worker in pool.workers if worker.calls)
        assert busy.machine
        os.kill(busy.machine.pid, signal.SIGKILL)
        predicted += [str(result.request) for result in run]
    assert sorted(predicted) == sorted(f"{view}, shard {number}" for view, number in wanted)
    assert busy not in pool.workers
