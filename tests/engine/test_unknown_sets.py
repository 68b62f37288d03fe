"""Sets of no class: the stored columns and keys, and files among them that are no images.

The network's three logits are those of `Reds` in `support.tiny`.
"""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.evaluations import Evaluate, worker_spec
from support.requests import answer_request

from quba_check.core.predictions import NO_CLASS
from quba_check.core.view import CLEAN, FGSM, View
from quba_check.engine.cache_keys import CacheKeys
from quba_check.evaluation import Evaluation
from quba_check.suites.contents import identifier
from quba_check.suites.set_images import ViewSlices

NEAR = View("unknown/near")
SKETCH = View("sketch")
TUNING = View("tuning")


def write(path: Path, reds: list[int]) -> None:
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[..., 0] = np.array([*reds, 0]).reshape(2, 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


@pytest.fixture
def evaluate(tmp_path: Path, evaluate: Evaluate) -> Evaluate:
    """Evaluations on a suite whose manifest has these further lines."""
    data = tmp_path / "data"
    for number, name in enumerate(("ant", "bee", "cat")):
        reds = [20, 20, 20]
        reds[number] = 200 + number
        for folder in ("val", "sketch", "two"):
            write(data / folder / name / "0.png", reds)
    shutil.rmtree(data / "two/bee")
    write(data / "near/deep/b.png", [250, 240, 0])
    write(data / "near/a.png", [90, 80, 70])

    def made(lines: str, classes: str = "ant, bee, cat", clean: str = "val") -> Evaluation:
        (data / "quba-data.yaml").write_text(
            f"schema: 1\nname: tiny\nclasses: [{classes}]\nsets:\n"
            f"  clean: {{reader: folder, path: {clean}, prepared: true}}\n"
            f"  shifts: {{sketch: {{reader: folder, path: sketch}}}}\n{lines}"
        )
        return evaluate("three_reds", data, device="cpu")

    return made


def keys(evaluation: Evaluation) -> CacheKeys:
    return evaluation.engine.cache_keys


def test_columns_of_images_of_no_class(evaluate: Evaluate) -> None:
    evaluation = evaluate("  unknown: {near: near, score: energy}\n")
    table = evaluation.engine.predictions([NEAR])[NEAR]
    assert table.extra["name"].tolist() == ["near/a.png", "near/deep/b.png"]
    assert table.label.tolist() == [NO_CLASS, NO_CLASS]
    assert table.predicted.tolist() == [0, 0]
    logits = np.array([[90, 80, 70], [250, 240, 0]]) / 255 * 12
    assert table.extra["logsumexp"] == pytest.approx(np.log(np.exp(logits).sum(axis=1)), abs=1e-5)
    assert table.extra["max_logit"] == pytest.approx(logits.max(axis=1), abs=1e-5)
    assert evaluation.measure("unknown_detection").value == 0.5  # one is below the clean images, one above


def test_groups_and_slices_of_images_that_no_dimension_labels(evaluate: Evaluate, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(exist_ok=True)
    rows = "path,who,light\nnear/a.png,x,day\nnear/deep/b.png,y,day\nnear/deep/c.png,x,night\n"
    (tmp_path / "data/near.csv").write_text(rows)
    evaluation = evaluate(
        "  other:\n    tuning: {reader: folder, path: two, partial: true, group: {folders: 1}, "
        "properties: [size]}\n"
        "  unknown: {near: {reader: csv, path: near.csv, group: who, slices: [light]}}\n"
    )
    write(tmp_path / "data/near/deep/c.png", [1, 2, 3])
    tables = evaluation.engine.predictions([NEAR, TUNING])
    assert (tables[NEAR].label.tolist(), tables[TUNING].label.tolist()) == ([NO_CLASS] * 3, [0, 2])
    for view, groups in (NEAR, ["x", "y", "x"]), (TUNING, ["ant", "cat"]):
        assert tables[view].group is not None
        assert tables[view].group.tolist() == [identifier(name) for name in groups]
    slices = ViewSlices(evaluation.suite, evaluation.engine.contents.digests)
    names = {view: [column.names for column in slices.of(view).values()] for view in (NEAR, TUNING)}
    assert names == {NEAR: [("light=day", "light=night")], TUNING: [("size=<64",)]}
    assert slices.of(NEAR)["light"].numbers.tolist() == [0, 0, 1]
    measured = evaluation.measure("unknown_detection")
    assert {view.set for view in measured.groups_of_sets} == {"unknown/near"}


def test_scores_are_of_the_classes_that_count(evaluate: Evaluate, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data/all.txt").write_text("ant\nbee\ncat\n")
    evaluation = evaluate("  unknown: {near: near, score: energy}\nrestrict: all.txt\n", "ant, cat", "two")
    logsumexp = evaluation.engine.predictions([NEAR])[NEAR].extra["logsumexp"]
    expected = [math.log(sum(math.exp(red / 255 * 12) for red in reds)) for reds in ((90, 70), (250, 0))]
    assert logsumexp == pytest.approx(expected, abs=1e-5)


def test_ties_of_the_largest_logit_stay_ties(evaluate: Evaluate, tmp_path: Path) -> None:
    """Twenty images have one largest logit, next to others of any size."""
    for number in range(20):
        write(tmp_path / f"data/val/ant/tied{number}.png", [220, 10 * number, 219 - number])
    evaluation = evaluate("")
    largest = float(torch.tensor([220.0]).div(255).mul(12))
    evaluation.plan(["answers"], requests=[request := answer_request("share", "max_logit", largest)])
    assert evaluation.measure("answers").parts[request.name].value == 20 / 23
    above = answer_request("share", "max_logit", float(np.nextafter(np.float32(largest), np.float32(99))))
    evaluation.plan(["answers"], requests=[above])
    assert evaluation.measure("answers").parts[above.name].value == 0


def test_only_scores_of_logits_change_keys(evaluate: Evaluate) -> None:
    views = (CLEAN, SKETCH, FGSM)
    without = [keys(evaluate("")).cache_entry(view) for view in views]
    plain = keys(evaluate("  unknown: {near: near}\n"))
    assert [plain.cache_entry(view) for view in views] == without
    assert "logsumexp" not in plain.columns(NEAR)
    energy = keys(evaluate("  unknown: {near: near, score: energy}\n"))
    assert [energy.cache_entry(view) for view in views[1:]] == without[1:]
    assert energy.cache_entry(CLEAN) != without[0]
    logit = keys(evaluate("  unknown: {near: near, score: max_logit}\n"))
    assert [logit.cache_entry(view) for view in (*views, NEAR)] == [
        energy.cache_entry(view) for view in (*views, NEAR)
    ]


def test_a_worker_elsewhere_has_the_same_keys(evaluate: Evaluate, tmp_path: Path) -> None:
    evaluation = evaluate("  unknown: {near: near, score: energy}\n")
    there = worker_spec(evaluation).engine(tmp_path / "there", 1).cache_keys
    for view in (CLEAN, NEAR):
        assert there.cache_entry(view) == keys(evaluation).cache_entry(view)
        assert there.columns(view) == keys(evaluation).columns(view)


def test_images_are_cropped_as_the_clean_ones(evaluate: Evaluate) -> None:
    suite = evaluate("  unknown: {near: near}\n").suite
    assert [suite.is_prepared(view) for view in (CLEAN, NEAR, SKETCH)] == [True, True, False]


def test_requested_logits_are_those_of_a_suite_with_their_score(evaluate: Evaluate, tmp_path: Path) -> None:
    """Answers by their energy need no other predictions than unknown images by their energy."""
    plain = evaluate("")
    energy = evaluate("  unknown: {near: near, score: energy}\n")
    without = keys(plain).cache_entry(CLEAN)
    request = answer_request("share", "energy", 9.5)
    plain.plan(["answers"], requests=[request])
    assert keys(plain).cache_entry(CLEAN) == keys(energy).cache_entry(CLEAN) != without
    assert keys(plain).columns(SKETCH) == keys(energy).columns(SKETCH)
    logsumexp = [math.log(2 * math.exp(20 / 255 * 12) + math.exp(red / 255 * 12)) for red in (200, 201, 202)]
    assert plain.measure("answers").parts["share@energy=9.5"].value == np.mean(np.array(logsumexp) >= 9.5)
    # A worker elsewhere knows it by the view.
    stored = keys(plain).stored_view(CLEAN)
    there = worker_spec(plain).engine(tmp_path / "there", 1)
    assert there.cache_keys.cache_entry(stored) == keys(plain).cache_entry(CLEAN)
    plain.plan(["answers"])
    assert keys(plain).cache_entry(CLEAN) == without
