"""Slices are measured on their rows, and compared with all others."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.answers import answers, facts, right_on
from support.answers import column as slices_of
from support.requests import answer_request, class_request

from quba_check.core.measurement import Unmeasurable
from quba_check.core.predictions import Predictions
from quba_check.core.view import CLEAN, View
from quba_check.dimensions import measure_dimension, measure_slices, registry
from quba_check.stats.intervals import share_limits

FACTS = facts(shifts=("sketch",))
SKETCH = View("sketch")
ONE = np.array([1.0])


def table(correct, group=None):
    return right_on(correct, probabilities=np.full((len(correct), 2), 0.5, np.float32), group=group)


def column(values):
    return slices_of("light", list(values))["light"]


def measured(name, tables, columns):
    dimension = registry[name]
    whole = measure_dimension(dimension, tables, FACTS)
    return measure_slices(dimension, whole, tables, columns, FACTS)


def test_accuracy_by_hand():
    correct = np.array([1, 1, 1, 0, 1, 0, 0, 0], bool)
    light = {"light": column("ddddnnnn")}
    accuracy = measured("accuracy", {CLEAN: table(correct)}, {CLEAN: light})
    values = accuracy.slices["light"].values
    gaps = accuracy.slices["light"].gaps
    assert {name: one.value for name, one in values.items()} == {"light=d": 0.75, "light=n": 0.25}
    assert {name: one.value for name, one in gaps.items()} == {"light=d": -0.5, "light=n": 0.5}
    low, high = (share_limits(hits, 4, ONE)[0] for hits in (1, 3))
    assert values["light=n"].curve.at(1) == pytest.approx(low)
    assert gaps["light=n"].curve.at(1) == pytest.approx(
        0.5 + np.hypot(high - 0.75, 0.25 - share_limits(1, 4, -ONE)[0])
    )
    assert accuracy.value == 0.5
    assert accuracy.quantity("@slice=light=n") is values["light=n"]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), min_size=1, max_size=40))
def test_slices_are_masks_and_gaps_are_to_all_others(rows):
    correct = np.array([one for one, _ in rows])
    names = np.array([f"light={name}" for _, name in rows])
    columns = {CLEAN: {"light": column([name for _, name in rows])}}
    light = measured("accuracy", {CLEAN: table(correct)}, columns).slices["light"]
    shares = {name: correct[names == name].mean() for name in names}
    assert {name: one.value for name, one in light.values.items()} == pytest.approx(shares)
    rests = {name: correct[names != name].mean() - share for name, share in shares.items() if len(shares) > 1}
    assert {name: one.value for name, one in light.gaps.items()} == pytest.approx(rests)


def test_tables_that_nobody_reads_are_not_computed():
    """A temperature of the calibration error takes longer than the value."""
    asked = []
    calibration = registry["calibration_error"]
    spy = replace(calibration, measure=lambda *given: asked.append(calibration.measure(*given)) or asked[-1])
    tables = {CLEAN: table(np.array([1, 0, 0, 0] * 4, bool))}
    light = {CLEAN: {"light": column("dn" * 8)}}
    measured = measure_slices(spy, calibration.measure(tables, FACTS), tables, light, FACTS)
    assert "temperature" in measured.tables
    assert [list(one.tables) for one in asked] == [["reliability"]] * 4


def test_only_numbers_that_read_probabilities_select_them(monkeypatch):
    selected = []
    rows = Predictions.rows
    monkeypatch.setattr(Predictions, "rows", lambda self, of: selected.append(self) or rows(self, of))
    light = column("dn" * 8)
    p = np.linspace(0.1, 0.9, 16)
    clean = answers([0, 1] * 4 + [1, 0] * 4, probabilities=np.stack([p, 1 - p], axis=1))
    for name in ("accuracy", "calibration_error"):
        measured(name, {CLEAN: clean}, {CLEAN: {"light": light}})
    assert [one.probabilities is None for one in selected] == [True] * 4 + [False] * 4
    selected.clear()
    of_class = [class_request("cat", (0,), metric) for metric in ("recall", "auroc")]
    for requests in of_class, [answer_request("aurc"), answer_request("aurc", "margin")]:
        asked = tuple(replace(one, slice="light", kind="worst") for one in requests)
        sliced = {CLEAN: replace(clean, slices={"light": light})}
        parts = measure_dimension(registry[asked[0].dimension], sliced, facts(requests=asked)).parts
        assert [set(one.slices["light"].values) for one in parts.values()] == [{"light=d", "light=n"}] * 2
    assert [one.probabilities is None for one in selected] == [True, True, False, False] * 2


def test_denominators_are_those_of_the_slice():
    tables = {CLEAN: table(np.array([1, 1, 1, 0], bool)), SKETCH: table(np.array([1, 0, 1, 0], bool))}
    columns = {CLEAN: {"light": column("ddnn")}, SKETCH: {"light": column("ddnn")}}
    ratio = measured("ood_robustness", tables, columns)
    values = ratio.slices["light"].values
    assert values["light=d"].value == pytest.approx(0.5)
    assert values["light=n"].value == pytest.approx(1.0)


def test_reasons():
    tables = {CLEAN: table(np.array([1, 1, 0, 0], bool)), SKETCH: table(np.array([1, 0], bool))}
    columns = {CLEAN: {"light": column("ddnx"), "camera": column("ab12")}, SKETCH: {"light": column("dn")}}
    slices = measured("ood_robustness", tables, columns).slices
    assert slices["camera"].reason == Unmeasurable(
        "ood_robustness", "the set sketch has no such slices", missing_data=True
    )
    assert slices["light"].sizes == {"light=d": 1, "light=n": 1, "light=x": 0}
    assert slices["light"].unmeasured == {
        "light=n": Unmeasurable(
            "ood_robustness",
            "none of the 1 clean images is classified right, and nothing is relative to 0; "
            "check that class list and preprocessing are the model's own",
        ),
        "light=x": Unmeasurable("ood_robustness", "the set sketch has no image of it", missing_data=True),
    }
