"""Grades: their text in failed assertions."""

from syrupy.assertion import SnapshotAssertion

from quba_check.core.grade import Grade

GRADES = (
    Grade(0.7853, 93.2, "A", "demo", "standard", True, interval=(0.1379, 1.4312)),
    Grade(-0.25, 40.0, "C", "published", "released", True),
    Grade(None, None, None, "published", "released", False, missing=("shape_bias", "object_focus")),
    Grade(None, None, None, "fleet", "standard", True),
)


def test_short_text(snapshot: SnapshotAssertion) -> None:
    assert "\n".join(map(repr, GRADES)) == snapshot
