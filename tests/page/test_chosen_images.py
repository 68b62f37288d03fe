"""Images that explain failed demands."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from support.rows import verdict
from support.runs_compared import CLASSES, stored
from support.tuned import record
from syrupy.assertion import SnapshotAssertion

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.predictions import SliceColumn
from quba_check.core.view import CLEAN_SET
from quba_check.errors import SuiteError
from quba_check.page.chosen_images import choose_images
from quba_check.records.per_image import CleanAnswers, PerImage
from quba_check.records.verdict import VerdictRow

SUITE = {"name": "tiny", "root": "/data", "fingerprint": "1", "contents": {"sketch": "s", "mixed_rand": "m"}}
NAMES = [f"{k}.png" for k in range(6)]


def listing(name: str) -> Sequence[tuple[str, str, str]]:
    if name == "cue_conflict":
        return [("a-b.png", "ape", "bee"), ("c-c.png", "cat", "cat"), ("c-a.png", "cat", "ape")]
    if name == "lost":
        raise SuiteError("the set 'lost' is missing: looked for /data/lost.")
    return [(f"{name}/{k}.png", CLASSES[k % 3], "") for k in range(6)]


def run(
    dimension: str,
    influences: dict[str, dict[str, list[float]]],
    better: str = "high",
    parts: dict[str, float] | None = None,
    **columns: object,
) -> StoredRun:
    """A run with per-image results of one dimension, and clean answers of six images."""
    quantity = {"unit": "ratio", "n": 6, "better": better}
    values = {name: {"value": value, **quantity} for name, value in (parts or {}).items()}
    row = {"value": 0.5, **quantity, "parts": values, **columns}
    content = record(measurements={dimension: row}, suite=SUITE)
    label = np.arange(6) % 3
    answers = CleanAnswers(NAMES, label, label, CLASSES)
    arrays = {target: {s: np.array(v) for s, v in sets.items()} for target, sets in influences.items()}
    return StoredRun("a.json", content, PerImage(arrays, answers))


def with_losses(top1: list[int], losses: list[float]) -> StoredRun:
    plain = stored("a.json", top1)
    assert plain.images is not None
    assert plain.images.clean is not None
    known = replace(plain.images.clean, confidence=np.full(len(losses), 0.5), loss=np.array(losses))
    return replace(plain, images=replace(plain.images, clean=known))


LOSSES = with_losses([1, 1, 0, 2, 1, 2], [1.0, 3.0, 2.0])
"""Wrong: 0 (loss 1), 2 (loss 3), 3 (loss 2)."""
EARLIER = stored("b.json", [0, 1, 1, 0, 1, 2])
"""Wrong on 2 only: the losses of 0 and 3 are lost answers."""
RIGHT = stored("a.json", [0, 1, 2])
WRONG = stored("a.json", [1, 1, 2])
OTHER_IMAGES = stored("b.json", [0, 1, 2], names=["x", "y", "z"])
FOG = run(
    "corruption_robustness",
    {"corruption_robustness.fog": {"clean": [0.1, -0.2, -0.9, 0.4, -0.2, 0.8]}},
    parts={"fog": 0.4},
)
SHIFTS = {
    "ood_robustness": {"sketch": [0.0] * 6},
    "ood_robustness.edge_accuracy": {"edge": [-0.1, 0.9] * 3},
    "ood_robustness.sketch_accuracy": {"sketch": [-0.5, 0.5, 0.5, -0.5, -0.5, 0.5]},
}
SHIFTED = run(
    *("ood_robustness", SHIFTS),
    parts={"edge": 0.9, "sketch": 0.2, "edge_accuracy": 0.8, "sketch_accuracy": 0.3},
)
SHIFTED_BEFORE = run(
    "ood_robustness", SHIFTS | {"ood_robustness.sketch_accuracy": {"sketch": [0.5] * 3 + [-0.5] * 3}}
)
MIXED = {"object_focus.mixed_rand": {"mixed_rand": [0.5, -0.5] * 3}, "object_focus": {"clean": [0.0] * 6}}
NEAR = {"clean": [0.0] * 6, "unknown/near": [0.2, -0.3, -0.1, 0.1, 0.1, 0.0]}
UNKNOWN = run(
    *("unknown_detection", {"unknown_detection.near": NEAR}),
    parts={"near": 0.6, "far": 0.9, "near_fpr95": 0.5, "far_fpr95": 0.4},
)
REJECTED = {"columns": ["set", "image", "predicted", "probability"]}
REJECTED |= {"rows": [["unknown/near", "n.png", "bee", 0.9], ["unknown/far", "f.png", "ape", 0.8]]}
UNKNOWN_TABLE = run("unknown_detection", {}, tables={"most_confident": REJECTED})
CLASSES_RUN = run("classes", {"classes.bee.recall": {"clean": [0.0, -0.5, 0.0, 0.0, 0.5, 0.0]}})
SETS = {
    "ood_robustness.edge": "edge",
    "unknown_detection.near": "near",
    "unknown_detection.near_fpr95": "near",
    "unknown_detection.far_fpr95": "far",
}
"""Sets of the parts that are named after one."""
Case = tuple[StoredRun, str, int] | tuple[StoredRun, str, int, StoredRun]
CASES: dict[str, Case] = {
    "wrong clean images by loss": (LOSSES, "accuracy", 2),
    "the lost ones follow": (LOSSES, "accuracy", 1, EARLIER),
    "two and the lost ones": (LOSSES, "accuracy", 2, EARLIER),
    "all of them": (LOSSES, "accuracy", 3, EARLIER),
    "a baseline on other images": (WRONG, "accuracy", 3, OTHER_IMAGES),
    "nothing is wrong": (RIGHT, "accuracy", 3),
    "answers that are not stored": (stored("a.json", [0, 1, 2], images=False), "accuracy", 3),
    "clean images under a corruption": (FOG, "corruption_robustness.fog", 2, FOG),
    "the worst shift speaks for all": (SHIFTED, "ood_robustness", 9),
    "evenly spread, 0 and 1 of three": (SHIFTED, "ood_robustness.edge", 2),
    "lost images of a shift": (SHIFTED, "ood_robustness", 1, SHIFTED_BEFORE),
    "mixed_rand images": (run("object_focus", MIXED, parts={"mixed_rand": 0.5}), "object_focus", 2),
    **{
        f"the worst unknown set: {target}": (UNKNOWN, target, 2)
        for target in ("unknown_detection", "unknown_detection.near", "unknown_detection.near_fpr95")
    },
    "the most confident unknown images": (UNKNOWN_TABLE, "unknown_detection", 9),
    "the most confident one": (UNKNOWN_TABLE, "unknown_detection", 1),
    "those of a set": (UNKNOWN_TABLE, "unknown_detection.far_fpr95", 9),
    "images of a class": (CLASSES_RUN, "classes.bee.recall", 9),
    "images of all classes": (CLASSES_RUN, "classes.each.recall", 9),
    "decided by texture": (run("shape_bias", {"shape_bias": {"cue_conflict": [-0.4, 0.6]}}), "shape_bias", 3),
    "a custom dimension, low is better": (
        run("flicker", {"flicker": {"clean": [0.1, -0.2, 0.7, -0.6, 0, 0]}}, better="low"),
        *("flicker", 5),
    ),
    "the grade": (RIGHT, "quba.grade", 3),
    "no value": (RIGHT, "shape_bias", 3),
    "no results of images": (RIGHT, "parameters", 3),
    "another number of images": (run("own", {"own": {"other": [0.1]}}), "own", 3),
    "a missing set": (run("own", {"own": {"lost": [0.1]}}), "own", 3),
}


def text(run: StoredRun, target: str, n: int, baseline: StoredRun | None = None) -> str:
    row = VerdictRow.model_validate(verdict(target, set=SETS.get(target, CLEAN_SET)))
    choice = choose_images(run, row, n, listing, baseline)
    images = [
        f"{one.set} {one.path}{' lost' * one.is_lost}: {one.label} → {one.predicted}, "
        f"confidence {one.confidence}, loss {one.loss}"
        for one in choice.images
    ]
    return "\n".join([choice.note, *images])


def test_choices(snapshot: SnapshotAssertion) -> None:
    assert "\n\n".join(f"[{name}]\n{text(*case)}" for name, case in CASES.items()) == snapshot


def test_the_images_are_those_that_a_failure_names() -> None:
    explained = {"headline": "", "images": {"class": CLASSES[0], "predicted": CLASSES[1]}}
    row = VerdictRow.model_validate(verdict("accuracy", explanation=explained))
    choice = choose_images(LOSSES, row, 5, listing)
    assert [(one.label, one.predicted) for one in choice.images] == [(CLASSES[0], CLASSES[1])]
    assert choice.note.startswith(f"Wrong clean images, 1 of 2, {CLASSES[0]}, called {CLASSES[1]}, ")
    row = VerdictRow.model_validate(
        verdict("accuracy", explanation={"headline": "", "images": {"set": "night"}})
    )
    note = "No pictures: the run stored answers to clean images alone."
    assert choose_images(LOSSES, row, 5, listing).note == note


@pytest.mark.parametrize(
    ("target", "metric", "images", "chosen"),
    [
        ("classes.a.recall", "recall", {"class": "a"}, ["0.png", "3.png"]),
        ("classes.each.recall", "recall", {"class": "a"}, ["0.png", "3.png"]),  # a short name
        ("classes.a@1.recall", "recall", {"class": "a"}, ["0.png", "3.png"]),
        ("classes.c.recall@slice=day:worst", "recall", {"class": "c", "slice": "day=1"}, ["2.png"]),
        ("classes.b.precision", "precision", {"predicted": "b"}, ["0.png"]),
        ("classes.not_as.c.a", "confusion", {"class": "c", "predicted": "a"}, ["2.png"]),
        ("classes.not_as.c.a|b", "confusion", {"class": "c"}, ["5.png"]),
        ("classes.b|c.recall@slice=day=1", "recall", {"slice": "day=1"}, ["5.png"]),
        ("classes.a.recall@probability=0.3", "recall", {"class": "a"}, ["5.png"]),
        ("classes.a.auroc", "auroc", {"class": "a"}, ["5.png"]),
    ],
)
def test_images_of_classes(target: str, metric: str, images: dict[str, str], chosen: list[str]) -> None:
    """Wrong images have their answers, the most confident first; those behind other numbers are by harm."""
    days = SliceColumn(("day=1", "day=2"), np.array([0, 0, 0, 1, 1, 1]))
    answers = CleanAnswers(
        *(NAMES, np.arange(6) % 3, np.array([1, 1, 0, 2, 1, 2]), ("a, first", "b", "c")),
        confidence=np.array([0.9, 0.8, 0.7]),
        loss=np.ones(3),
        slices={"day": days},
    )
    harm = {target: {"clean": np.array([0, 0, 0, 0, 0, -1.0])}}
    tested = replace(CLASSES_RUN, images=PerImage(harm, answers))
    conditions = "@probability=0.3" if "probability" in target else ""
    facts = {"metric": metric, "conditions": conditions, "explanation": {"headline": "", "images": images}}
    row = VerdictRow.model_validate(verdict(target, **facts))
    choice = choose_images(tested, row, 5, listing)
    assert [one.path for one in choice.images] == chosen
    assert all(one.confidence for one in choice.images) == (chosen != ["5.png"])
    if "worst" in target:
        assert choice.note == "Wrong clean images, 1 of 1, c, day=1, the most confident first."
