"""Findings on missing or incomplete sets, with the demands that need them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.tiny import CLASSES, write_suite
from syrupy.assertion import SnapshotAssertion

from quba_check.doctor.sets import check_sets
from quba_check.doctor.subject import ModelUnderTest
from quba_check.models.classifier import Classifier
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
from quba_check.suites.opening import open_suite
from quba_check.suites.sampling import SubsetSampler

Change = Callable[[Path], object]
NEEDS = {
    "accuracy": ["g.yaml:3"],
    "corruption_robustness": ["g.yaml:4"],
    "ood_robustness": ["g.yaml:5", "h.yaml:9"],
    "class_balance": ["g.yaml:6"],
    "object_focus": ["g.yaml:7"],
}


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier("demo", LoadRequest(classes=tuple(map(str, range(10))), device="cpu"))


def edit(root: Path, old: str, new: str) -> None:
    path = root / "quba-data.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def replaced(old: str, new: str) -> Change:
    return lambda root: edit(root, old, new)


def removed(*paths: str) -> Change:
    return lambda root: [shutil.rmtree(root / path) for path in paths]


def without_files(*files: str) -> Change:
    return lambda root: [(root / file).unlink() for file in files]


def one_condition_larger(root: Path) -> None:
    edit(root, "path: c, prepared: true", "path: c, prepared: true, expected: 3")
    shutil.copy(root / "c/fog/1/apple/000.png", root / "c/fog/1/apple/1.png")


def smaller_sets(root: Path) -> None:
    shutil.rmtree(root)
    write_suite(root, per_class=5)
    edit(root, ", expected: 9", "")
    without_files(*(f"mixed_rand/{name}/001.png" for name in CLASSES))(root)
    edit(root, "path: mixed_rand", "path: mixed_rand, partial: true")
    shutil.rmtree(root / "mixed_rand/apple")


def few_of_a_class(root: Path) -> None:
    edit(root, "path: val, expected: 9", "path: val, expected: 7")
    without_files("val/apple/000.png", "val/apple/001.png")(root)


def without_conflicts(root: Path) -> None:
    for path in sorted((root / "cc").iterdir()):
        shape, texture = (name.rstrip("12") for name in path.stem.split("-"))
        if shape != texture:
            path.unlink()


def an_empty_class(each: int) -> Change:
    def change(root: Path) -> None:
        edit(root, "path: val, expected: 9", "path: val, partial: true")
        shutil.rmtree(root / "val" / "brick")
        for name in set(CLASSES) - {"brick"}:
            for k in range(each):
                Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(root / "val" / name / f"{k:03d}.png")

    return change


SHIFTS = "    sketch: {reader: folder, path: sketch}\n    night: {reader: folder, path: night}\n"
TITLES = "{apple: 'apple, pomme', brick: 'brick, red', cloud: 'brick, blue'}"
ACCURACY, BALANCE, BIAS = (
    {"accuracy": ["g.yaml:3"]},
    {"class_balance": ["g.yaml:6"]},
    {"shape_bias": ["g.yaml:9"]},
)
CASES: dict[str, tuple[Change, dict[str, list[str]], int | None]] = {
    "a missing set": (removed("night"), NEEDS, None),
    "a set of several dimensions": (removed("val"), NEEDS, None),
    "missing conditions": (removed("c/fog/3", "c/snow"), NEEDS, None),
    "no shifts": (replaced(f"  shifts:\n{SHIFTS}", ""), NEEDS, None),
    "much smaller sets": (smaller_sets, NEEDS, None),
    "an incomplete set": (without_files("val/apple/000.png"), NEEDS, None),
    "a condition of another size": (one_condition_larger, NEEDS, None),
    "an invalid layout": (lambda root: (root / "night/cloud").rename(root / "night/clouds"), NEEDS, None),
    "one image of a class": (few_of_a_class, NEEDS, None),
    "names of classes end at their first comma": (replaced(f"[{', '.join(CLASSES)}]", TITLES), *(BALANCE, 3)),
    "a shape bias without conflicts": (without_conflicts, BIAS, None),
    "a limit that is too low": (lambda root: None, NEEDS, 3),
    "an empty class that chance would fill": (an_empty_class(9), ACCURACY, None),
}
HEALTHY: dict[str, tuple[Change, dict[str, list[str]], int | None]] = {
    "a complete suite": (lambda root: None, NEEDS, None),
    "a missing set that nothing needs": (removed("night"), ACCURACY, None),
    "one image of a class for accuracy": (few_of_a_class, ACCURACY, None),
    "conditions of the expected size": (
        replaced("path: c, prepared: true", "path: c, prepared: true, expected: 3"),
        *(NEEDS, None),
    ),
    "a low limit for accuracy": (lambda root: None, ACCURACY, 3),
    "an empty class that chance explains": (an_empty_class(3), ACCURACY, None),
}


def findings(
    classifier: Classifier, root: Path, change: Change, needs: dict[str, list[str]], limit: int | None
) -> list[str]:
    change(write_suite(root))
    subject = ModelUnderTest(classifier, open_suite(root, SubsetSampler(limit)), needs=needs)
    texts = [f"{one.severity}: {one.text()}".replace(str(root), "DATA") for one in check_sets(subject)]
    assert (subject.decoded, subject.forwards) == (0, 0)
    return texts


@pytest.mark.parametrize("name", CASES)
def test_findings(classifier: Classifier, tmp_path: Path, name: str, snapshot: SnapshotAssertion) -> None:
    assert "\n".join(findings(classifier, tmp_path / "data", *CASES[name])) == snapshot


@pytest.mark.parametrize("name", HEALTHY)
def test_complete_sets(classifier: Classifier, tmp_path: Path, name: str) -> None:
    assert findings(classifier, tmp_path / "data", *HEALTHY[name]) == []


def test_a_model_without_gradients_is_reported(classifier: Classifier, tmp_path: Path) -> None:
    silent = replace(classifier, no_gradient="it is run by onnxruntime, which gives no gradients")
    needs = {"adversarial_robustness": ["g.yaml:4"]}
    assert findings(silent, tmp_path / "data", lambda root: None, needs, None) == [
        "problem: adversarial_robustness cannot be measured: it is run by onnxruntime, which gives no "
        "gradients.\n  evidence: demanded by g.yaml:4\n  fix: remove the demand"
    ]
