"""A worker that holds its own model gives the same shards, and refuses another model or other images."""

import pickle
import socket
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import pytest
from support.demo_runs import link_demo_images
from support.errors import error_text, raising
from support.evaluations import new_evaluation, worker_spec
from support.s3 import S3Server
from syrupy.assertion import SnapshotAssertion

from quba_check.core.view import CLEAN, View
from quba_check.engine.shards import PlannedShard, ShardRequest, ShardResult
from quba_check.errors import HeadError, ModelError, OptionError, SuiteError, UnmeasurableError
from quba_check.evaluation import Evaluation
from quba_check.executors.remote_worker import RemoteWorker, WorkerSpec
from quba_check.storage.data_copies import CopySettings
from quba_check.storage.opening import open_store
from quba_check.suites.opening import find_suite
from quba_check.suites.suite import Suite

PGD = View("clean", attack="pgd")


@pytest.fixture(scope="module")
def folder(demo_suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a worker, which has the images."""
    return link_demo_images(tmp_path_factory.mktemp("worker"), demo_suite)


@pytest.fixture(scope="module")
def driver(demo_suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    store = link_demo_images(tmp_path_factory.mktemp("driver"), demo_suite)
    driver = new_evaluation("demo", store=store, limit=300)
    driver.engine.determine_outputs([CLEAN])  # a run does so before it asks others for shards
    return driver


@pytest.fixture(scope="module")
def spec(driver: Evaluation) -> WorkerSpec:
    spec = worker_spec(driver)
    sent: WorkerSpec = pickle.loads(pickle.dumps(spec))
    assert sent == spec
    assert sent.key == spec.key
    return sent


@pytest.fixture(scope="module")
def worker(spec: WorkerSpec, folder: Path) -> RemoteWorker:
    return RemoteWorker(spec, folder, 1)


def requests(driver: Evaluation, *wanted: PlannedShard) -> list[ShardRequest]:
    engine = driver.engine
    with closing(engine._stream(())) as stream:
        return [pickle.loads(pickle.dumps(request)) for request in stream.requests(wanted)]


def test_a_worker_gives_the_bytes_of_the_driver_and_lists_no_files(
    driver: Evaluation, spec: WorkerSpec, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serial = Evaluation(driver.classifier, driver.suite, store=tmp_path)
    views = [CLEAN, PGD, replace(PGD, epsilon=Fraction(4, 255))]
    serial.engine.determine_outputs(views)
    wanted = [PlannedShard(driver.engine.cache_keys.stored_view(view), 1) for view in views]
    serial.engine._run(wanted)
    worker = RemoteWorker(spec, folder, 1)
    monkeypatch.setattr(worker._engine.suite, "_listing", lambda view: pytest.fail(f"listed {view}"))
    for request in requests(driver, *wanted):
        result = worker.submit(request).result()
        assert result.passes >= len(request.examples)
        store = open_store(tmp_path / "sent")
        key = request.key
        store.put(key, result.content)
        shard = store.read(key)
        expected = serial.store.read(key)
        assert shard.metadata == expected.metadata
        assert all((shard.columns[name] == expected.columns[name]).all() for name in expected.columns)
    assert worker.changed() == []


def test_a_worker_copies_images_of_a_url_itself(driver: Evaluation, tmp_path: Path, s3: S3Server) -> None:
    url = s3.upload(driver.suite.root)
    settings = CopySettings(listed_since=7.0)
    suite = find_suite(url, tmp_path / "here", driver.suite.sampler, replace(settings, announce=print))
    remote = Evaluation(driver.classifier, suite, store=tmp_path / "here")
    spec = worker_spec(remote)
    sent: WorkerSpec = pickle.loads(pickle.dumps(spec))
    assert (sent.source, sent.copies, sent.key) == (url, settings, spec.key)
    (request,) = requests(remote, PlannedShard(PGD, 1))
    worker = RemoteWorker(sent, tmp_path / "there", 1)
    assert worker.submit(request).result().content
    copies = (tmp_path / "there" / "mirror").glob("*/files/clean/*/*.png")
    assert len(list(copies)) == 400
    (request,) = requests(driver, PlannedShard(PGD, 1))
    other = replace(request, key=replace(request.key, content="0" * 32))
    with pytest.raises(ModelError, match=rf"shard 1: the images in {url} differ\.$"):
        worker.submit(other).result()


def test_a_worker_reads_with_threads_for_its_cores(spec: WorkerSpec, folder: Path) -> None:
    spec = replace(spec, request=replace(spec.request, device="cpu"))
    assert [spec.engine(folder, cores).batch_settings.threads for cores in (1, 6)] == [1, 4]
    stated = replace(spec, batch_settings=replace(spec.batch_settings, threads=2))
    assert stated.engine(folder, 6).batch_settings.threads == 2


def test_other_images_are_refused_by_name(driver: Evaluation, spec: WorkerSpec, folder: Path) -> None:
    worker = RemoteWorker(spec, folder, 1)  # it remembers the images that it was given
    (request,) = requests(driver, PlannedShard(PGD, 1))
    key = request.key
    other = replace(request, key=replace(key, content="0" * 32), examples=request.examples[:-1])
    with pytest.raises(ModelError, match=r"^worker on .*: clean\+pgd, shard 1: the images in .* differ\.$"):
        worker.submit(other).result()
    other = replace(request, key=replace(key, cache_entry="0" * 32))
    with pytest.raises(ModelError, match=r"shard 1: the settings of the predictions differ\.$"):
        worker.submit(other).result()


@pytest.mark.parametrize("error", [OSError("no space left"), SystemExit(2)])
def test_an_error_of_any_kind_in_taking_a_shard_is_its_answer(
    driver: Evaluation, worker: RemoteWorker, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    (request,) = requests(driver, PlannedShard(PGD, 1))
    with monkeypatch.context() as patch:
        patch.setattr(worker._engine.worker, "verify", raising(error))
        assert worker.submit(request).exception(timeout=60) is error
    assert worker.submit(request).result().request is request


def test_an_error_is_that_of_its_shard(
    driver: Evaluation, worker: RemoteWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = requests(driver, PlannedShard(PGD, 0), PlannedShard(PGD, 1))
    run = worker._engine.worker.run

    def fail_together(given: Iterable[ShardRequest]) -> Iterator[ShardResult]:
        taken = list(given)
        if first in taken:
            raise SuiteError("a.jpg: cut")
        yield from run(taken)

    monkeypatch.setattr(worker._engine.worker, "run", fail_together)
    answers = [worker.submit(request) for request in (first, second)]
    assert isinstance(answers[0].exception(timeout=60), SuiteError)
    assert answers[1].result(timeout=60).content


@pytest.mark.parametrize(
    "difference",
    [
        {"libraries": {"torch": "1.0", "timm": "1.0", "torchvision": "0", "pillow": "1"}},
        {"fingerprint": "f" * 32},
        {"preprocessing": {}},
    ],
    ids=["library", "weights", "preprocessing"],
)
def test_another_model_is_refused_by_name(
    spec: WorkerSpec, folder: Path, difference: dict[str, object], snapshot: SnapshotAssertion
) -> None:
    other = replace(spec, identity={**spec.identity, **difference})
    text = error_text(ModelError, RemoteWorker, other, folder, 1)
    assert text.replace(socket.gethostname(), "HOST").replace(version("torch"), "VERSION") == snapshot


def test_a_model_of_this_process_cannot_be_sent(driver: Evaluation) -> None:
    module = replace(driver.classifier, request=None)
    with pytest.raises(OptionError, match="demo exists in this process alone; no worker can load it"):
        WorkerSpec.of(module, driver.suite, driver.protocol, driver.engine.batch_settings)


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
