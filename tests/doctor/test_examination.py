from __future__ import annotations

import torch

from quba_check.doctor.examination import Check, examine
from quba_check.doctor.finding import Finding
from quba_check.errors import SuiteError


def check(name, *findings, is_final=False):
    return Check(name, lambda patient: iter(findings), is_final)


def finding(name, severity="problem"):
    return Finding(check=name, problem=f"{name} is wrong.", evidence="1", fix="mend", severity=severity)


def test_findings_come_in_the_order_of_the_checks():
    a, b = finding("a"), finding("b")
    assert examine(None, (check("a", a), check("none"), check("b", b))) == (a, b)


def test_after_a_final_problem_no_later_check_is_made():
    a, b = finding("a"), finding("b")
    assert examine(None, (check("a", a, is_final=True), check("b", b))) == (a,)
    remark = finding("a", "remark")
    assert examine(None, (check("a", remark, is_final=True), check("b", b))) == (remark, b)


def test_a_mistake_that_stops_a_check_is_told_once():
    def stopped(patient):
        raise SuiteError("x.png: cannot be decoded.")
        yield

    def stopped_later(patient):
        yield finding("b")
        yield from stopped(patient)

    found = examine(None, (Check("a", stopped), Check("b", stopped_later), check("c", finding("c"))))
    assert [each.check for each in found] == ["a", "b", "c"]
    assert found[0].text() == "x.png: cannot be decoded."


def test_a_fix_may_have_several_lines():
    found = Finding(check="x", problem="p.", evidence="e", fix="write\nmean: 0")
    assert found.text() == "p.\n  evidence: e\n  fix: write\n    mean: 0"


def test_too_little_memory_is_a_remark_and_the_next_check_is_made():
    def hungry(patient):
        raise torch.OutOfMemoryError

    b = finding("b")
    remark, found = examine(None, (Check("a", hungry, is_final=True), check("b", b)))
    assert found == b
    assert (remark.check, remark.severity) == ("a", "remark")
    assert remark.text() == (
        "The device has too little memory for the doctor's check 'a'.\n"
        "  fix: measure as you like; to have it checked: quba-check doctor --device cpu"
    )
