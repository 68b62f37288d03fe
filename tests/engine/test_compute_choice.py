"""The choice of compute settings in whole evaluations of a tiny suite."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from support.tiny import write_models, write_suite

from quba_check.core.view import CLEAN, FGSM, PGD, View
from quba_check.doctor.cached_examination import cached_examination
from quba_check.engine.compute_choice import planned_passes, probe_examples
from quba_check.engine.shard_predictor import BatchSettings
from quba_check.errors import OptionError, SuiteError
from quba_check.evaluation import Evaluation
from quba_check.executors.remote_worker import RemoteWorker
from quba_check.executors.worker_spec import WorkerSpec
from quba_check.models import compute_probe
from quba_check.models.compute import TOO_SHORT, ComputeSettings
from quba_check.models.compute_probe import Probe

N = 3 * 11
NAME = "tiny_models_for_compute"
CONVOLUTION = """

class Convolution(Net):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return super().forward(self.conv(x))


def convolution():
    return Convolution()
"""
FAST = ComputeSettings(
    channels_last=True, batch_size=16, requested="auto", reason="a test", images=33, gain=1.5
)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    write_models(tmp_path, NAME)
    with (tmp_path / f"{NAME}.py").open("a", encoding="utf-8") as file:
        file.write(CONVOLUTION)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module(NAME)
    del sys.modules[NAME]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_suite(tmp_path_factory.mktemp("suite") / "data", per_class=N // 3)


@pytest.fixture
def evaluate(tmp_path: Path, data: Path, models: ModuleType) -> Callable[..., Evaluation]:

    def evaluation(data: Path = data, **options: object) -> Evaluation:
        settings = {"store": tmp_path / "store", "batch_settings": BatchSettings(threads=0)} | options
        made = Evaluation(f"{NAME}:convolution", data, **settings)
        models.COUNTS.update(forward=0, backward=0)
        return made

    return evaluation


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every run is long enough for a probe, and every probe finds `FAST`."""
    probes: list[int] = []
    monkeypatch.setattr(compute_probe, "LEAST_PASSES", 1)
    monkeypatch.setattr(Probe, "choose", lambda probe: probes.append(probe._passes.images) or FAST)
    return probes


def accuracy(evaluation: Evaluation) -> float:
    evaluation.plan(["accuracy"])
    evaluation.check()
    return evaluation.measure("accuracy").value


def test_a_short_run_passes_its_images_once_and_takes_the_plain_path(evaluate, models, tmp_path) -> None:
    evaluation = evaluate()
    accuracy(evaluation)
    assert models.COUNTS == {"forward": N, "backward": 0}
    assert evaluation.engine.compute == ComputeSettings(requested="auto", reason=TOO_SHORT)
    assert not (tmp_path / "store" / "compute").exists()
    stated = evaluate(precision="fp32")
    accuracy(stated)
    assert models.COUNTS == {"forward": 0, "backward": 0}  # auto had the cache keys of fp32
    assert stated.engine.compute == ComputeSettings()


class Elsewhere:
    """A pool of one worker, in this process; it chooses `FAST`."""

    name = "elsewhere, 1 worker"

    def __init__(self, folder: Path) -> None:
        self.folder, self.choices, self.requests = folder, 0, 0

    def executor(self, spec: WorkerSpec) -> Elsewhere:
        self.spec = spec
        return self

    def choose_compute(self, views, classifier) -> None:
        self.choices += 1
        classifier.use(replace(FAST, compiled=classifier.requested.compile == "on"))

    def run(self, requests):
        worker = None
        for request in requests:
            self.requests += 1
            worker = worker or RemoteWorker(self.spec, self.folder, 1)
            yield worker.submit(request).result()

    def changed(self) -> list[object]:
        return []


def chosen(evaluation: Evaluation, executor: Elsewhere) -> ComputeSettings:
    evaluation.engine.worker.choose_compute_by(executor, [CLEAN], evaluation.classifier)
    return evaluation.classifier.compute


def test_the_choice_of_an_executor_is_stored_for_its_kind(evaluate, models, fast, tmp_path) -> None:
    first, second = Elsewhere(tmp_path / "first"), Elsewhere(tmp_path / "second")
    assert chosen(evaluate(compile="on"), first) == replace(FAST, compiled=True)
    value = accuracy(evaluate(workers=first, compile="off"))
    assert (first.choices, first.requests) == (1, 1)
    assert chosen(evaluate(compile="on"), second) == replace(FAST, compiled=True)
    again = evaluate(workers=second, compile="off")
    assert accuracy(again) == value
    assert (second.choices, second.requests) == (0, 0)  # all is in the store
    assert again.engine.compute == FAST
    assert fast == []
    accuracy(evaluate())
    assert fast == [32]  # on this device another may be better


def test_a_stated_precision_and_a_short_run_ask_no_executor(evaluate, models, tmp_path) -> None:
    pool = Elsewhere(tmp_path / "worker")
    accuracy(evaluate(workers=pool))
    accuracy(evaluate(workers=pool, precision="fp32", compile="off"))
    assert (pool.choices, pool.requests) == (0, 1)
    assert chosen(evaluate(precision="bf16", compile="on"), pool).precision == "bf16"


