"""A worker that holds its own model gives the same shards, and refuses another model or other images."""

from __future__ import annotations

import pickle
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.s3 import S3Server

from quba_check import Evaluation
from quba_check.core.view import CLEAN, View
from quba_check.engine.claims import Claims, ShardJob
from quba_check.engine.order import Order
from quba_check.errors import HeadError, ModelError, OptionError, SuiteError, UnmeasurableError
from quba_check.executors.recipe import Recipe
from quba_check.executors.remote_worker import Answer, RemoteWorker
from quba_check.storage.data_copies import CopySettings
from quba_check.storage.opening import open_store
from quba_check.suites.opening import find_suite

PGD = View("clean", attack="pgd")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return Evaluation("demo", store=tmp_path_factory.mktemp("driver"), limit=300)


@pytest.fixture(scope="module")
def recipe(driver: Evaluation) -> Recipe:
    settings = driver.engine._batch_settings
    recipe = Recipe.of(driver.classifier, driver.suite, driver.protocol, driver.seed, settings)
    sent: Recipe = pickle.loads(pickle.dumps(recipe))
    assert sent == recipe
    assert sent.key == recipe.key
    return sent


@pytest.fixture(scope="module")
def worker(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> RemoteWorker:
    return RemoteWorker(recipe, tmp_path_factory.mktemp("worker"), 1)


def orders(driver: Evaluation, *jobs: ShardJob) -> list[Order]:
    engine = driver.engine
    with closing(Claims(engine.store, engine.cache_keys, driver.classifier)) as claims:
        return [pickle.loads(pickle.dumps(order)) for order in claims.orders(jobs)]


def test_a_worker_gives_the_bytes_of_the_driver(
    driver: Evaluation, worker: RemoteWorker, tmp_path: Path
) -> None:
    serial = Evaluation(driver.classifier, driver.suite, store=tmp_path)
    views = [CLEAN, PGD]
    serial.engine.predictions(views)
    driver.engine.determine_outputs(views)
    jobs = [ShardJob((driver.engine.cache_keys.stored_view(view),), 1) for view in views]
    for order in orders(driver, *jobs):
        predicted = worker.predict(order)
        assert predicted.passes >= len(order.examples)
        for view, content in predicted.files.items():
            store, key = open_store(tmp_path / "sent"), order.keys[view]
            store.put(key, content)
            shard, expected = store.read(key), serial.store.read(key)
            assert shard.about == expected.about
            assert all((shard.columns[name] == expected.columns[name]).all() for name in expected.columns)
    assert not worker.is_changed()


def test_a_worker_lists_no_files(
    driver: Evaluation, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (order,) = orders(driver, ShardJob((PGD,), 0))
    worker = RemoteWorker(recipe, tmp_path, 1)
    monkeypatch.setattr(worker._engine.suite, "_listing", lambda view: pytest.fail(f"listed {view}"))
    assert set(worker.predict(order).files) == {PGD}


def test_a_worker_copies_images_of_a_url_itself(driver: Evaluation, tmp_path: Path, s3: S3Server) -> None:
    url, settings = s3.upload(driver.suite.root), CopySettings(listed_since=7.0)
    suite = find_suite(url, tmp_path / "here", driver.suite.sampler, replace(settings, announce=print))
    remote = Evaluation(driver.classifier, suite, store=tmp_path / "here")
    recipe = Recipe.of(driver.classifier, suite, driver.protocol, 0, remote.engine._batch_settings)
    sent: Recipe = pickle.loads(pickle.dumps(recipe))
    assert (sent.source, sent.copies, sent.key) == (url, settings, recipe.key)
    (order,) = orders(remote, ShardJob((PGD,), 1))
    worker = RemoteWorker(sent, tmp_path / "there", 1)
    assert set(worker.predict(order).files) == {PGD}
    copies = (tmp_path / "there" / "mirror").glob("*/files/clean/*/*.png")
    assert len(list(copies)) == 400
    (order,) = orders(driver, ShardJob((PGD,), 1))
    other = replace(order, keys={PGD: replace(order.keys[PGD], content="0" * 32)})
    with pytest.raises(ModelError, match=rf"shard 1: the images in {url} differ\.$"):
        worker.predict(other)


def test_a_worker_reads_with_threads_for_its_cores(recipe: Recipe, tmp_path: Path) -> None:
    recipe = replace(recipe, request=replace(recipe.request, device="cpu"))
    assert [recipe.engine(tmp_path, cores)._batch_settings.threads for cores in (1, 6)] == [1, 3]
    stated = replace(recipe, batch_settings=replace(recipe.batch_settings, threads=2))
    assert stated.engine(tmp_path, 6)._batch_settings.threads == 2


def test_other_images_are_refused_by_name(driver: Evaluation, worker: RemoteWorker) -> None:
    (order,) = orders(driver, ShardJob((PGD,), 1))
    key = order.keys[PGD]
    other = replace(order, keys={PGD: replace(key, content="0" * 32)}, examples=order.examples[:-1])
    with pytest.raises(ModelError, match=r"^worker on .*: clean\+pgd, shard 1: the images in .* differ\.$"):
        worker.predict(other)
    other = replace(order, keys={PGD: replace(key, cache_entry="0" * 32)})
    with pytest.raises(ModelError, match=r"shard 1: the settings of the predictions differ\.$"):
        worker.predict(other)


@pytest.mark.parametrize("error", [OSError("no space left"), SystemExit(2)])
def test_an_error_of_any_kind_in_taking_an_order_is_its_answer(
    driver: Evaluation, worker: RemoteWorker, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    (order,) = orders(driver, ShardJob((PGD,), 1))

    def fail(order: Order) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(worker._engine.worker, "verify", fail)
        answer: Answer = Future()
        worker._waiting.put((order, answer))
        assert answer.exception(timeout=60) is error
    assert worker.predict(order).order is order


@pytest.mark.parametrize(
    ("difference", "message"),
    [
        (
            {"libraries": {"torch": "1.0", "timm": "1.0", "torchvision": "0", "pillow": "1"}},
            f": torch is {torch.__version__}, but 1.0 where the run was started. Predictions may differ. "
            "Install torch 1.0 there.",
        ),
        (
            {"fingerprint": "f" * 32},
            "demo is another model there, with fingerprint",
        ),
        ({"preparation": {}}, "demo has another preparation there."),
    ],
)
def test_another_model_is_refused_by_name(
    recipe: Recipe, tmp_path: Path, difference: dict[str, object], message: str
) -> None:
    other = replace(recipe, identity={**recipe.identity, **difference})
    with pytest.raises(ModelError) as error:
        RemoteWorker(other, tmp_path, 1)
    assert message in str(error.value)


def test_a_model_of_this_process_cannot_be_sent(driver: Evaluation) -> None:
    module = replace(driver.classifier, request=None)
    with pytest.raises(OptionError, match="demo exists in this process alone; no worker can load it"):
        Recipe.of(module, driver.suite, driver.protocol, 0, driver.engine._batch_settings)


@pytest.mark.parametrize(
    "error",
    [
        UnmeasurableError("no gradient", missing_data=True),
        HeadError("other", theirs=3, classes=4),
        SuiteError("a.jpg: cut"),
    ],
)
def test_errors_can_be_sent(error: Exception) -> None:
    sent = pickle.loads(pickle.dumps(error))
    assert (type(sent), str(sent), vars(sent)) == (type(error), str(error), vars(error))
