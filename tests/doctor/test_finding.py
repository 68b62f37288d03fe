from __future__ import annotations

from quba_check.doctor.finding import Finding

FINDING = Finding(check="x", problem="m.pt: is odd in many ways.", evidence="three of four", fix="train\nit")


def test_a_fix_may_have_several_lines() -> None:
    assert FINDING.text() == ("m.pt: is odd in many ways.\n  evidence: three of four\n  fix: train\n    it")


def test_a_note_is_one_line() -> None:
    assert FINDING.as_note() == "doctor: m.pt: is odd in many ways. Fix: train it."
    without_fix = FINDING.model_copy(update={"fix": ""})
    assert without_fix.as_note() == "doctor: m.pt: is odd in many ways."
