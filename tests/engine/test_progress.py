"""Reports of progress: pass by pass, each image once, and every finished set."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.evaluations import new_evaluation
from support.tiny import CLASSES, PER_CLASS, SHIFTS, write_models, write_suite

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.view import CLEAN, FGSM, PGD
from quba_check.engine.progress import Reporter, Step
from quba_check.engine.shard_predictor import BatchSettings
from quba_check.engine.timing import Timing, Work
from quba_check.evaluation import Evaluation

N = PER_CLASS * len(CLASSES)
BATCHES = -(-N // 2)


class Calls:
    """Records what an engine reports."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int, float]] = []
        self.finished: list[tuple[str, int]] = []

    def progress(self, step: Step) -> None:
        assert step.seconds >= 0
        left = sum(work.passes for work in step.left().values())
        self.steps.append((step.view, step.images, step.passes, round(left, 6)))

    def finish(self, name, images):
        self.finished.append((name, images))

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
            f"{name}:net",
            data,
            store=tmp_path / "store",
            progress=calls.progress,
            finished=calls.finish,
            **options,
        )
        return evaluation, calls

    return made


def test_passes_left_fall_with_every_step_of_an_attack(evaluate) -> None:
    evaluation, calls = evaluate(batch_settings=BatchSettings(2, threads=0))
    evaluation.engine.predictions([CLEAN, PGD])
    assert calls.of("clean") == [
        *([2, 2, 22 * N - 2 * k] for k in range(1, BATCHES)),
        [N - 2 * (BATCHES - 1), N - 2 * (BATCHES - 1), 21 * N],
        [0, 0, 21 * N],
    ]
    steps = calls.of("clean+pgd")
    assert sum(passes for _, passes, _ in steps) <= 21 * N
    lefts = [left for _, _, left in steps]
    assert lefts[-2:] == [0, 0]
    assert lefts[:-1] == sorted(set(lefts), reverse=True)


def test_a_pass_that_serves_two_views_is_counted_once(evaluate) -> None:
    evaluation, calls = evaluate(batch_settings=BatchSettings(threads=0))
    evaluation.engine.predictions([CLEAN, FGSM])
    assert calls.steps == [
        ("clean and clean+fgsm", N, 2 * N, N),
        ("clean and clean+fgsm", N, N, 0),
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


class Clock:
    """A clock that tests move."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def reporter(evaluate) -> tuple[Reporter, list[Step], Clock]:
    """A reporter of the clean set and PGD on a clock that stands still."""
    evaluation, _ = evaluate()
    engine, steps, clock = evaluation.engine, [], Clock()
    made = Reporter(engine.cache_keys, engine.store, engine.suite, "key", steps.append, clock=clock)
    made.planned = [CLEAN, PGD]
    engine.cache_keys.shard_keys(CLEAN)
    return made, steps, clock


def test_an_attempt_that_begins_again_takes_its_images_back(reporter) -> None:
    made, steps, _ = reporter
    made.add([CLEAN], 4, 4)
    assert steps[-1].left()[made._cache_keys.cache_entry(CLEAN)] == Work("read", N - 4, N - 4)
    made.restart([CLEAN])
    made.add([CLEAN], 2, 2)
    assert [(step.images, step.passes) for step in steps] == [(4, 4), (-4, 0), (2, 2)]
    assert steps[-1].left()[made._cache_keys.cache_entry(CLEAN)] == Work("read", N - 2, N - 2)


def test_time_of_waiting_for_images_is_not_that_of_passes(reporter) -> None:
    made, steps, clock = reporter
    clock.now = 100.0
    made.planned = [CLEAN, PGD]  # what was done before is no work of the engine
    clock.now = 103.0
    made.waited(2.0)
    made.add([CLEAN], 5, 5)
    assert steps[-1].timings == {"read": Timing(5, 5, 2.0, 1.0)}
    clock.now = 104.0
    made.add([CLEAN], 4, 4)
    assert steps[-1].seconds == 1.0
    assert steps[-1].timings["read"].images == 9


def test_passes_left_of_pgd_shrink_with_images_that_leave_early(reporter) -> None:
    made, steps, _ = reporter
    entry = made._cache_keys.cache_entry(PGD)
    made.add([PGD], 0, 2 * N)
    assert steps[-1].left()[entry] == Work("read+pgd", N, 21 * N - 2 * N)
    made.add([PGD], N - 1, 2)
    images, passes = steps[-1].left()[entry][1:]
    assert images == 1
    assert passes < 21
