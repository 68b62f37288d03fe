"""The executor `slurm` with real workers on this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.evaluations import new_evaluation

from quba_check import Evaluation
from quba_check.core.view import CLEAN, View
from quba_check.engine.claims import Claims, ShardJob
from quba_check.engine.order import Order
from quba_check.errors import ModelError, OptionError, StoreError
from quba_check.executors.choice import ExecutorChoice
from quba_check.executors.settings import SlurmSettings
from quba_check.executors.slurm import jobs as slurm_jobs
from quba_check.executors.slurm.pool import SlurmExecutor, SlurmPool
from quba_check.executors.slurm.queue_folder import QueueFolder

FOG = View("corruptions", corruption="fog", severity=3)


@pytest.fixture(scope="module")
def news() -> list[str]:
    return []


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory, news: list[str]) -> Iterator[SlurmPool]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("temporary")))
        folder = tmp_path_factory.mktemp("shared") / "slurm"
        pool = SlurmPool(ExecutorChoice("slurm", "local", 2), SlurmSettings(), folder, news.append)
        yield pool
        pool.close()
        assert list(folder.iterdir()) == []


@pytest.fixture(scope="module")
def driver(pool: SlurmPool, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """A suite of two shards, predicted by the workers."""
    return new_evaluation("demo", store=tmp_path_factory.mktemp("driver"), limit=300, workers=pool)


@pytest.fixture
def executor(driver: Evaluation) -> SlurmExecutor:
    executor = driver.engine._executor
    assert isinstance(executor, SlurmExecutor)
    return executor


def orders(driver: Evaluation, *views: View) -> list[Order]:
    """Return the orders for all shards of views, also of those that are stored."""
    engine = driver.engine
    jobs = [ShardJob((view,), shard) for view in views for shard in engine.cache_keys.shards(view)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine.store, "has", lambda key: False)
        claims = Claims(engine.store, engine.cache_keys, driver.classifier)
        with contextlib.closing(claims):
            return list(claims.orders(jobs))


def pids(pool: SlurmPool) -> dict[str, int]:
    """Return the process of each worker that takes orders."""
    assert pool._run is not None
    folder = pool._run.folder
    return {name: folder.about(name)["pid"] for name in pool._run.dispatcher.live_workers}


def test_workers_predict_what_this_process_predicts(driver: Evaluation, tmp_path: Path) -> None:
    serial = Evaluation(driver.classifier, driver.suite, store=tmp_path)
    driver.plan(["accuracy"])
    driver.check()
    assert driver.measure("accuracy") == serial.measure("accuracy")
    stored = [
        sorted(path.name for path in each.store.root.glob("predictions/*/*")) for each in (driver, serial)
    ]
    assert stored[0] == stored[1] != []
    assert driver.engine._executor.name == "slurm:local, 2 workers"


def test_another_model_uses_the_same_workers(driver: Evaluation, pool: SlurmPool, tmp_path: Path) -> None:
    before = pids(pool)
    other = new_evaluation("demo-textured", driver.suite, store=tmp_path, workers=pool)
    assert other.measure("accuracy").value != driver.measure("accuracy").value
    assert pids(pool).items() >= before.items()


def test_orders_go_on_without_a_worker_that_is_killed(
    driver: Evaluation, executor: SlurmExecutor, pool: SlurmPool, news: list[str]
) -> None:
    work = orders(driver, CLEAN, FOG, *(replace(FOG, severity=severity) for severity in (1, 2)))
    predicted = []
    news.clear()
    for answer in executor.run(work):
        if not predicted:
            victim = next(iter(pids(pool)))
            os.kill(pids(pool)[victim], signal.SIGKILL)
        predicted.append(str(answer.order))
    assert sorted(predicted) == sorted(map(str, work))
    until(lambda: len(watched(pool)) == 2 and victim not in pids(pool))
    assert len(news) == 1
    assert news[0].endswith(" ended")
    assert executor.changed() == []


def test_a_worker_that_is_preempted_comes_back(
    driver: Evaluation, executor: SlurmExecutor, pool: SlurmPool, news: list[str]
) -> None:
    news.clear()
    before = pids(pool)
    victim = next(iter(before))
    os.kill(before[victim], signal.SIGUSR2)
    work = orders(driver, CLEAN, FOG)
    assert len(list(executor.run(work))) == len(work)
    until(lambda: len(watched(pool)) == 2 and victim not in pids(pool))
    assert [words.rpartition(" has ")[2] for words in news] == ["to leave"]


def test_orders_of_a_closed_run_are_dropped(
    driver: Evaluation, executor: SlurmExecutor, pool: SlurmPool
) -> None:
    work = orders(driver, CLEAN, FOG, replace(FOG, severity=1))
    pulled = []

    def source() -> Iterator[Order]:
        for order in work:
            pulled.append(order)
            yield order

    run = executor.run(source())
    first = next(run)
    run.close()
    assert first.order in pulled
    assert len(pulled) <= 5  # two for each worker, and one in the place of the first
    again = orders(driver, FOG)
    assert {str(answer.order) for answer in executor.run(again)} == set(map(str, again))


def test_the_error_of_a_worker_is_raised_here(driver: Evaluation, executor: SlurmExecutor) -> None:
    order, *_ = orders(driver, FOG)
    key = order.keys[FOG]
    other = replace(order, keys={FOG: replace(key, content="0" * 32)})
    with pytest.raises(ModelError, match=r"^worker on .*shard 0: the images in .* differ\.$"):
        list(executor.run([other]))


def test_workers_that_do_not_end_are_killed(
    driver: Evaluation, executor: SlurmExecutor, pool: SlurmPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(list(executor.run(orders(driver, FOG)))) == 2
    stopped, *_ = processes = list(pids(pool).values())
    os.kill(stopped, signal.SIGSTOP)
    monkeypatch.setattr(slurm_jobs, "CLOSING_SECONDS", 0.0)
    pool.close()
    for process in processes:
        until(lambda process=process: not is_alive(process))


def test_nothing_starts_for_a_run_without_orders(tmp_path: Path, driver: Evaluation) -> None:
    pool = SlurmPool(ExecutorChoice("slurm", "local"), SlurmSettings(), tmp_path / "slurm")
    executor = pool.executor(driver.engine._executor._recipe)
    assert list(executor.run([])) == []
    assert executor.changed() == []
    pool.close()
    assert not (tmp_path / "slurm").exists()


def test_workers_that_cannot_start_are_an_error(tmp_path: Path, driver: Evaluation) -> None:
    settings = SlurmSettings(setup=("echo no such module >&2", "false"))
    pool = SlurmPool(ExecutorChoice("slurm", "local", 1), settings, tmp_path / "slurm")
    executor = pool.executor(driver.engine._executor._recipe)
    with pytest.raises(OptionError) as error:
        list(executor.run(orders(driver, FOG)))
    assert str(error.value).startswith(
        "--quba-executor: 3 workers ended one after another before they predicted anything. "
    )
    pool.close()
    (run,) = (tmp_path / "slurm").iterdir()
    assert f"Its log is in {run / 'jobs'}." in str(error.value)  # and stays


def test_a_folder_that_cannot_be_written(tmp_path: Path, driver: Evaluation) -> None:
    (tmp_path / "file").touch()
    settings = SlurmSettings(folder=str(tmp_path / "file"))
    pool = SlurmPool(ExecutorChoice("slurm", "local"), settings, tmp_path)
    with pytest.raises(StoreError) as error:
        list(pool.executor(driver.engine._executor._recipe).run(orders(driver, FOG)))
    assert str(error.value) == (
        f"--quba-executor: the folder {tmp_path / 'file'} of the workers' orders cannot be written "
        "(File exists). Name another one by the key folder in --quba-executor-settings."
    )


def test_one_gpu_of_several_is_refused(tmp_path: Path, driver: Evaluation) -> None:
    pool = SlurmPool(ExecutorChoice("slurm", "local"), SlurmSettings(), tmp_path)
    recipe = driver.engine._executor._recipe
    with pytest.raises(OptionError) as error:
        pool.executor(replace(recipe, request=replace(recipe.request, device="cuda:1")))
    assert str(error.value) == (
        "--quba-device: got 'cuda:1' together with --quba-executor=slurm, whose workers have GPUs "
        "of their own. Allowed: auto, cuda, cpu."
    )


DRIVER = """
import pathlib, sys, time
from quba_check.executors.settings import SlurmSettings
from quba_check.executors.slurm.pool import _Run

run = _Run(SlurmSettings(), pathlib.Path("slurm"), 1, lambda _: None, is_local=True)
while not run.dispatcher.live_workers:
    run.dispatcher._poll()
    time.sleep(0.02)
print("started", flush=True)
sys.stdin.read()
"""


def test_a_driver_that_is_terminated_ends_its_workers(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER],
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        (run,) = (tmp_path / "slurm").iterdir()
        folder = QueueFolder(run)
        (worker,) = folder.worker_names()
        pid = folder.about(worker)["pid"]
        assert is_alive(pid)
        process.terminate()
        assert process.wait() == -signal.SIGTERM
    until(lambda: not is_alive(pid))
    assert list((tmp_path / "slurm").iterdir()) == []


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def watched(pool: SlurmPool) -> dict[str, int]:
    """Let the dispatcher watch the workers; return the process of each that takes orders."""
    assert pool._run is not None
    pool._run.dispatcher._poll()
    return pids(pool)


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, however long a busy machine takes."""
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
