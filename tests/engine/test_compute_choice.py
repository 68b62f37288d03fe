"""The choice of compute settings in whole evaluations of a tiny suite."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from support.errors import error_text
from support.evaluations import Evaluate
from support.tiny import write_suite

from quba_check.core.view import View
from quba_check.engine import compute_choice
from quba_check.errors import OptionError, SuiteError
from quba_check.evaluation import Evaluation
from quba_check.executors.remote_worker import RemoteWorker, WorkerSpec
from quba_check.models.compute import CHECKED, FLIPPED, NOT_CHECKED, RULE, TOO_FEW, ComputeSettings

N = 3 * 11
RULE_SETTINGS = ComputeSettings(channels_last=True, requested="auto", reason=RULE)
HALF = replace(RULE_SETTINGS, precision="bf16", channels_last=False, reason=CHECKED, images=N)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_suite(tmp_path_factory.mktemp("suite") / "data", per_class=N // 3)


@pytest.fixture
def evaluate(evaluate: Evaluate) -> Evaluate:
    return partial(evaluate, "Convolution")


def accuracy(evaluation: Evaluation) -> float:
    evaluation.plan(["accuracy"])
    evaluation.check()
    return evaluation.measure("accuracy").value


def test_the_rule_decides_on_a_cpu_and_costs_no_pass(evaluate, models, tmp_path) -> None:
    evaluation = evaluate()
    assert (evaluation.classifier.compute, evaluation.classifier.may_change_compute) == (RULE_SETTINGS, False)
    accuracy(evaluation)
    assert models.COUNTS == {"forward": N, "backward": 0}
    assert evaluation.engine.compute == RULE_SETTINGS
    assert not (tmp_path / "store" / "compute").exists()


@pytest.mark.usefixtures("without_stored_check")
def test_a_network_without_overlapping_windows_has_the_cache_keys_of_a_stated_precision(
    evaluate, models
) -> None:
    for options in ({}, {"precision": "fp32"}):
        evaluation = evaluate.func("net", **options)
        accuracy(evaluation)
        assert models.COUNTS["forward"] == (0 if options else N)
        assert not evaluation.classifier.compute.channels_last


class Elsewhere:
    """A pool of one worker, in this process, with its choice."""

    name = "elsewhere, 1 worker"

    def __init__(self, folder: Path, choice: ComputeSettings = HALF) -> None:
        self.folder = folder
        self.choice = choice
        self.choices = 0
        self.requests = 0

    def executor(self, spec: WorkerSpec) -> Elsewhere:
        self.spec = spec
        return self

    def choose_compute(self, view: View) -> ComputeSettings:
        self.choices += 1
        return self.choice

    def run(self, requests):
        worker = None
        for request in requests:
            self.requests += 1
            worker = worker or RemoteWorker(self.spec, self.folder, 1)
            yield worker.submit(request).result()

    def changed(self) -> list[object]:
        return []


def test_the_choice_of_an_executor_is_stored_for_its_kind(evaluate, tmp_path) -> None:
    first = Elsewhere(tmp_path / "first")
    second = Elsewhere(tmp_path / "second")
    value = accuracy(evaluate(workers=first))
    assert (first.choices, first.requests) == (1, 1)
    again = evaluate(workers=second)
    assert accuracy(again) == value
    assert (second.choices, second.requests) == (0, 0)  # all is in the store
    assert again.engine.compute == HALF
    assert evaluate().engine.compute == RULE_SETTINGS  # this device has a rule
    accuracy(evaluate(workers=second, precision="fp32"))
    assert (second.choices, second.requests) == (0, 1)  # a stated precision is no choice


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"settings": {}}', '{"precision": 3}', '{"precision": "bf16", "gain": 2}']
)
def test_a_damaged_choice_is_made_again(evaluate, content: str, tmp_path) -> None:
    pool = Elsewhere(tmp_path / "worker")
    accuracy(evaluate(workers=pool))
    (stored,) = (tmp_path / "store" / "compute").glob("*.json")
    stored.write_text(content, encoding="utf-8")
    accuracy(evaluate(workers=pool))
    assert pool.choices == 2


def test_both_protocols_of_a_run_share_the_settings_and_the_guard(evaluate) -> None:
    first = evaluate()
    second = Evaluation(first.classifier, first.suite, protocol="released", store=first.store.root)
    accuracy(first)
    accuracy(second)
    assert second.classifier.compute == RULE_SETTINGS


def test_attacks_run_in_the_chosen_format_and_agree_with_the_plain_path(evaluate) -> None:
    values = []
    for options in ({}, {"precision": "fp32"}):
        evaluation = evaluate(**options)
        evaluation.plan(["accuracy", "adversarial_robustness"])
        evaluation.check()
        values.append(evaluation.measure("adversarial_robustness").value)
    assert values[0] == values[1]


def test_a_stated_precision_is_not_checked_and_has_other_keys(evaluate, models) -> None:
    accuracy(evaluate())
    evaluation = evaluate(precision="bf16")
    accuracy(evaluation)
    assert models.COUNTS["forward"] == N
    assert evaluation.engine.compute == ComputeSettings("bf16", requested="bf16")


def test_compilation_on_request(evaluate, monkeypatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda module: module)
    evaluation = evaluate(runtime="compile", precision="fp32")
    assert evaluation.engine.compute.runtime == "compile"
    accuracy(evaluation)
    assert evaluation.classifier.compute == ComputeSettings(runtime="compile")
    assert evaluation.engine.cache_keys.model_settings["runtime"] == "compile"


def test_an_unknown_runtime(evaluate) -> None:
    expected = "--quba-runtime: got 'onnx'. Allowed: torch, compile, openvino."
    assert error_text(OptionError, evaluate, runtime="onnx") == expected


@pytest.fixture
def half(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU takes bf16 after a check on all images of the clean set."""
    for module in ("compute_choice", "worker"):
        monkeypatch.setattr(f"quba_check.engine.{module}.half_precisions", lambda _: ("bf16",))
    monkeypatch.setattr(compute_choice, "CHECKED_IMAGES", N)


