"""Answers state where they were predicted; each place is compared, and fresh runs predict again."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from support.evaluations import Evaluate, new_evaluation
from support.tiny import CLASSES, PER_CLASS

from quba_check.core.view import CLEAN, PGD, View
from quba_check.engine.shards import PlannedShard
from quba_check.engine.worker import Worker
from quba_check.evaluation import Evaluation
from quba_check.storage.opening import open_store

N = PER_CLASS * len(CLASSES)
SKETCH = View("sketch")


def origins(evaluation: Evaluation, *views: View) -> list[list[tuple[str, bool, int]]]:
    """Device, predicted by this run, and number of images, of each shard of views."""
    evaluation.engine.predictions(views)
    store = evaluation.store
    rows = evaluation.engine.tables.origins
    keys = evaluation.engine.cache_keys
    return [
        [(one.device, one.run == store.run, images) for one, images in rows[keys.cache_entry(view)]]
        for view in views
    ]


def test_the_second_run_knows_where_the_answers_of_the_first_are_from(evaluate: Evaluate) -> None:
    first = evaluate()
    assert origins(first, CLEAN, SKETCH) == [[("cpu", True, N)], [("cpu", True, 6)]]
    second = evaluate()
    assert origins(second, CLEAN, SKETCH) == [[("cpu", False, N)], [("cpu", False, 6)]]
    ((origin, _),) = second.engine.tables.origins[second.engine.cache_keys.cache_entry(CLEAN)]
    assert origin.run == first.store.run <= origin.time < second.store.run
    assert origin.processor
    assert origin.precision == "fp32"
    names = ("quba-check", "torch", "timm", "torchvision", "pillow")
    assert tuple(text.partition(" ")[0] for text in origin.versions.split(", ")) == names


def test_answers_of_workers_elsewhere_are_those_of_the_run(evaluate: Evaluate, tmp_path: Path) -> None:
    remote = evaluate(store=tmp_path / "remote")
    evaluation = evaluate()
    evaluation.engine._executor = remote.engine.worker
    assert origins(evaluation, CLEAN) == [[("cpu", True, N)]]


def shown_images(evaluation: Evaluation, views: Sequence[View]) -> list[int]:
    sizes: list[int] = []
    evaluation.classifier.module.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    evaluation.engine.predictions(views)
    return sizes


def test_images_of_each_other_place_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    views = [CLEAN, View("corruptions", "fog", 3)]
    with monkeypatch.context() as patch:
        patch.setattr(Worker, "_processor", "another")
        another = new_evaluation("demo", "demo", store=tmp_path)
        another.engine.determine_outputs([CLEAN])
        another.engine._run([PlannedShard(another.engine.cache_keys.stored_view(view), 0) for view in views])
    own = new_evaluation("demo", "demo", store=tmp_path)
    # The first shards are of another place; this process predicts the second ones, of 144 images.
    compared = shown_images(own, views)
    assert (compared[:2], sum(compared[2:])) == ([16, 8], 2 * 144)
    # 32 clean images of both places, and 16 others.
    third = new_evaluation("demo", "demo", store=tmp_path)
    assert shown_images(third, views) == [16, 16, 16]
    assert shown_images(third, views) == []


def fresh(evaluate: Evaluate, folder: Path, model: str = "net") -> Evaluation:
    store = open_store(folder)
    store.is_fresh = True
    return evaluate(model, store=store)


def test_a_fresh_run_predicts_again_and_compares(evaluate: Evaluate, models, tmp_path: Path) -> None:
    views = [CLEAN, SKETCH, PGD]
    evaluate().engine.predictions(views)
    passes = dict(models.COUNTS)
    again = fresh(evaluate, tmp_path / "store")
    assert origins(again, *views) == [[("cpu", True, N)], [("cpu", True, 6)], [("cpu", True, N)]]
    assert dict(models.COUNTS) == passes
    assert sorted(again.engine.compared.values()) == [(0, 6), (0, N), (0, N)]
    later = evaluate()
    assert not any(work.missing for work in later.engine.work(views))


def test_processes_of_a_fresh_run_share_its_shards(evaluate: Evaluate, models, tmp_path: Path) -> None:
    evaluate().engine.predictions([CLEAN])
    first, second = (fresh(evaluate, tmp_path / "store") for _ in range(2))
    second.store.run = first.store.run
    first.engine.predictions([CLEAN])
    assert models.COUNTS["forward"] == N
    assert origins(second, CLEAN) == [[("cpu", True, N)]]
    assert second.engine.compared == {}


def test_a_fresh_run_counts_the_answers_that_changed(
    evaluate: Evaluate, settings: Callable[[str], object], tmp_path: Path
) -> None:
    evaluate("ReadsFile").engine.predictions([CLEAN, SKETCH])
    settings("turned")
    again = fresh(evaluate, tmp_path / "store", "ReadsFile")
    again.engine.predictions([CLEAN, SKETCH])
    assert sorted(again.engine.compared.values()) == [(6, 6), (N, N)]
    assert again.engine.cache_keys.generation == 1
    later = evaluate("ReadsFile")  # the stored answers were replaced
    later.engine.predictions([CLEAN, SKETCH])
    assert later.engine.cache_keys.generation == 1
