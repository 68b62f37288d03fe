"""Findings on models without valid answers."""

from types import SimpleNamespace

import pytest
from syrupy.assertion import SnapshotAssertion

from quba_check.core.classes import Head
from quba_check.doctor.determinism import head_finding
from quba_check.errors import HeadError

FISH = ("tench", "goldfish", "cock")


@pytest.mark.parametrize(
    ("head", "theirs"),
    [(Head(3), 1000), (Head(3, is_in_imagenet=True), 1000), (Head(3, columns=(0, 1, 7), of=1000), 3)],
    ids=["never replaced", "in ImageNet", "restricted"],
)
def test_a_head_of_another_size(head: Head, theirs: int, snapshot: SnapshotAssertion) -> None:
    suite = SimpleNamespace(classes=FISH, head=head)
    finding = head_finding(HeadError("unused", theirs=theirs, classes=head.size), "m.pt", suite)
    assert finding.text() == snapshot


def test_names_of_classes_end_at_their_first_comma() -> None:
    classes = ("tench, Tinca tinca", "goldfish, Carassius auratus", "great white shark, man-eater", "ray")
    suite = SimpleNamespace(classes=classes, head=Head(4))
    finding = head_finding(HeadError("", theirs=7, classes=4), "net.pt", suite)
    assert finding.evidence == (
        "7 outputs per image; 4 classes in the suite (tench, goldfish, great white shark, …)"
    )
