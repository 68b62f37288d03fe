"""Tables of details: by hand, against the parts, and their validation."""

from dataclasses import replace

import numpy as np
import pytest
from support.answers import answers, facts, first, right_on

from quba_check.core.facts import ModelFacts
from quba_check.core.measurement import Table
from quba_check.core.predictions import NO_CLASS
from quba_check.core.view import CLEAN, SEVERITIES, View
from quba_check.dimensions import registry
from quba_check.messages import printable
from quba_check.records.measurement import MeasurementRow, outcome_of, row_of

HOSTILE = ("<script>alert(1)</script>", "a\nb", "\udcff, x")


CALIBRATION = registry["calibration_error"]
FACTS = facts(class_names=("cat", "dog"))


def clean(probabilities, label, **columns):
    return {CLEAN: answers(label, None, probabilities, **columns)}


def test_relative_accuracies_by_corruption_and_severity():
    views = [CLEAN, *(View("corruptions", name, s) for name in ("fog", "snow") for s in SEVERITIES)]
    right = (2, 4, 3, 2, 1, 0, 2, 2, 1, 1, 0)
    tables = {view: right_on(first(n, 4)) for view, n in zip(views, right, strict=True)}
    measured = registry["corruption_robustness"].measure(tables, facts(corruptions=("fog", "snow")))
    assert measured.tables == {
        "severities": Table(
            ("corruption", "1", "2", "3", "4", "5"),
            (("fog", 2.0, 1.5, 1.0, 0.5, 0.0), ("snow", 1.0, 1.0, 0.5, 0.5, 0.0)),
            "accuracy relative to the clean accuracy, by severity",
        )
    }
    for row in measured.tables["severities"].rows:
        assert np.mean(row[1:]) == pytest.approx(measured.parts[row[0]].value)


def test_reliability_and_temperature():
    """Three of four answers with 0.9 are right in both halves: a temperature of 2 makes them 0.75."""
    measured = CALIBRATION.measure(clean([[0.9, 0.1]] * 8, [0] * 6 + [1] * 2), FACTS)
    note = "each half of the images is scaled by the best temperature of the other half"
    columns = ("from", "to", "images", "confidence", "accuracy")
    tables = measured.tables
    assert list(tables) == ["reliability", "reliability_scaled", "temperature", "held_out"]
    assert tables["reliability"] == Table(columns, ((13 / 15, 14 / 15, 8, pytest.approx(0.9), 0.75),))
    assert tables["reliability_scaled"] == Table(
        columns, ((11 / 15, 12 / 15, 8, pytest.approx(0.75), 0.75),), note
    )
    assert tables["temperature"].columns == ("temperature", "nll", "nll_scaled", "ece", "ece_scaled")
    assert tables["temperature"].rows == (pytest.approx((2, 0.654667, 0.562335, 0.15, 0), abs=1e-6),)
    assert tables["temperature"].rows[0][3] == measured.parts["ece"].value
    assert [row[0] for row in tables["held_out"].rows] == ["calibration_error", *measured.parts]
    assert tables["held_out"].rows[1][1] == tables["temperature"].rows[0][4]


def test_the_temperature_is_that_of_the_file_to_write():
    """A model whose logits are divided by 3 already needs 6 in all."""
    known = facts(model=ModelFacts(1, 1, outputs="logits", temperature=3.0))
    measured = CALIBRATION.measure(clean([[0.9, 0.1]] * 8, [0] * 6 + [1] * 2), known)
    assert measured.tables["temperature"].rows[0][0] == pytest.approx(6, abs=1e-5)


@pytest.mark.parametrize(
    ("label", "outputs", "note"),
    [
        ([0, 0, 0, 0], "logits", "all images are classified right, so that a lower one always seems better"),
        ([1, 1, 1, 1], "logits", "none is best: the likelihood grows to the end of the searched range"),
        ([0, 0, 0, 1], "sigmoids", "the model's outputs are sigmoids, and a temperature divides logits"),
        ([1, 0, 0, -1], None, ""),
    ],
)
def test_a_temperature_that_cannot_be_advised_has_a_reason(label, outputs, note):
    known = facts(model=ModelFacts(1, 1, outputs=outputs))
    tables = CALIBRATION.measure(clean([[0.9, 0.1]] * 4, label), known).tables
    assert ("held_out" in tables) == (not note)
    if note:
        assert tables["temperature"] == Table(
            ("temperature", "nll", "nll_scaled", "ece", "ece_scaled"), (), note
        )


def test_images_of_one_group_cannot_be_split():
    one_group = clean([[0.9, 0.1]] * 4, [0, 0, 0, 1], group=np.full(4, 5))
    note = CALIBRATION.measure(one_group, FACTS).tables["temperature"].note
    assert note == "the images cannot be split into halves to fit and to judge it"


def test_groups_widen_the_held_out_intervals():
    """Pairs of equal images have about the interval of half as many."""
    rng = np.random.default_rng(3)
    table = rng.dirichlet(np.ones(2), size=100).astype(np.float32)
    label = (rng.random(100) < table[:, 1]).astype(np.int64)
    twice = clean(np.repeat(table, 2, axis=0), np.repeat(label, 2))
    grouped = {CLEAN: replace(twice[CLEAN], group=np.repeat(np.arange(100), 2))}
    alone, pairs = (CALIBRATION.measure(one, FACTS).tables["held_out"].rows for one in (twice, grouped))
    for (_, _, low, high), (name, value, low_grouped, high_grouped) in zip(alone, pairs, strict=True):
        assert low_grouped <= value <= high_grouped
        if name == "brier":
            assert 1.3 < (high_grouped - low_grouped) / (high - low) < 1.9


def test_images_without_labels_have_no_temperature():
    measured = CALIBRATION.measure(clean([[0.9, 0.1]] * 2, [NO_CLASS] * 2), FACTS)
    assert list(measured.tables) == ["reliability"]


def test_accuracy_by_class():
    tables = clean([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.1, 0.9]], [0, 0, 1, 1])
    measured = registry["class_balance"].measure(tables, facts(class_names=("cat, Felis catus", "dog")))
    assert measured.tables["classes"] == Table(
        ("class", "images", "accuracy", "true_probability"),
        (("cat", 2, 0.5, pytest.approx(0.65)), ("dog", 2, 1.0, pytest.approx(0.85))),
    )


def test_hostile_class_names_are_stored_and_read_again():
    names = (*HOSTILE, "n" * 5000)
    tables = clean(np.tile(np.eye(4), (2, 1)), [0, 1, 2, 3] * 2)
    measured = registry["class_balance"].measure(tables, facts(4, class_names=names))
    names = ["<script>alert(1)</script>", "a\nb", "\\udcff", "n" * 99 + "…"]
    assert [row[0] for row in measured.tables["classes"].rows] == names
    row = row_of(measured, registry["class_balance"], FACTS.suite)
    again = MeasurementRow.model_validate_json(row.model_dump_json())
    rows = outcome_of("class_balance", again).tables["classes"].rows
    assert rows == printable(measured.tables["classes"].rows)


def test_every_table_has_a_value_in_every_cell():
    with pytest.raises(ValueError, match=r"must be 2 cells, one for each column, got 1 cells in row 2"):
        MeasurementRow(
            value=0.5, unit="fraction", tables={"t": {"columns": ("a", "b"), "rows": ((1, 2), (3,))}}
        )