def test_the_choice_is_made_once_and_read_by_later_runs(evaluate, models, fast, tmp_path) -> None:
    first = evaluate()
    value = accuracy(first)
    assert (first.engine.compute, fast) == (FAST, [32])
    (stored,) = (tmp_path / "store" / "compute").glob("*.json")
    assert json.loads(stored.read_text(encoding="utf-8"))["settings"]["channels_last"] is True
    second = evaluate()
    assert second.engine.compute == FAST  # also before anything was requested
    assert accuracy(second) == value
    assert (models.COUNTS["forward"], fast) == (0, [32])


def test_a_damaged_choice_is_made_again(evaluate, fast, tmp_path) -> None:
    accuracy(evaluate())
    (stored,) = (tmp_path / "store" / "compute").glob("*.json")
    for content in ("{", "[]", '{"settings": {}}', '{"settings": {"precision": 3}}'):
        stored.write_text(content, encoding="utf-8")
        accuracy(evaluate())
    assert fast == [32] * 5


def test_a_run_that_was_too_short_decides_for_others_but_not_for_a_much_longer_one(
    evaluate, monkeypatch
) -> None:
    probes: list[int] = []
    short = ComputeSettings(requested="auto", reason=TOO_SHORT)
    monkeypatch.setattr(compute_probe, "LEAST_PASSES", 1)
    monkeypatch.setattr(Probe, "choose", lambda probe: probes.append(probe._planned.total) or short)
    for _ in range(2):
        evaluation = evaluate()
        accuracy(evaluation)
        assert evaluation.engine.compute == short
    assert probes == [N]
    longer = evaluate()
    longer.plan(["adversarial_robustness"])
    longer.check()
    assert probes == [N, 25 * N]


def test_both_protocols_of_a_run_share_the_choice_and_the_guard(evaluate, fast) -> None:
    first = evaluate()
    second = Evaluation(first.classifier, first.suite, protocol="released", store=first.store.root)
    accuracy(first)
    accuracy(second)
    assert fast == [32]
    assert second.classifier.compute == FAST


def test_attacks_run_in_the_chosen_format_and_agree_with_the_plain_path(evaluate, fast) -> None:
    values = []
    for options in ({}, {"precision": "fp32"}):
        evaluation = evaluate(**options)
        evaluation.plan(["accuracy", "adversarial_robustness"])
        evaluation.check()
        values.append(evaluation.measure("adversarial_robustness").value)
    assert values[0] == values[1]


def test_other_settings_have_other_cache_keys(evaluate, models, fast) -> None:
    accuracy(evaluate())
    accuracy(evaluate(precision="fp32"))
    assert models.COUNTS["forward"] == N


def test_a_stated_precision_is_not_probed(evaluate, fast) -> None:
    evaluation = evaluate(precision="bf16")
    accuracy(evaluation)
    assert evaluation.engine.compute == ComputeSettings("bf16", requested="bf16")
    assert fast == []


def test_a_stated_batch_size_is_recorded_and_not_kept(evaluate, fast) -> None:
    stated = evaluate(batch_settings=BatchSettings(batch_size=5, threads=0))
    accuracy(stated)
    assert stated.engine.compute.batch_size == 5
    assert evaluate().engine.compute.batch_size is None


def test_compilation_on_request(evaluate, monkeypatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda module: module)
    evaluation = evaluate(compile="on", precision="fp32")
    assert evaluation.engine.compute.compiled
    accuracy(evaluation)
    assert evaluation.classifier.compute == ComputeSettings(compiled=True)
    assert evaluation.engine.cache_keys.model_settings["compiled"] is True


def test_an_unknown_word_for_compile(evaluate) -> None:
    with pytest.raises(OptionError) as raised:
        evaluate(compile="yes")
    assert str(raised.value) == "--quba-compile: got 'yes'. Allowed: auto, on, off."


def test_an_unreadable_image_is_left_to_its_shard(evaluate, fast, data, tmp_path) -> None:
    own = shutil.copytree(data, tmp_path / "data")
    (own / "val" / "apple" / "000.png").write_bytes(b"no image")
    evaluation = evaluate(own)
    with pytest.raises(SuiteError, match=r"000\.png"):
        accuracy(evaluation)
    assert evaluation.classifier.compute.reason == "the images for the probe cannot be read"


def test_planned_passes_by_hand(evaluate) -> None:
    suite = evaluate().suite
    assert planned_passes(suite, [CLEAN]).plain == N
    planned = planned_passes(suite, [CLEAN, FGSM, PGD, View("no such set")])
    assert (planned.plain, planned.exact) == (3 * N, 22 * N)


def test_examples_of_a_probe_are_a_random_sample() -> None:
    numbers = probe_examples(range(10_000))  # type: ignore[arg-type]
    assert numbers == probe_examples(range(10_000))  # type: ignore[arg-type]
    assert (len(numbers), len(set(numbers))) == (2_995, 2_995)
    assert np.histogram(numbers[:256], 8, (0, 10_000))[0].min() > 15
    assert sorted(probe_examples(range(3))) == [0, 1, 2]  # type: ignore[arg-type]


