"""Losses against a stored run, the reasons for unknown ones, and demands that are gone or looser."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.answers import answers, column, facts
from support.gated import CALIBRATION, CORRUPTION, LETTER
from support.pairwise import pairwise
from support.requests import answer_request, class_request, value
from support.runs_compared import dropped_from, stored

from quba_check.comparison.baseline import drop, looser_demands
from quba_check.comparison.difference import RunValue
from quba_check.core.dimension import Better
from quba_check.core.measurement import Drop, Measurement, Sample, Unmeasurable
from quba_check.core.request import OperatingPoint, Request
from quba_check.core.view import CLEAN
from quba_check.demands.demand import POINT, BoundKey, Demand, Policy, Uncertain
from quba_check.dimensions import measure_dimension, measure_slices, registry
from quba_check.records.per_image import PerImage
from quba_check.records.verdict import VerdictRow
from quba_check.stats.estimate import Estimate
from quba_check.verdicts import decide

RIGHT = [0, 1, 2] * 10


def run_value(measured: Measurement, part: str | None, fingerprint: str = "") -> RunValue | None:
    return RunValue.of(measured, measured.dimension, part, PerImage.of(measured), fingerprint)


def measured(value: float, dimension: str = "accuracy") -> Measurement:
    hits = np.arange(len(RIGHT)) < round(value * len(RIGHT))
    return Measurement(
        dimension, value, "fraction", len(hits), influences=Estimate.mean(hits, "clean").influences
    )


def dropped(
    before: list[int], after: Measurement, *, part: str | None = None, better: Better = "high", **how: bool
) -> Drop | Unmeasurable:
    """Return the drop of a measurement against a stored run with these predictions."""
    request = value(after.dimension, part or "", better=better)
    now = run_value(after, part)
    return dropped_from(stored("a.json", before), request, now, relative=how.get("relative", False))


@pytest.mark.parametrize(("uncertain", "outcome"), [("point", "pass"), ("fail", "unmeasurable")])
def test_too_few_groups_do_not_pass_an_unpaired_drop(uncertain: Uncertain, outcome: str) -> None:
    run = replace(stored("a.json", RIGHT), images=None)
    after = run_value(replace(measured(1.0), sample=Sample(groups=7)), None)
    found = dropped_from(run, value("accuracy"), after, relative=False)
    assert isinstance(found, Drop)
    assert (found.sample.groups, found.curve) == (7, None)
    asked = Demand(value("accuracy"), "max_drop", 0.1, "block", False, "x.yaml", 1)
    assert decide(asked, found, Policy(uncertain)).outcome == outcome


def test_a_drop_is_positive_where_it_got_worse() -> None:
    found = dropped(RIGHT, measured(0.9))
    assert isinstance(found, Drop)
    assert (found.value, found.before, found.after, found.baseline) == (
        pytest.approx(0.1),
        1.0,
        0.9,
        "a.json",
    )
    better = dropped(RIGHT, measured(0.9), better="low", relative=True)
    assert isinstance(better, Drop)
    assert better.value == pytest.approx(-0.1)


def test_a_baseline_without_the_value() -> None:
    found = dropped(RIGHT, measured(0.9, "class_balance"))
    assert found == Unmeasurable(
        "class_balance",
        "a.json has no value of class_balance. Allowed: a record of a run that measured it",
        missing_data=True,
    )


def test_a_drop_between_two_scores_is_refused() -> None:
    runs = [
        run_value(replace(measured(0.9, "unknown_detection"), score=score), None)
        for score in ("max_probability", "energy")
    ]
    found = drop("a.json", value("unknown_detection"), *runs, relative=False)
    assert isinstance(found, Unmeasurable)
    assert (found.missing_data, found.reason) == (
        False,
        "a.json has unknown_detection with the score max_probability, this run with energy. "
        "Allowed: the same score in both manifests",
    )
    assert isinstance(drop("a.json", value("unknown_detection"), runs[0], runs[0], relative=False), Drop)


def test_a_run_without_the_part() -> None:
    found = dropped(RIGHT, measured(0.9, "corruption_robustness"), part="fog")
    assert found == Unmeasurable(
        "corruption_robustness", "this run has no value of corruption_robustness.fog", missing_data=True
    )


def test_nothing_is_relative_to_0() -> None:
    wrong = [(k + 1) % 3 for k in RIGHT]
    found = dropped(wrong, measured(0.9), relative=True)
    assert found == Unmeasurable(
        "accuracy", "accuracy is 0 in a.json, so a relative drop is undefined. Use max_drop"
    )


DROP = Demand(value("accuracy"), "max_drop", 0.0, "block", False, "x.yaml", 3)


@pytest.mark.parametrize(
    ("key", "policy", "confidence"),
    pairwise(["max_drop", "max_relative_drop"], ["point", "fail", "allow"], [0.95, 0.999999]),
)
def test_the_model_of_the_baseline_is_not_worse(key: BoundKey, policy: Uncertain, confidence: float) -> None:
    baseline = stored("a.json", [1, *RIGHT[1:]])
    after = baseline.value_of("accuracy")
    assert after is not None

    def outcome(fingerprint: str) -> str:
        other = replace(after, fingerprint=fingerprint, answers=None)
        loss = dropped_from(baseline, value("accuracy"), other, relative=key == "max_relative_drop")
        return decide(replace(DROP, key=key), loss, Policy(policy, confidence)).outcome

    assert outcome(after.fingerprint) == "pass"
    assert outcome("another") == ("pass" if policy == "point" else "uncertain")


@pytest.mark.parametrize("uncertain", ["point", "fail", "allow"])
@pytest.mark.parametrize("relative", [False, True])
def test_equal_outputs_are_not_worse(uncertain: Uncertain, *, relative: bool) -> None:
    """Without answers by image, for another fingerprint, and from a value of 0."""
    run = stored("a.json", [(k + 1) % 3 for k in RIGHT], images=False)
    rows = dict(run.record.measurements)
    rows["accuracy"] = rows["accuracy"].model_copy(update={"outputs": "x"})
    baseline = replace(run, record=run.record.model_copy(update={"measurements": rows}))
    after = run_value(replace(measured(0.0), outputs="x"), None, "another")
    asked = replace(DROP, key="max_relative_drop" if relative else "max_drop")
    loss = dropped_from(baseline, value("accuracy"), after, relative=relative)
    assert isinstance(loss, Drop)
    assert (loss.value, loss.curve and loss.curve.interval(0.95)) == (0.0, (0.0, 0.0))
    assert decide(asked, loss, Policy(uncertain)).outcome == "pass"
    other = run_value(replace(measured(0.0), outputs="y"), None, "another")
    loss = dropped_from(baseline, value("accuracy"), other, relative=False)
    assert isinstance(loss, Drop)
    assert loss.curve is None


N = 1200
LABEL = np.arange(N) // 2 % 2
IS_NIGHT = np.arange(N) % 2 == 1
OF_SLICES = {
    value("accuracy"): IS_NIGHT,
    class_request("yes", (1,), "recall", at=OperatingPoint("probability", 0.55)): IS_NIGHT & (LABEL == 1),
    answer_request("share", threshold=0.7): IS_NIGHT,
}


class OneValue:
    """A baseline with one value."""

    file = "a model"

    def __init__(self, one: RunValue | None) -> None:
        self.one = one

    def value_of(self, dimension: str, part: str | None = None) -> RunValue | None:
        return self.one


def at_night(request: Request, seed: int, group: Any) -> tuple[RunValue | None, Any]:
    """The value of a model on the images at night, and whether each of all images is a hit."""
    rng = np.random.default_rng(seed)
    of_yes = np.clip(0.3 + 0.4 * LABEL + np.random.default_rng(0).normal(0, 0.2, N), 0, 1)
    of_yes = np.where(rng.random(N) < 0.2, rng.random(N), of_yes).astype(np.float32)
    light = column("light", np.where(IS_NIGHT, "night", "day"))
    table = answers(LABEL, None, np.stack([1 - of_yes, of_yes], axis=1), group=group, slices=light)
    known = facts(2, class_names=("no", "yes"), requests=(request,))
    dimension = registry[request.dimension]
    tables = {CLEAN: table}
    outcome = measure_dimension(dimension, tables, known)
    if not request.is_further_part:
        outcome = measure_slices(dimension, outcome, tables, {CLEAN: light}, known, [request])
    hits = {"accuracy": table.correct, "classes": of_yes >= np.float32(0.55)}
    return run_value(outcome, request.part), hits.get(request.dimension, table.confidence >= np.float32(0.7))


@pytest.mark.parametrize("request_", OF_SLICES, ids=lambda one: one.dimension)
@pytest.mark.parametrize("size", [1, 4])
def test_drops_of_a_named_slice_are_paired(request_: Request, size: int) -> None:
    """Groups of four images have two at night, whose changes are summed."""
    request = replace(request_, slice="light=night")
    counted = OF_SLICES[request_]
    group = None if size == 1 else np.arange(N) // size
    (before, first), (after, second) = (at_night(request, seed, group) for seed in (1, 2))
    loss = dropped_from(OneValue(before), request, after, relative=False)
    change = first[counted] * 1.0 - second[counted]
    assert isinstance(loss, Drop)
    assert (loss.value, loss.paired) == (pytest.approx(change.mean()), True)
    sums = np.bincount((np.arange(N) // size)[counted], change - change.mean())
    error = np.sqrt(sums @ sums) / len(change)
    assert loss.curve is not None
    assert np.ptp(loss.curve.interval(0.95)) == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert before is not None
    unpaired = dropped_from(OneValue(replace(before, influences={})), request, after, relative=False)
    assert isinstance(unpaired, Drop)
    assert unpaired.curve is not None
    assert not unpaired.paired
    assert np.ptp(unpaired.curve.interval(0.95)) > 1.2 * np.ptp(loss.curve.interval(0.95))


WORST = replace(CORRUPTION, request=replace(CORRUPTION.request, slice="light", kind="worst"))
DAY = replace(CORRUPTION, request=replace(CORRUPTION.request, slice="light=day"))


def row(demand: Any = CORRUPTION, policy: Policy = POINT, **changed: Any) -> VerdictRow:
    return replace(demand, **changed).verdict_row("x", "not run", policy=policy)


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (row(), row(bound=0.4), "[min] >= 0.4 (was 0.5)"),
        (row(CALIBRATION), row(CALIBRATION, bound=0.02), "[max] <= 0.02 (was 0.01)"),
        (row(key="max_drop"), row(key="max_drop", bound=0.6), "[max_drop] drop <= 0.6 (was 0.5)"),
        (row(LETTER), row(LETTER, bound="D"), ".grade[min] >= D (was C)"),
        (row(), row(tier="warn"), "[min] tier warn (was block)"),
        (row(), row(optional=True), "[min] optional: true (was false)"),
        (row(), row(allow_masked=True), "[min] allow_masked: true (was false)"),
        (row(policy=Policy("fail")), row(), "[min] uncertain: point (was fail)"),
        (row(), row(policy=Policy("allow")), "[min] uncertain: allow (was point)"),
        (
            row(policy=Policy("fail", 0.99)),
            row(policy=Policy("fail", 0.95)),
            "[min] confidence 0.95 (was 0.99)",
        ),
        (
            row(policy=Policy("allow", 0.95)),
            row(policy=Policy("allow", 0.99)),
            "[min] confidence 0.99 (was 0.95)",
        ),
        (
            row(WORST, min_images=30),
            row(WORST, min_images=1000, min_groups=10),
            "@slice=light:worst[min] min_images 1,000 (was 30), min_groups 10 (was 0)",
        ),
        (
            row(DAY, optional=True, min_images=30),
            row(DAY, optional=True, min_images=31),
            "@slice=light=day[min] min_images 31 (was 30)",
        ),
        (row(DAY, min_images=30), row(DAY, min_images=29), "@slice=light=day[min] min_images 29 (was 30)"),
        (row(), row(bound=0.4, tier="info"), "[min] >= 0.4 (was 0.5), tier info (was block)"),
        (row(), row(key="max_drop"), "[min] is gone (>= 0.5)"),
    ],
)
def test_looser_demands(before, after, text):
    assert looser_demands([before], [after]) == [f"{before.dimension}{text}"]
    same = [] if "gone" in text else looser_demands([after], [before])
    assert same == [], "the other way round it is stricter"


def test_other_thresholds_of_classes_are_looser_in_both_directions():
    one, other = (row().model_copy(update={"levels": {"cat": level}}) for level in (0.3, 0.5))
    for rows in ([one], [other]), ([other], [one]):
        assert looser_demands(*rows) == ["corruption_robustness[min] other probabilities of classes"]


def test_one_of_several_files_may_be_looser():
    assert looser_demands([row(), row()], [row(bound=0.1), row(bound=0.5)]) == []
    assert looser_demands([row(), row()], []) == ["corruption_robustness[min] is gone (>= 0.5)"]


def test_older_records_do_not_state_what_was_optional():
    unknown = dict.fromkeys(("optional", "allow_masked", "min_images", "min_groups"))
    old = row().model_copy(update=unknown)
    assert looser_demands([old], [row(optional=True, allow_masked=True, min_images=9)]) == []


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(["min", "max", "max_drop"]))
def test_a_demand_is_looser_if_some_value_meets_only_it(before, after, key):
    rows = [row(key=key, bound=before)], [row(key=key, bound=after)]
    assert bool(looser_demands(*rows)) == (after < before if key == "min" else after > before)
