"""Findings about models that do not answer."""

from __future__ import annotations

from quba_check.doctor.response import wrong_head
from quba_check.errors import HeadError


def test_names_of_classes_end_at_their_first_comma() -> None:
    classes = ("tench, Tinca tinca", "goldfish, Carassius auratus", "great white shark, man-eater", "ray")
    finding = wrong_head(HeadError("", theirs=7, classes=4), "net.pt", classes)
    assert finding.evidence == (
        "7 numbers an image; 4 classes in the suite (tench, goldfish, great white shark, …)"
    )
