"""A worker of Ray, in this process: what it answers, and what it takes from the run."""

from __future__ import annotations

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
from support.evaluations import new_evaluation

from quba_check import Evaluation
from quba_check.core.view import CLEAN
from quba_check.engine.claims import Claims, ShardJob
from quba_check.engine.order import Order, Predicted
from quba_check.errors import ModelError
from quba_check.executors.ray.worker import RayWorker, Surroundings, installed_version
from quba_check.executors.recipe import Recipe
from quba_check.models.compute import ComputeSettings


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(Path.cwd())
    return Surroundings(installed_version(), "", ())


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return new_evaluation("demo", store=tmp_path_factory.mktemp("driver"), limit=30)


@pytest.fixture(scope="module")
def recipe(driver: Evaluation) -> Recipe:
    settings = driver.engine._batch_settings
    return Recipe.of(driver.classifier, driver.suite, driver.protocol, driver.seed, settings)


@pytest.fixture
def order(driver: Evaluation) -> Iterator[Order]:
    engine = driver.engine
    with closing(Claims(engine.store, engine.cache_keys, driver.classifier)) as claims:
        yield next(claims.orders([ShardJob((engine.cache_keys.stored_view(CLEAN),), 0)]))


def test_one_model_after_another(surroundings: Surroundings, recipe: Recipe, order: Order) -> None:
    worker = RayWorker(surroundings)
    with pytest.raises(RuntimeError, match="no model was loaded"):
        worker.is_changed()
    assert worker.load(recipe, 2) is False
    first = worker._worker
    assert isinstance(worker.choose_compute(), ComputeSettings)
    predicted = worker.predict(order)
    assert isinstance(predicted, Predicted)
    assert predicted.order.keys == order.keys
    assert not predicted.order.examples  # the run has them
    assert not worker.is_changed()
    assert worker.load(replace(recipe, batch_settings=replace(recipe.batch_settings, threads=2)), 2) is False
    assert worker._worker is not first


def test_errors_are_answers(surroundings: Surroundings, recipe: Recipe, order: Order) -> None:
    worker = RayWorker(surroundings)
    refused = worker.load(replace(recipe, identity={**recipe.identity, "fingerprint": "f" * 32}), 1)
    assert isinstance(refused, ModelError)
    assert "is another model there" in str(refused)
    assert worker.load(recipe, 1) is False
    keys = {view: replace(key, content="0" * 32) for view, key in order.keys.items()}
    refused = worker.predict(replace(order, keys=keys))
    assert isinstance(refused, ModelError)


def test_another_version_is_refused(surroundings: Surroundings) -> None:
    answer = RayWorker(replace(surroundings, version="9.9")).machine()
    assert isinstance(answer, ModelError)
    assert str(answer).endswith(
        f"quba-check is {installed_version()}, but 9.9 where the run was started. Install quba-check 9.9 "
        "there."
    )


def test_the_machine(surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    context: Any = SimpleNamespace(get_node_id=lambda: "n1")
    monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
    machine: Any = RayWorker(surroundings).machine()
    assert (machine.node, machine.pid) == ("n1", os.getpid())


def test_folder_and_modules_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, missing = tmp_path / "project", tmp_path / "missing"
    project.mkdir()
    paths = (str(project), str(missing), sys.path[0])
    RayWorker(Surroundings("1", str(project), paths))
    assert Path.cwd() == project
    assert sys.path[-1] == str(project)
    assert str(missing) not in sys.path
    RayWorker(Surroundings("1", str(missing), ()))
    assert Path.cwd() == project


def test_surroundings_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", "/code", *(path for path in sys.path if sys.prefix in path)])
    surroundings = Surroundings.of_this_process(has_working_dir=False)
    assert surroundings == Surroundings(installed_version(), str(tmp_path), (str(tmp_path), "/code"))
    assert Surroundings.of_this_process(has_working_dir=True).folder == ""
