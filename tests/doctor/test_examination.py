from functools import partial
from types import SimpleNamespace

import pytest
import torch

from quba_check.doctor.examination import Check, examine
from quba_check.doctor.finding import Finding
from quba_check.doctor.subject import ModelUnderTest, TimeBudget
from quba_check.errors import ModelError, SuiteError


def check(name, *findings, is_final=False):
    return Check(name, lambda subject: iter(findings), is_final)


def finding(name, severity="problem"):
    return Finding(check=name, problem=f"{name} is wrong.", evidence="1", fix="train it", severity=severity)


def subject(seconds=9, times=()):
    """A subject with a clock that shows some times one after another, then the last one."""
    clock = iter((0, *times))
    shown = [0]

    def now():
        shown.append(next(clock, shown[-1]))
        return shown[-1]

    named = partial(ModelUnderTest.finding, SimpleNamespace(classifier=SimpleNamespace(spec="m.pt")))
    return SimpleNamespace(budget=TimeBudget(seconds, now), short=False, finding=named)


def test_checks_without_time_are_left_out():
    def slow(subject):
        yield finding("b")
        subject.budget.check()

    checks = (check("a"), Check("b", slow), check("c", finding("c")), check("d"))
    kept, remark = examine(subject(times=(1, 2, 9)), checks)
    assert (kept, remark.severity) == (finding("b"), "remark")
    assert kept.as_note() == "doctor: b is wrong. Fix: train it."
    assert remark.text() == (
        "m.pt: not examined: b, c, d; the doctor's 9 seconds ended first.\n"
        "  fix: measurements are not affected; for the rest: repeat it, on a less busy or faster device"
    )


def test_findings_are_in_the_order_of_the_checks():
    a = finding("a")
    b = finding("b")
    assert examine(subject(), (check("a", a), check("none"), check("b", b))) == (a, b)


def test_a_final_problem_skips_later_checks():
    a = finding("a")
    b = finding("b")
    assert examine(subject(), (check("a", a, is_final=True), check("b", b))) == (a,)
    remark = finding("a", "remark")
    assert examine(subject(), (check("a", remark, is_final=True), check("b", b))) == (remark, b)


def test_an_error_that_ends_a_check_is_reported_once():
    def failing(subject):
        raise SuiteError("x.png: cannot be decoded.")
        yield

    def failing_later(subject):
        yield finding("b")
        yield from failing(subject)

    findings = examine(subject(), (Check("a", failing), Check("b", failing_later), check("c", finding("c"))))
    assert [each.check for each in findings] == ["a", "b", "c"]
    assert findings[0].text() == "x.png: cannot be decoded."


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, ModelError])
def test_too_little_memory_is_a_remark_and_later_checks_run(kind):
    def hungry(subject):
        raise kind("no room") from torch.OutOfMemoryError()

    b = finding("b")
    remark, second = examine(subject(), (Check("a", hungry, is_final=True), check("b", b)))
    assert second == b
    assert (remark.check, remark.severity) == ("a", "remark")
    assert remark.text() == (
        "The device has too little memory for the doctor's check 'a'.\n"
        "  fix: measurements are not affected; to run the check: quba-check doctor --device cpu"
    )
