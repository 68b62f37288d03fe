"""Reports of progress: pass by pass, each image once, and every finished set."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.tiny import CLASSES, PER_CLASS, SHIFTS, write_models, write_suite

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.view import CLEAN, FGSM, PGD
from quba_check.engine.progress import Reporter
from quba_check.engine.shard_predictor import BatchSettings
from quba_check.evaluation import Evaluation

N = PER_CLASS * len(CLASSES)
BATCHES = -(-N // 2)


class Calls:
    """Records what an engine reports."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int, int]] = []
        self.finished: list[tuple[str, int]] = []

    def progress(self, view, images, passes, seconds, left):
        assert seconds >= 0
        self.steps.append((view, images, passes, left()))

    def finish(self, name, images):
        self.finished.append((name, images))

    def of(self, view: str) -> list[tuple[int, int, int]]:
        return [step for name, *step in self.steps if name == view]


@pytest.fixture
def evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    name = "tiny_models_for_reports"
    data = write_suite(tmp_path / "data")
    write_models(tmp_path, name)
    monkeypatch.syspath_prepend(str(tmp_path))

    def made(**options) -> tuple[Evaluation, Calls]:
        calls = Calls()
        evaluation = Evaluation(
            f"{name}:net",
            data,
            store=tmp_path / "store",
            progress=calls.progress,
            finished=calls.finish,
            **options,
        )
        return evaluation, calls

    return made


def test_time_left_falls_with_every_step_of_an_attack(evaluate) -> None:
    evaluation, calls = evaluate(batch_settings=BatchSettings(2, threads=0))
    evaluation.engine.predictions([CLEAN, PGD])
    assert calls.of("clean") == [
        [0, 0, 22 * N],
        *([2, 2, 22 * N - 2 * k] for k in range(1, BATCHES)),
        [N - 2 * (BATCHES - 1), N - 2 * (BATCHES - 1), 21 * N],
        [0, 0, 21 * N],
    ]
    steps = calls.of("clean+pgd")
    assert len(steps) == 1 + 11 * BATCHES + 1
    assert sum(passes for _, passes, _ in steps) == 21 * N
    lefts = [left for _, _, left in steps]
    assert lefts[0] == 21 * N
    assert lefts[-2:] == [0, 0]
    assert lefts[:-1] == sorted(set(lefts), reverse=True)


def test_a_pass_that_serves_two_views_names_both(evaluate) -> None:
    evaluation, calls = evaluate(batch_settings=BatchSettings(threads=0))
    evaluation.engine.predictions([CLEAN, FGSM])
    assert calls.steps == [
        ("clean and clean+fgsm", 0, 0, 4 * N),
        ("clean and clean+fgsm", N, 2 * N, 2 * N),
        ("clean and clean+fgsm", N, N, N),
        ("clean and clean+fgsm", 0, 0, 0),
    ]
    assert calls.finished == [("clean", N), ("clean+fgsm", N)]


def test_every_set_is_finished_once_and_nothing_is_reported_from_the_store(evaluate) -> None:
    for is_first in (True, False):
        evaluation, calls = evaluate(batch_settings=BatchSettings(threads=0))
        evaluation.plan(PUBLISHED_DIMENSIONS)
        evaluation.check()
        for name in PUBLISHED_DIMENSIONS:
            evaluation.outcome(name)
        shifts = [(name, 6) for name in SHIFTS]
        expected = [
            ("clean", N),
            ("clean+fgsm", N),
            ("clean+pgd", N),
            ("corruptions", 75 * 3),
            *shifts,
            ("mixed_same", 6),
            ("mixed_rand", 6),
            ("cue_conflict", 9),
        ]
        assert calls.finished == (expected if is_first else [])
        assert bool(calls.steps) is is_first


def test_an_attempt_repeated_in_smaller_batches_reports_its_images_once() -> None:
    calls = Calls()
    reporter = Reporter(None, None, calls.progress, None)  # type: ignore[arg-type]  nothing is planned
    reporter.begin([CLEAN])
    reporter.update(64, 64)
    reporter.update(32, 32)  # started again
    reporter.update(64, 64)
    reporter.update(96, 96)
    assert [(images, passes) for _, images, passes, _ in calls.steps] == [
        (0, 0),
        (64, 64),
        (0, 32),
        (0, 32),
        (32, 32),
    ]
