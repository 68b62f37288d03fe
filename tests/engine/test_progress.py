"""Reports of progress: pass by pass, each image once."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.evaluations import new_evaluation
from support.tiny import CLASSES, PER_CLASS, write_models, write_suite

from quba_check.core.view import CLEAN, FGSM, PGD
from quba_check.engine.batching import BatchSettings
from quba_check.engine.work import Reporter, Step
from quba_check.evaluation import Evaluation

N = PER_CLASS * len(CLASSES)
BATCHES = -(-N // 2)


class Calls:
    """Records what an engine reports."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int, float]] = []

    def progress(self, step: Step) -> None:
        assert step.seconds >= 0
        self.steps.append((step.view, step.images, step.passes, step.planned))

    def of(self, view: str) -> list[tuple[int, int, float]]:
        return [step for name, *step in self.steps if name == view]


@pytest.fixture
def evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    name = "tiny_models_for_reports"
    data = write_suite(tmp_path / "data")
    write_models(tmp_path, name)
    monkeypatch.syspath_prepend(str(tmp_path))

    def made(**options) -> tuple[Evaluation, Calls]:
        calls = Calls()
        evaluation = new_evaluation(
            f"{name}:net", data, store=tmp_path / "store", progress=calls.progress, **options
        )
        return evaluation, calls

    return made


def test_passes_of_an_attack_are_reported_step_by_step(evaluate) -> None:
    evaluation, calls = evaluate(batch_settings=BatchSettings(2, threads=0))
    evaluation.engine.predictions([CLEAN, PGD])
    rest = N - 2 * (BATCHES - 1)
    assert calls.of("clean") == [[2, 2, 2]] * (BATCHES - 1) + [[rest, rest, rest]]
    steps = calls.of("clean+pgd")
    assert sum(passes for _, passes, _ in steps) <= 21 * N
    assert sum(planned for *_, planned in steps) == 21 * N  # also of images that left early


def test_passes_of_fgsm_are_reported_one_by_one(evaluate) -> None:
    evaluation, calls = evaluate(batch_settings=BatchSettings(threads=0))
    evaluation.engine.predictions([CLEAN, FGSM])
    assert calls.steps == [("clean", N, N, N), ("clean+fgsm", 0, 2 * N, 0), ("clean+fgsm", N, N, 3 * N)]


def test_nothing_is_reported_from_the_store(evaluate) -> None:
    for is_first in (True, False):
        evaluation, calls = evaluate(batch_settings=BatchSettings(threads=0))
        evaluation.engine.predictions([FGSM])
        assert bool(calls.steps) is is_first


def test_time_before_a_restart_is_no_work_of_the_engine() -> None:
    steps, now = [], [0.0]
    reporter = Reporter(steps.append, clock=lambda: now[0])
    now[0] = 100.0
    reporter.restart()
    now[0] = 103.0
    reporter.add(CLEAN, 4, 4)
    assert steps == [Step("clean", 4, 4, 4, 3.0)]
