"""Grades: their text in failed assertions."""

from __future__ import annotations

import pytest

from quba_check.core.grade import Grade


@pytest.mark.parametrize(
    ("grade", "text"),
    [
        (
            Grade(0.7853, 93.2, "A", "demo", "standard", True, interval=(0.1379, 1.4312)),
            "Grade(A, score 0.785, 0.138..1.431, 93rd percentile of demo)",
        ),
        (
            Grade(-0.25, 40.0, "C", "published", "released", True),
            "Grade(C, score -0.250, 40th percentile of published)",
        ),
        (
            Grade(None, None, None, "published", "released", False, missing=("shape_bias", "object_focus")),
            "Grade(not graded, missing shape_bias, object_focus, population published)",
        ),
        (Grade(None, None, None, "fleet", "standard", True), "Grade(not graded, population fleet)"),
    ],
)
def test_short_text(grade: Grade, text: str) -> None:
    assert repr(grade) == text
