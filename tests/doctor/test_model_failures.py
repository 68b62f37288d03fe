"""Findings on models without valid answers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from quba_check.core.classes import Head
from quba_check.doctor.determinism import head_finding
from quba_check.errors import HeadError

FISH = ("tench", "goldfish", "cock")


OF_IMAGENET = (
    "The suite's classes are 3 of ImageNet's 1,000. Score only their logits with restrict: true in "
    "quba-data.yaml, or keep all as possible answers with classes: imagenet and partial: true in its sets "
    "(folders named by synset)."
)


@pytest.mark.parametrize(
    ("head", "theirs", "expected", "hint", "fix"),
    [
        (
            *(Head(3), 1000, "3", "; 1,000 is ImageNet's number: the head was never replaced"),
            "give a model of 3 classes, or the suite of this model's classes",
        ),
        (Head(3, is_in_imagenet=True), 1000, "3", "", OF_IMAGENET),
        (
            *(Head(3, columns=(0, 1, 7), of=1000), 3, None, ""),
            "Give a model of 1,000 classes, or remove restrict from quba-data.yaml.",
        ),
    ],
)
def test_a_head_of_another_size(head: Head, theirs: int, expected: str | None, hint: str, fix: str) -> None:
    suite = SimpleNamespace(classes=FISH, head=head)
    finding = head_finding(HeadError("unused", theirs=theirs, classes=head.size), "m.pt", suite)
    size = "the suite is restricted to 3 of 1000" if expected is None else f"the suite has {expected}"
    assert finding.problem == f"m.pt: the model has {theirs:,} classes, {size}."
    assert finding.evidence == (
        f"{theirs:,} outputs per image; 3 classes in the suite (tench, goldfish, cock){hint}"
    )
    assert finding.fix == fix


def test_names_of_classes_end_at_their_first_comma() -> None:
    classes = ("tench, Tinca tinca", "goldfish, Carassius auratus", "great white shark, man-eater", "ray")
    suite = SimpleNamespace(classes=classes, head=Head(4))
    finding = head_finding(HeadError("", theirs=7, classes=4), "net.pt", suite)
    assert finding.evidence == (
        "7 outputs per image; 4 classes in the suite (tench, goldfish, great white shark, …)"
    )
