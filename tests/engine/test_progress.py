"""Reports of progress: pass by pass, each image once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.evaluations import Evaluate
from support.tiny import CLASSES, PER_CLASS

from quba_check.core.view import CLEAN, FGSM, PGD, View
from quba_check.engine.batching import BatchSettings
from quba_check.engine.work import Reporter, Step

N = PER_CLASS * len(CLASSES)
BATCHES = -(-N // 2)


@pytest.fixture
def steps(evaluate: Evaluate) -> Callable[..., list[tuple[str, int, int, float]]]:
    """Predict views; return what the engine reports."""

    def predicted(*views: View, **options: object) -> list[tuple[str, int, int, float]]:
        steps: list[Step] = []
        evaluate(progress=steps.append, **options).engine.predictions(views)
        assert all(step.seconds >= 0 for step in steps)
        return [(step.view, step.images, step.passes, step.planned) for step in steps]

    return predicted


def test_passes_of_an_attack_are_reported_step_by_step(steps) -> None:
    found = steps(CLEAN, PGD, batch_settings=BatchSettings(2, threads=0))
    rest = N - 2 * (BATCHES - 1)
    clean = [step for name, *step in found if name == "clean"]
    assert clean == [[2, 2, 2]] * (BATCHES - 1) + [[rest, rest, rest]]
    passes, planned = zip(*(step[2:] for step in found if step[0] == "clean+pgd"), strict=True)
    assert sum(passes) <= 21 * N
    assert sum(planned) == 21 * N  # also of images that left early


def test_passes_of_fgsm_are_reported_one_by_one_and_nothing_from_the_store(steps) -> None:
    expected = [("clean", N, N, N), ("clean+fgsm", 0, 2 * N, 0), ("clean+fgsm", N, N, 3 * N)]
    assert steps(CLEAN, FGSM) == expected
    assert steps(CLEAN, FGSM) == []


def test_time_before_a_restart_is_no_work_of_the_engine() -> None:
    steps, now = [], [0.0]
    reporter = Reporter(steps.append, clock=lambda: now[0])
    now[0] = 100.0
    reporter.restart()
    now[0] = 103.0
    reporter.add(CLEAN, 4, 4)
    assert steps == [Step("clean", 4, 4, 4, 3.0)]
