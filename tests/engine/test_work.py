"""The planned work of a run against the passes that it makes and reports."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.errors import error_text
from support.evaluations import Evaluate
from support.requests import answer_request, confusion
from support.tiny import CLASSES, PER_CLASS, SHIFTS, write_manifest

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.request import OperatingPoint
from quba_check.core.view import CLEAN, FGSM, PGD, View
from quba_check.core.work import PlannedView, Step
from quba_check.engine.batching import BatchSettings
from quba_check.engine.work import Reporter
from quba_check.errors import ThresholdError
from quba_check.evaluation import Evaluation

N = PER_CLASS * len(CLASSES)
FOG = View("corruptions", "fog", 3)


def counted(evaluation: Evaluation, views: list[View]) -> tuple[int, int]:
    """Predict views; return the forward and backward passes that the model counts."""
    evaluation.engine.predictions(views)
    counts = sys.modules["tiny_models"].COUNTS
    return counts["forward"], counts["backward"]


def totals(work: tuple[PlannedView, ...]) -> tuple[int, int]:
    return sum(view.forward for view in work), sum(view.backward for view in work)


@pytest.mark.parametrize(
    ("views", "passes"),
    [
        ([CLEAN], (N, 0)),
        ([CLEAN, FGSM], (3 * N, N)),
        ([CLEAN, FOG], (N + 3, 0)),
        ([FOG.read_in(None), FOG], (3, 0)),
    ],
    ids=["clean", "clean and FGSM", "clean and fog", "one view twice"],
)
def test_a_run_makes_the_planned_passes(evaluate, views: list[View], passes: tuple[int, int]) -> None:
    evaluation = evaluate()
    assert totals(evaluation.engine.work(views)) == passes
    assert counted(evaluation, views) == passes
    assert totals(evaluate().engine.work(views)) == (0, 0)


def test_pgd_makes_at_most_the_planned_passes(evaluate, tmp_path: Path) -> None:
    evaluation = evaluate()
    planned = totals(evaluation.engine.work([CLEAN, PGD]))
    assert planned == (12 * N, 10 * N)
    forward, backward = counted(evaluation, [CLEAN, PGD])
    assert 2 * N <= forward <= planned[0]
    assert backward <= planned[1]
    released = evaluate(protocol="released", store=tmp_path / "other")
    work = released.engine.work([CLEAN, PGD])
    assert totals(work) == counted(released, [CLEAN, PGD]) == (12 * N, 10 * N)


@pytest.mark.usefixtures("without_stored_check")
def test_what_is_in_the_store_needs_no_pass(evaluate) -> None:
    evaluate().engine.predictions([CLEAN, FOG])
    evaluation = evaluate()
    clean, fgsm, fog = evaluation.engine.work([CLEAN, FGSM, FOG])
    assert (clean.images, clean.missing, clean.forward, clean.bytes) == (N, 0, 0, 0)
    assert (fgsm.missing, fgsm.forward, fgsm.backward) == (N, 2 * N, N)
    assert (fog.images, fog.missing, fog.forward) == (3, 0, 0)
    assert counted(evaluation, [CLEAN, FGSM, FOG]) == (2 * N, N)


def test_planning_predicts_nothing_and_reads_no_image(
    evaluate, models, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluation = evaluate()
    evaluation.plan(PUBLISHED_DIMENSIONS)
    monkeypatch.setattr(type(evaluation.suite), "open_image", None)
    work = {str(each.view): each for each in evaluation.planned_work()}
    assert len(work) == 3 + 75 + 2 + 2 + 1
    assert models.COUNTS["forward"] == 0
    assert evaluation.engine.contents.digests.files_read == 0
    # Five int64 and three float32 columns in its row (index, label, top1, …), with 3 probabilities.
    assert work["corruptions/fog/3"].bytes == 3 * (3 * 8 + 2 * 4)
    assert work["clean"].bytes == N * (3 * 8 + (2 + 3) * 4)
    assert work["clean+fgsm"].bytes == N * (3 * 8 + 2 * 4 + 1)


def test_dimensions_that_cannot_be_measured_are_left_out(evaluate, own_suite: Path) -> None:
    (own_suite / "cc").rename(own_suite / "elsewhere")
    evaluation = evaluate()
    evaluation.plan(["accuracy", "shape_bias"])
    assert [str(each.view) for each in evaluation.planned_work()] == ["clean"]


def test_generated_corruptions_are_work_of_their_own_kinds(evaluate, own_suite: Path) -> None:
    write_manifest(own_suite, "clean: {reader: folder, path: val}\ncorruptions: {generate: from clean}")
    clean, fog, pgd = evaluate().engine.work([CLEAN, FOG, PGD])
    assert (clean.is_generated, fog.is_generated, pgd.is_generated) == (False, True, False)
    assert (fog.images, fog.forward) == (N, N)


def test_protocols_share_what_they_show_alike(evaluate) -> None:
    """Attacks differ, and sets that are stored at their final size, such as corruptions and cue conflicts."""
    entries = []
    for protocol in ("standard", "released"):
        evaluation = evaluate(protocol=protocol)
        evaluation.plan(PUBLISHED_DIMENSIONS)
        entries.append({each.cache_entry: str(each.view) for each in evaluation.planned_work()})
    shared = {view for entry, view in entries[0].items() if entry in entries[1]}
    assert shared == {"clean", *SHIFTS, "mixed_same", "mixed_rand"}


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
    clean = [step for name, *step in found if name == "clean"]
    assert clean == [[2, 2, 2]] * (N // 2) + [[1, 1, 1]]
    passes, planned = zip(*(step[2:] for step in found if step[0] == "clean+pgd"), strict=True)
    assert sum(passes) <= 21 * N
    assert sum(planned) == 21 * N  # also of images that left early


def test_passes_of_fgsm_are_reported_one_by_one_and_nothing_from_the_store(steps) -> None:
    expected = [("clean", N, N, N), ("clean+fgsm", 0, 2 * N, 0), ("clean+fgsm", N, N, 3 * N)]
    assert steps(CLEAN, FGSM) == expected
    assert steps(CLEAN, FGSM) == []


def test_time_before_a_restart_is_no_work_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    now = [0.0]
    monkeypatch.setattr("quba_check.engine.work.time.perf_counter", lambda: now[0])
    reporter = Reporter(steps.append)
    now[0] = 100.0
    reporter.restart()
    now[0] = 103.0
    reporter.add(CLEAN, 4, 4)
    assert steps == [Step("clean", 4, 4, 4, 3.0)]


def test_two_numbers_of_one_name_are_refused(evaluate) -> None:
    """Else the value of one would be judged as that of the other."""
    requests = [confusion("a", (0,), "b.c", (1,)), confusion("a.b", (0,), "c", (2,))]
    assert error_text(ThresholdError, evaluate().plan, ["classes"], requests) == (
        "two demanded numbers have the name classes.not_as.a.b.c. Rename a class or a set, or state the same "
        "probabilities of classes."
    )
    rules = [OperatingPoint("probability", level, by_class=(("a", level),)) for level in (0.3, 0.5)]
    shares = [replace(answer_request("share"), at=at) for at in rules]
    sliced = [shares[0], replace(shares[1], slice="light", kind="worst")]
    for requests in shares, sliced:
        assert error_text(ThresholdError, evaluate().plan, ["answers"], requests).startswith(
            "two demanded numbers have the name answers.share@probability=per_class. "
        )