@pytest.mark.usefixtures("half")
@pytest.mark.usefixtures("without_stored_check")
def test_half_precision_is_checked_once_and_read_by_later_runs(evaluate, models, monkeypatch) -> None:
    monkeypatch.setattr(compute_choice, "flips", lambda *_: 0)
    first = evaluate()
    first.plan(["accuracy"])
    assert first.planned_work()[0].missing == N  # a plan predicts nothing
    assert first.classifier.may_change_compute
    value = accuracy(first)
    assert first.engine.compute == HALF
    monkeypatch.setattr(compute_choice, "flips", None)
    second = evaluate()
    assert second.engine.compute == HALF  # also before anything was requested
    assert accuracy(second) == value
    assert models.COUNTS["forward"] == 0


@pytest.mark.usefixtures("half")
def test_half_precision_that_flips_an_answer_is_not_used(evaluate, models, monkeypatch) -> None:
    batches: list[int] = []
    monkeypatch.setattr(compute_choice, "flips", lambda _, settings, images: batches.append(len(images)) or 1)
    evaluation = evaluate()
    accuracy(evaluation)
    assert evaluation.engine.compute == replace(RULE_SETTINGS, reason=FLIPPED)
    assert batches == [16]  # the check ends with the first flip
    assert evaluation.classifier.module.conv.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.usefixtures("half")
def test_flips_are_counted_by_answers_in_both_precisions(evaluate) -> None:
    classifier = evaluate().classifier
    images = torch.randint(0, 256, (20, 3, 8, 8), dtype=torch.uint8)
    assert compute_choice.flips(classifier, classifier.rule("bf16"), images) == 0
    classifier.module.register_forward_hook(
        lambda module, inputs, scores: -scores if torch.is_autocast_enabled("cpu") else scores
    )
    assert compute_choice.flips(classifier, classifier.rule("bf16"), images) == 20


@pytest.mark.usefixtures("half")
def test_a_small_set_stays_in_float32(evaluate, monkeypatch) -> None:
    monkeypatch.setattr(compute_choice, "CHECKED_IMAGES", N + 1)
    evaluation = evaluate()
    accuracy(evaluation)
    assert evaluation.engine.compute == replace(RULE_SETTINGS, reason=TOO_FEW)


@pytest.mark.usefixtures("half")
def test_an_unreadable_image_is_left_to_its_shard(evaluate, suite, tmp_path) -> None:
    own = shutil.copytree(suite, tmp_path / "data")
    (own / "val" / "apple" / "000.png").write_bytes(b"no image")
    evaluation = evaluate(own)
    with pytest.raises(SuiteError, match=r"000\.png"):
        accuracy(evaluation)
    assert evaluation.classifier.compute.reason == NOT_CHECKED


def test_examples_of_a_check_are_a_random_sample() -> None:
    numbers = compute_choice.sample(range(10_000))  # type: ignore[arg-type]
    assert numbers == compute_choice.sample(range(10_000))  # type: ignore[arg-type]
    assert (len(numbers), len(set(numbers))) == (2_995, 2_995)
    assert sorted(compute_choice.sample(range(3))) == [0, 1, 2]  # type: ignore[arg-type]