def test_processes_that_start_together_probe_once(evaluate, monkeypatch) -> None:
    """Two threads with a model and lock files of their own take the place of processes."""
    probes: list[str] = []
    started = threading.Barrier(2)

    def choose(_: Probe) -> ComputeSettings:
        probes.append(threading.current_thread().name)
        time.sleep(0.2)
        return FAST

    monkeypatch.setattr(compute_probe, "LEAST_PASSES", 1)
    monkeypatch.setattr(Probe, "choose", choose)
    evaluations = [evaluate(), evaluate()]

    def run(evaluation: Evaluation) -> None:
        started.wait()
        accuracy(evaluation)

    threads = [threading.Thread(target=run, args=[evaluation]) for evaluation in evaluations]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(probes) == 1
    assert [evaluation.classifier.compute for evaluation in evaluations] == [FAST, FAST]


def test_the_plan_of_a_later_run_knows_the_chosen_settings(evaluate, fast) -> None:
    accuracy(evaluate())
    later = evaluate()
    later.plan(["accuracy"])
    assert [work.missing for work in later.planned_work()] == [0]
    assert later.classifier.compute == FAST


def test_the_doctor_does_not_examine_again_after_the_choice(evaluate, fast) -> None:
    first = evaluate()
    before = cached_examination(first, {"accuracy": ["x.yaml:1"]}, short=True)
    accuracy(first)
    later = evaluate()
    later.planned_work()
    accuracy(later)
    after = cached_examination(later, {"accuracy": ["x.yaml:1"]}, short=True)
    assert (before.remembered, after.remembered, after.findings) == (False, True, before.findings)


@pytest.fixture
def short_probes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Planned passes of the probes, each of which finds the run too short."""
    probes: list[int] = []
    short = ComputeSettings(requested="auto", reason=TOO_SHORT)
    monkeypatch.setattr(compute_probe, "LEAST_PASSES", 1)
    monkeypatch.setattr(Probe, "choose", lambda probe: probes.append(probe._planned.total) or short)
    return probes


def test_a_printed_plan_does_not_accept_the_choice_of_a_much_shorter_run(evaluate, short_probes) -> None:
    accuracy(evaluate())
    longer = evaluate()
    longer.plan(["adversarial_robustness"])
    longer.planned_work()
    assert longer.engine.compute.reason == TOO_SHORT
    longer.check()
    assert short_probes == [N, 25 * N]


def test_the_check_of_a_part_of_the_run_leaves_the_choice_open(evaluate, short_probes) -> None:
    evaluation = evaluate()
    evaluation.plan(["accuracy"])
    evaluation.check(is_whole_run=False)
    assert short_probes == []
    evaluation.plan(["adversarial_robustness"])
    evaluation.outcome("adversarial_robustness")
    assert short_probes == [25 * N]
    evaluation.plan(["accuracy", "adversarial_robustness", "corruption_robustness"])
    evaluation.outcome("corruption_robustness")
    assert short_probes == [25 * N]  # one run has one choice


def test_the_check_of_a_part_of_the_run_takes_the_choice_of_an_earlier_run(evaluate, models, fast) -> None:
    accuracy(evaluate())
    evaluation = evaluate()
    evaluation.plan(["accuracy"])
    evaluation.check(is_whole_run=False)
    assert evaluation.classifier.compute == FAST
    assert models.COUNTS["forward"] == 0


class OneWorker(Elsewhere):
    """A pool whose worker stays loaded, and chooses itself."""

    def executor(self, spec: WorkerSpec) -> Elsewhere:
        self.worker = RemoteWorker(spec, self.folder, 1)
        return super().executor(spec)

    def choose_compute(self, views, classifier) -> None:
        classifier.use(self.worker.choose_compute(views))

    def run(self, requests):
        for request in requests:
            yield self.worker.submit(request).result()


def test_a_worker_that_predicted_for_the_check_of_a_part_still_chooses(evaluate, fast, tmp_path) -> None:
    evaluation = evaluate(workers=OneWorker(tmp_path / "worker"))
    evaluation.plan(["accuracy"])
    evaluation.check(is_whole_run=False)
    assert fast == []
    evaluation.plan(["adversarial_robustness"])
    evaluation.outcome("adversarial_robustness")
    assert (fast, evaluation.classifier.compute) == ([32], FAST)


def test_answers_and_single_shards_choose_for_the_whole_plan(evaluate, short_probes, tmp_path) -> None:
    images = torch.zeros(1, 3, 8, 8)
    for name, request in {
        "answers": lambda evaluation: evaluation.answers(images),
        "shards": lambda evaluation: evaluation.engine.predictions([CLEAN], shards=range(1)),
    }.items():
        evaluation = evaluate(store=tmp_path / name)
        evaluation.plan(["adversarial_robustness"])
        request(evaluation)
    assert short_probes == [25 * N] * 2
