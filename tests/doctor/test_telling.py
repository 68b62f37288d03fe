from __future__ import annotations

from quba_check.doctor.finding import Finding
from quba_check.doctor.telling import note, shown

FOUND = Finding(check="x", problem="m.pt: is odd in many ways.", evidence="three of four", fix="mend\nit")


def test_lines_are_wrapped_with_a_hanging_indent() -> None:
    assert list(shown(FOUND, 20, "doctor: ")) == [
        "doctor: m.pt: is odd",
        "  in many ways.",
        "  evidence: three of",
        "    four",
        "  fix: mend",
        "    it",
    ]


def test_a_note_is_one_line() -> None:
    assert note(FOUND) == "doctor: m.pt: is odd in many ways. To mend it: mend it."
    bare = FOUND.model_copy(update={"fix": ""})
    assert note(bare) == "doctor: m.pt: is odd in many ways."
