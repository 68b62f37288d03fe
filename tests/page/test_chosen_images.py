"""Images that explain failed demands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from support.rows import verdict
from support.runs_compared import CLASSES, stored
from support.tuned import record

from quba_check.comparison.stored_run import StoredRun
from quba_check.errors import SuiteError
from quba_check.page.chosen_images import ChosenImage, choose_images
from quba_check.records.per_image import CleanAnswers, PerImage
from quba_check.records.verdict import VerdictRow

SUITE = {"name": "tiny", "root": "/data", "fingerprint": "1", "contents": {"sketch": "s", "mixed_rand": "m"}}
NAMES = [f"{k}.png" for k in range(6)]


def demand(target: str) -> VerdictRow:
    return VerdictRow.model_validate(verdict(target))


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
) -> StoredRun:
    """A run with per-image results of one dimension, and clean answers of six images."""
    quantity = {"unit": "ratio", "n": 6, "better": better}
    values = {name: {"value": value, **quantity} for name, value in (parts or {}).items()}
    row = {"value": 0.5, **quantity, "parts": values}
    content = record(measurements={dimension: row}, suite=SUITE)
    label = np.arange(6) % 3
    answers = CleanAnswers(NAMES, label, label, CLASSES)
    arrays = {target: {s: np.array(v) for s, v in sets.items()} for target, sets in influences.items()}
    return StoredRun("a.json", content, PerImage(arrays, answers))


def paths(images: Sequence[ChosenImage]) -> list[str]:
    return [image.path + ("!" if image.is_lost else "") for image in images]


def with_losses(top1: list[int], losses: list[float]) -> StoredRun:
    plain = stored("a.json", top1)
    assert plain.images is not None
    assert plain.images.clean is not None
    known = replace(plain.images.clean, confidence=np.full(len(losses), 0.5), loss=np.array(losses))
    return replace(plain, images=replace(plain.images, clean=known))


def test_wrong_clean_images_by_loss() -> None:
    choice = choose_images(with_losses([1, 1, 0, 2, 1, 2], [1.0, 3.0, 2.0]), demand("accuracy"), 2, listing)
    assert choice.images == (
        ChosenImage("clean", "cat/2.png", "cat", "ape", 0.5, 3.0),
        ChosenImage("clean", "ape/3.png", "ape", "cat", 0.5, 2.0),
    )
    assert choice.note == "Wrong clean images, 3 of 6, highest loss first."


def test_images_lost_against_the_baseline_follow() -> None:
    # Wrong: 0 (loss 1, lost), 2 (loss 3), 3 (loss 2, lost); the baseline is wrong on 2 only.
    after = with_losses([1, 1, 0, 2, 1, 2], [1.0, 3.0, 2.0])
    before = stored("b.json", [0, 1, 1, 0, 1, 2])
    one, two, three = (
        paths(choose_images(after, demand("accuracy"), n, listing, before).images) for n in (1, 2, 3)
    )
    assert one == ["cat/2.png", "ape/3.png!"]
    assert two == three == ["cat/2.png", "ape/3.png!", "ape/0.png!"]


def test_a_baseline_on_other_images() -> None:
    after, before = stored("a.json", [1, 1, 2]), stored("b.json", [0, 1, 2], names=["x", "y", "z"])
    choice = choose_images(after, demand("class_balance"), 3, listing, before)
    assert choice.note == "No pictures: this dimension has no value."
    choice = choose_images(after, demand("accuracy"), 3, listing, before)
    assert paths(choice.images) == ["ape/0.png"]
    assert choice.note == (
        "Wrong clean images, 1 of 3, highest loss first. Images lost against the baseline are unknown: "
        "--baseline: b.json and a.json: their clean images differ. Allowed: runs on the same images."
    )


def test_nothing_is_wrong() -> None:
    choice = choose_images(stored("a.json", [0, 1, 2]), demand("accuracy"), 3, listing)
    assert (choice.images, choice.note) == ((), "No pictures: no clean image is wrong.")


def test_answers_that_are_not_stored() -> None:
    choice = choose_images(stored("a.json", [0, 1, 2], images=False), demand("accuracy"), 3, listing)
    assert choice.note.startswith("No pictures: a.json: its predictions on clean images are neither")


def test_clean_images_under_a_corruption() -> None:
    target = {"corruption_robustness.fog": {"clean": [0.1, -0.2, -0.9, 0.4, -0.2, 0.8]}}
    fog = run("corruption_robustness", target, parts={"fog": 0.4})
    choice = choose_images(fog, demand("corruption_robustness.fog"), 2, listing, fog)
    assert choice.images == (ChosenImage("clean", "2.png", "cat"), ChosenImage("clean", "1.png", "bee"))
    assert choice.note == (
        "Clean images that lower corruption_robustness.fog most, shown before the corruption. "
        "Answers on corrupted images are not stored."
    )


def test_the_worst_shift_speaks_for_all() -> None:
    wrong = {
        "ood_robustness": {"sketch": [0.0] * 6},
        "ood_robustness.edge_accuracy": {"edge": [-0.1, 0.9] * 3},
        "ood_robustness.sketch_accuracy": {"sketch": [-0.5, 0.5, 0.5, -0.5, -0.5, 0.5]},
    }
    parts = {"edge": 0.9, "sketch": 0.2, "edge_accuracy": 0.8, "sketch_accuracy": 0.3}
    after = run("ood_robustness", wrong, parts=parts)
    choice = choose_images(after, demand("ood_robustness"), 9, listing)
    assert paths(choice.images) == ["sketch/0.png", "sketch/3.png", "sketch/4.png"]
    assert choice.images[0].label == "ape"
    assert choice.note == (
        "Wrong images of the set 'sketch': 3 of 6. The run stored neither their answers nor losses."
    )
    edge = choose_images(after, demand("ood_robustness.edge"), 2, listing)
    assert paths(edge.images) == ["edge/0.png", "edge/2.png"]  # evenly spread: 0 and 1 of three
    before = run(
        "ood_robustness", {**wrong, "ood_robustness.sketch_accuracy": {"sketch": [0.5] * 3 + [-0.5] * 3}}
    )
    lost = choose_images(after, demand("ood_robustness"), 1, listing, before)
    assert paths(lost.images) == ["sketch/0.png!"]


def test_object_focus_shows_the_mixed_rand_images() -> None:
    mixed = {"object_focus.mixed_rand": {"mixed_rand": [0.5, -0.5] * 3}, "object_focus": {"clean": [0.0] * 6}}
    after = run("object_focus", mixed, parts={"mixed_rand": 0.5})
    images = choose_images(after, demand("object_focus"), 2, listing).images
    assert paths(images) == ["mixed_rand/1.png", "mixed_rand/3.png"]


def test_the_most_confident_images_of_the_worst_unknown_set() -> None:
    near = {"clean": [0.0] * 6, "unknown/near": [0.2, -0.3, -0.1, 0.1, 0.1, 0.0]}
    parts = {"near": 0.6, "far": 0.9, "near_fpr95": 0.5, "far_fpr95": 0.4}
    after = run("unknown_detection", {"unknown_detection.near": near}, parts=parts)
    for target in ("unknown_detection", "unknown_detection.near", "unknown_detection.near_fpr95"):
        choice = choose_images(after, demand(target), 2, listing)
        assert paths(choice.images) == ["unknown/near/1.png", "unknown/near/2.png"]
        assert choice.note == "Images of the set 'unknown/near' that lower unknown_detection.near most."


def test_images_decided_by_texture() -> None:
    cues = run("shape_bias", {"shape_bias": {"cue_conflict": [-0.4, 0.6]}})
    choice = choose_images(cues, demand("shape_bias"), 3, listing)
    assert choice.images == (ChosenImage("cue_conflict", "a-b.png", "ape", "bee"),)
    assert choice.note == "Images decided by texture: 1 of 2."


def test_a_custom_dimension_where_low_is_better() -> None:
    own = run("flicker", {"flicker": {"clean": [0.1, -0.2, 0.7, -0.6, 0, 0]}}, better="low")
    choice = choose_images(own, demand("flicker"), 5, listing)
    assert paths(choice.images) == ["2.png", "0.png"]
    assert choice.note == "Images of the set 'clean' that raise flicker most."


def test_demands_without_pictures() -> None:
    notes = [
        choose_images(own, demand(target), 3, listing).note
        for own, target in (
            (stored("a.json", [0]), "quba.grade"),
            (stored("a.json", [0]), "shape_bias"),
            (stored("a.json", [0]), "parameters"),
            (run("own", {"own": {"other": [0.1]}}), "own"),
            (run("own", {"own": {"lost": [0.1]}}), "own"),
        )
    ]
    assert notes == [
        "No pictures: the grade combines all dimensions.",
        "No pictures: this dimension has no value.",
        "No pictures: the run stored no results of single images for this demand.",
        "No pictures: the set 'other' has 6 images now, and had 1 in the run.",
        "No pictures: the set 'lost' is missing: looked for /data/lost.",
    ]
