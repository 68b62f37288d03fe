"""A worker of Ray, in this process: what it answers, and what it takes from the run."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("ray")

import ray
from support.evaluations import new_evaluation, worker_spec

from quba_check.core.view import CLEAN
from quba_check.engine.shards import PlannedShard, ShardRequest, ShardResult
from quba_check.errors import ModelError, OptionError
from quba_check.evaluation import Evaluation
from quba_check.executors.ray.worker import RayWorker, WorkerEnvironment, installed_version
from quba_check.executors.remote_worker import WorkerSpec
from quba_check.models.compute import ComputeSettings


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkerEnvironment:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(Path.cwd())
    return WorkerEnvironment(installed_version(), str(Path.cwd()), ())


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return new_evaluation("demo", store=tmp_path_factory.mktemp("driver"), limit=30)


@pytest.fixture(scope="module")
def spec(driver: Evaluation) -> WorkerSpec:
    return worker_spec(driver)


@pytest.fixture
def wanted(driver: Evaluation) -> Iterator[ShardRequest]:
    engine = driver.engine
    with closing(engine._stream(())) as stream:
        yield next(stream.requests([PlannedShard(engine.cache_keys.stored_view(CLEAN), 0)]))


def test_one_model_after_another(
    environment: WorkerEnvironment, spec: WorkerSpec, wanted: ShardRequest
) -> None:
    worker = RayWorker(environment, 2)
    assert isinstance(worker.choose_compute(spec, CLEAN), ComputeSettings)
    first = worker._worker
    result = worker.predict(spec, wanted)
    assert result.request.key == wanted.key
    assert not result.request.examples  # the run has them
    assert worker._worker is first
    assert worker.changed(spec.key) == []
    first._engine.worker.changed = lambda: [wanted.key]
    other = replace(spec, batch_settings=replace(spec.batch_settings, threads=2))
    assert isinstance(worker.predict(other, wanted), ShardResult)
    assert worker._worker is not first
    assert worker.changed(other.key) == []
    assert worker.changed(spec.key) == [wanted.key]


def test_errors_are_answers(
    environment: WorkerEnvironment, spec: WorkerSpec, wanted: ShardRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = RayWorker(environment, 1)
    other = replace(spec, identity={**spec.identity, "fingerprint": "f" * 32})
    refusal = worker.predict(other, wanted)
    assert isinstance(refusal, ModelError)
    assert "its fingerprint is another than" in str(refusal)
    with monkeypatch.context() as patch:
        patch.setattr(WorkerSpec, "engine", lambda *_: pytest.fail("loaded again"))
        assert worker.choose_compute(other, CLEAN) is refusal
    key = replace(wanted.key, content="0" * 32)
    assert isinstance(worker.predict(spec, replace(wanted, key=key)), ModelError)


def test_the_machine_and_a_refusal_of_another_version(
    environment: WorkerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    context: Any = SimpleNamespace(get_node_id=lambda: "n1")
    monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
    machine: Any = RayWorker(environment, 1).machine()
    assert (machine.node, machine.pid) == ("n1", os.getpid())
    refusal = RayWorker(replace(environment, version="9.9"), 1).machine()
    assert isinstance(refusal, OptionError)
    here = f"quba-check is {installed_version()}, but 9.9 where the run was started"
    assert str(refusal).endswith(f"{here}. Install quba-check 9.9 there.")


def test_folder_and_modules_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    missing = tmp_path / "missing"
    project.mkdir()
    paths = (str(project), str(missing), sys.path[0])
    RayWorker(WorkerEnvironment("1", str(project), paths), 1)
    assert Path.cwd() == project
    assert sys.path[-1] == str(project)
    assert str(missing) not in sys.path
    RayWorker(WorkerEnvironment("1", str(missing), ()), 1)
    assert Path.cwd() == project


def test_environment_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", "/code", *(path for path in sys.path if sys.prefix in path)])
    environment = WorkerEnvironment.of_this_process()
    assert environment == WorkerEnvironment(installed_version(), str(tmp_path), (str(tmp_path), "/code"))
