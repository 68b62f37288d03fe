"""Findings on missing or incomplete sets, with the demands that need them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.tiny import CLASSES, write_suite

from quba_check.doctor.sets import check_sets
from quba_check.doctor.subject import ModelUnderTest
from quba_check.models.classifier import Classifier
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
from quba_check.suites.opening import open_suite
from quba_check.suites.sampling import SubsetSampler

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


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_suite(tmp_path / "data")


@pytest.fixture
def texts(classifier: Classifier, root: Path):
    def finding_texts(needs=NEEDS, limit: int | None = None) -> list[str]:
        subject = ModelUnderTest(classifier, open_suite(root, SubsetSampler(limit)), needs=needs)
        findings = list(check_sets(subject))
        assert (subject.decoded, subject.forwards) == (0, 0)
        return [finding.text() for finding in findings]

    return finding_texts


def edit(root: Path, old: str, new: str) -> None:
    path = root / "quba-data.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


ADD = "  fix: add the images, or remove the demand, or set `optional: true` on it"
REMOVE = "  fix: remove the demand, or set `optional: true` on it"
COMPLETE = "  fix: complete the set, or correct `expected` in quba-data.yaml"


def test_a_complete_suite_has_no_findings(texts) -> None:
    assert texts() == []


def test_a_missing_set_is_reported_with_its_demands(texts, root: Path) -> None:
    shutil.rmtree(root / "night")
    assert texts() == [
        f"ood_robustness cannot be measured: the set 'night' is missing: looked for {root / 'night'}.\n"
        f"  evidence: demanded by g.yaml:5, h.yaml:9\n{ADD}"
    ]
    assert texts({"accuracy": ["g.yaml:3"]}) == []


def test_a_set_of_several_dimensions_is_reported_once(texts, root: Path) -> None:
    shutil.rmtree(root / "val")
    assert texts() == [
        "accuracy, corruption_robustness, ood_robustness, class_balance, object_focus cannot be measured: "
        f"the set 'clean' is missing: looked for {root / 'val'}.\n"
        f"  evidence: demanded by g.yaml:3, g.yaml:4, g.yaml:5 and 3 more\n{ADD}"
    ]


def test_missing_conditions_are_counted(texts, root: Path) -> None:
    shutil.rmtree(root / "c" / "fog" / "3")
    shutil.rmtree(root / "c" / "snow")
    assert texts() == [
        "corruption_robustness cannot be measured: 6 of 75 conditions of the set 'corruptions' are missing "
        f"(snow/1, snow/2, snow/3 and 3 more): looked in {root / 'c'}.\n"
        f"  evidence: demanded by g.yaml:4\n{ADD}"
    ]


def test_a_suite_without_shifts_is_reported(texts, root: Path) -> None:
    sets = "    sketch: {reader: folder, path: sketch}\n    night: {reader: folder, path: night}\n"
    edit(root, f"  shifts:\n{sets}", "")
    assert texts() == [
        "ood_robustness cannot be measured: the suite has no shifted sets; declare at least one under "
        f"'shifts'.\n  evidence: demanded by g.yaml:5, h.yaml:9\n{REMOVE}"
    ]


def test_a_much_smaller_set_is_a_remark(classifier: Classifier, texts, tmp_path: Path) -> None:
    root = write_suite(tmp_path / "larger", per_class=5)
    edit(root, ", expected: 9", "")
    for name in CLASSES:
        (root / "mixed_rand" / name / "001.png").unlink()
    edit(root, "path: mixed_rand", "path: mixed_rand, partial: true")
    shutil.rmtree(root / "mixed_rand/apple")
    findings = list(check_sets(ModelUnderTest(classifier, open_suite(root), needs=NEEDS)))
    assert {finding.severity for finding in findings} == {"remark"}
    assert [finding.text() for finding in findings] == [
        "the set 'corruptions' is much smaller than the clean set in 75 of 75 conditions.\n"
        "  evidence: corruptions/gaussian_noise/1: 3, corruptions/gaussian_noise/2: 3, "
        "corruptions/gaussian_noise/3: 3 and 72 more; clean: 15; demanded by g.yaml:4\n"
        "  fix: complete the set; with so few images its values are uncertain",
        "the set 'mixed_rand' is much smaller than the clean set.\n"
        "  evidence: mixed_rand: 2; clean: 15; demanded by g.yaml:7\n"
        "  fix: complete the set; with so few images its values are uncertain",
    ]


def test_an_incomplete_set_is_reported_with_both_numbers(texts, root: Path) -> None:
    (root / "val" / "apple" / "000.png").unlink()
    assert texts() == [
        "the set 'clean' does not have the expected number of images.\n"
        f"  evidence: clean: 8 of 9; demanded by g.yaml:3, g.yaml:4, g.yaml:5 and 3 more\n{COMPLETE}"
    ]


def test_incomplete_conditions_are_counted(texts, root: Path) -> None:
    edit(root, "path: c, prepared: true", "path: c, prepared: true, expected: 3")
    assert texts() == []
    shutil.copy(root / "c" / "fog" / "1" / "apple" / "000.png", root / "c" / "fog" / "1" / "apple" / "1.png")
    assert texts() == [
        "the set 'corruptions' does not have the expected number of images in 1 of 75 conditions.\n"
        f"  evidence: corruptions/fog/1: 4 of 3; demanded by g.yaml:4\n{COMPLETE}"
    ]


def test_an_invalid_layout_has_the_message_of_its_reader(texts, root: Path) -> None:
    (root / "night" / "cloud").rename(root / "night" / "clouds")
    assert texts() == [
        f"{root / 'night' / 'clouds'}: unknown class folder 'clouds'. Did you mean 'cloud'? "
        "Allowed: apple, brick, cloud.\n  evidence: demanded by g.yaml:5, h.yaml:9\n"
        "  fix: correct the data folder or quba-data.yaml"
    ]


def test_class_balance_needs_two_images_of_every_class(texts, root: Path) -> None:
    edit(root, "path: val, expected: 9", "path: val, expected: 7")
    (root / "val" / "apple" / "000.png").unlink()
    (root / "val" / "apple" / "001.png").unlink()
    assert texts() == [
        "class_balance cannot be measured: class_balance needs two images in every class; 1 of 3 classes has "
        "fewer ('apple' has 1); add images of them to the clean set.\n"
        f"  evidence: demanded by g.yaml:6\n{REMOVE}"
    ]
    assert texts({"accuracy": ["g.yaml:3"]}) == []


def test_names_of_classes_end_at_their_first_comma(texts, root: Path) -> None:
    titles = "{apple: 'apple, pomme', brick: 'brick, red', cloud: 'brick, blue'}"
    edit(root, f"[{', '.join(CLASSES)}]", titles)
    (finding,) = texts({"class_balance": ["g.yaml:6"]}, limit=3)
    assert "('apple' has 1, 'brick, red' has 1, 'brick, blue' has 1)" in finding


def test_a_shape_bias_without_conflicts_is_reported(texts, root: Path) -> None:
    for path in sorted((root / "cc").iterdir()):
        shape, texture = (name.rstrip("12") for name in path.stem.split("-"))
        if shape != texture:
            path.unlink()
    assert texts({"shape_bias": ["g.yaml:9"]}) == [
        "shape_bias cannot be measured: no cue-conflict image has shape and texture of different classes; "
        f"add some.\n  evidence: demanded by g.yaml:9\n{REMOVE}"
    ]


def test_a_model_without_gradients_is_reported(classifier: Classifier, root: Path) -> None:
    silent = replace(classifier, no_gradient="it is run by onnxruntime, which gives no gradients")
    subject = ModelUnderTest(silent, open_suite(root), needs={"adversarial_robustness": ["g.yaml:4"]})
    assert [finding.text() for finding in check_sets(subject)] == [
        "adversarial_robustness cannot be measured: it is run by onnxruntime, which gives no gradients.\n"
        "  evidence: demanded by g.yaml:4\n"
        "  fix: remove the demand"
    ]


def test_a_limit_can_be_too_low_for_a_demand(texts) -> None:
    assert texts({"accuracy": ["g.yaml:3"]}, limit=3) == []
    assert texts(limit=3) == [
        "class_balance cannot be measured: class_balance needs two images in every class; 3 of 3 classes "
        "have fewer ('apple' has 1, 'brick' has 1, 'cloud' has 1); add images of them to the clean set.\n"
        "  evidence: demanded by g.yaml:6\n"
        "  fix: raise --quba-limit, now 3, or remove the demand, or set `optional: true` on it"
    ]


@pytest.mark.parametrize(("each", "named"), [(9, True), (3, False)])
def test_an_empty_class_is_reported_if_chance_would_fill_it(texts, root: Path, each, named) -> None:
    edit(root, f"path: val, expected: {9}", "path: val, partial: true")
    shutil.rmtree(root / "val" / "brick")
    for name in set(CLASSES) - {"brick"}:
        for k in range(each):
            Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(root / "val" / name / f"{k:03d}.png")
    expected = [
        "the set 'clean': 1 of 3 classes has no image.\n"
        "  evidence: brick; the others have 9 each (median)\n"
        "  fix: add images of these classes, or remove them from the suite's classes"
    ]
    assert texts({"accuracy": ["g.yaml:3"]}) == (expected if named else [])
