"""Tables of details: by hand, against the parts, and their validation."""

from dataclasses import replace

import numpy as np
import pytest

from quba_check.core.dimension import Dimension
from quba_check.core.facts import Facts, ModelFacts, SuiteFacts, table_class_names
from quba_check.core.measurement import Measurement, Table
from quba_check.core.predictions import NO_CLASS, Predictions
from quba_check.core.view import CLEAN, SAMPLED, SEVERITIES, View
from quba_check.dimensions import registry
from quba_check.dimensions._validation import checked_tables, validated_dimension
from quba_check.errors import DimensionError
from quba_check.messages import printable
from quba_check.records.measurement import MeasurementRow, outcome_of, row_of

HOSTILE = ("<script>alert(1)</script>", "a\nb", "\udcff, x")


def facts(names=("cat", "dog"), count=2, **changes):
    suite = SuiteFacts("tiny", count, (), ("fog", "snow"), {}, class_names=tuple(names))
    return Facts(replace(suite, **changes), ModelFacts(1, 1))


def clean(probabilities, label):
    table, label = np.array(probabilities, np.float32), np.array(label, np.int64)
    rows = np.arange(len(label))
    true = np.where(label >= 0, table[rows, label], np.nan).astype(np.float32)
    return {CLEAN: Predictions(rows, label, table.argmax(axis=1), table.max(axis=1), true, table)}


def answers(correct, views):
    """A table for each view: so many images of four are predicted correctly."""
    half = np.full(4, 0.5, np.float32)
    return {
        view: Predictions(
            np.arange(4), np.zeros(4, np.int64), (np.arange(4) >= n).astype(np.int64), half, half
        )
        for view, n in zip(views, correct, strict=True)
    }


def test_relative_accuracies_by_corruption_and_severity():
    views = [CLEAN, *(View("corruptions", name, s) for name in ("fog", "snow") for s in SEVERITIES)]
    tables = answers([2, 4, 3, 2, 1, 0, 2, 2, 1, 1, 0], views)
    measured = registry["corruption_robustness"].measure(tables, facts())
    assert measured.tables == {
        "severities": Table(
            ("corruption", "1", "2", "3", "4", "5"),
            (("fog", 2.0, 1.5, 1.0, 0.5, 0.0), ("snow", 1.0, 1.0, 0.5, 0.5, 0.0)),
            "accuracy relative to the clean accuracy, by severity",
        )
    }
    for row in measured.tables["severities"].rows:
        assert np.mean(row[1:]) == pytest.approx(measured.parts[row[0]].value)


def test_sampled_corruptions_have_no_table():
    """The condition of an image is not stored, and some images of each would tell little."""
    measured = registry["corruption_robustness"].measure(
        answers([2, 1], [CLEAN, SAMPLED]), facts(samples_corruptions=True)
    )
    assert measured.tables == {}


def test_reliability_and_temperature():
    """Three of four answers with 0.9 are right in both halves: a temperature of 2 makes them 0.75."""
    measured = registry["calibration_error"].measure(clean([[0.9, 0.1]] * 8, [0] * 6 + [1] * 2), facts())
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
    known = replace(facts(), model=ModelFacts(1, 1, outputs="logits", temperature=3.0))
    measured = registry["calibration_error"].measure(clean([[0.9, 0.1]] * 8, [0] * 6 + [1] * 2), known)
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
    known = replace(facts(), model=ModelFacts(1, 1, outputs=outputs))
    tables = registry["calibration_error"].measure(clean([[0.9, 0.1]] * 4, label), known).tables
    assert ("held_out" in tables) == (not note)
    if note:
        assert tables["temperature"] == Table(
            ("temperature", "nll", "nll_scaled", "ece", "ece_scaled"), (), note
        )


def test_images_of_one_group_cannot_be_split():
    tables = clean([[0.9, 0.1]] * 4, [0, 0, 0, 1])
    tables = {CLEAN: replace(tables[CLEAN], group=np.full(4, 5))}
    measured = registry["calibration_error"].measure(tables, facts())
    assert (
        measured.tables["temperature"].note == "the images cannot be split into halves to fit and to judge it"
    )


def test_groups_widen_the_held_out_intervals():
    """Pairs of equal images have about the interval of half as many."""
    rng = np.random.default_rng(3)
    table = rng.dirichlet(np.ones(2), size=100).astype(np.float32)
    label = (rng.random(100) < table[:, 1]).astype(np.int64)
    twice = clean(np.repeat(table, 2, axis=0), np.repeat(label, 2))
    grouped = {CLEAN: replace(twice[CLEAN], group=np.repeat(np.arange(100), 2))}
    measure = registry["calibration_error"].measure
    alone, pairs = (measure(given, facts()).tables["held_out"].rows for given in (twice, grouped))
    for (_, _, low, high), (name, value, low_grouped, high_grouped) in zip(alone, pairs, strict=True):
        assert low_grouped <= value <= high_grouped
        if name == "brier":
            assert 1.3 < (high_grouped - low_grouped) / (high - low) < 1.9


def test_images_without_labels_have_no_temperature():
    measured = registry["calibration_error"].measure(clean([[0.9, 0.1]] * 2, [NO_CLASS] * 2), facts())
    assert list(measured.tables) == ["reliability"]


def test_accuracy_by_class():
    tables = clean([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.1, 0.9]], [0, 0, 1, 1])
    measured = registry["class_balance"].measure(tables, facts(["cat, Felis catus", "dog"]))
    assert measured.tables["classes"] == Table(
        ("class", "images", "accuracy", "true_probability"),
        (("cat", 2, 0.5, pytest.approx(0.65)), ("dog", 2, 1.0, pytest.approx(0.85))),
    )


def test_hostile_class_names_are_stored_and_read_again():
    names = (*HOSTILE, "n" * 5000)
    tables = clean(np.tile(np.eye(4), (2, 1)), [0, 1, 2, 3] * 2)
    measured = registry["class_balance"].measure(tables, facts(names, 4))
    names = ["<script>alert(1)</script>", "a\nb", "\\udcff", "n" * 99 + "…"]
    assert [row[0] for row in measured.tables["classes"].rows] == names
    row = row_of(measured, registry["class_balance"], facts().suite)
    again = MeasurementRow.model_validate_json(row.model_dump_json())
    rows = outcome_of("class_balance", again).tables["classes"].rows
    assert rows == printable(measured.tables["classes"].rows)


def test_classes_without_names_are_numbered():
    assert table_class_names([], 3) == ("class 0", "class 1", "class 2")


def test_hits_by_category():
    shape, texture = np.array([0, 0, 0, 2, 2, 1]), np.array([1, 1, 2, 0, 0, 1])
    decided = np.array([0, 1, 0, 1, 0, 1])
    half = np.full(6, 0.5, np.float32)
    table = Predictions(np.arange(6), shape, decided, half, half, extra={"texture": texture})
    known = facts(spaces={"cue_conflict": "coarse"}, space_classes={"coarse": ("car", "bus", "bike")})
    measured = registry["shape_bias"].measure({View("cue_conflict"): table}, known)
    assert measured.tables["categories"] == Table(
        ("category", "images", "shape_hits", "texture_hits"),
        (("car", 3, 2, 1), ("bike", 2, 0, 1)),
        "by the class of the shape; images whose texture is of the same class are left out",
    )


def custom(tables):
    def measure(_predictions, _facts):
        return Measurement("calm", 0.5, "fraction", 3, tables=tables)

    return validated_dimension(
        Dimension("calm", "How calm.", "fraction", "high", 0.0, "ours", lambda _: (), lambda _: (), measure)
    )


def test_numbers_of_numpy_become_pythons():
    cells = (np.float32(0.5), np.int64(3), np.str_("x"), 2)
    measured = custom({"t": Table(("a", "b", "c", "d"), (cells,))}).measure({}, facts())
    assert measured.tables["t"].rows == ((0.5, 3, "x", 2),)
    assert [type(cell) for cell in measured.tables["t"].rows[0]] == [float, int, str, int]


def test_lists_become_tuples_and_text_can_be_encoded():
    table = Table(["a\udcff"], [["\ud800"], [1]], "\udcff")
    assert checked_tables({"t": table}, "here") == {
        "t": Table(("a\\udcff",), (("\\ud800",), (1,)), "\\udcff")
    }


ROWS = ((1, 2),)
NAMES = (
    "Allowed: a dict of names (small letters, digits and underscores, beginning with a letter; any text "
    "after a dot) and tables."
)
FORM = (
    "Allowed: a quba_check.Table with different column names, rows with one cell for each column, at most "
    "1,000,000 cells, and text as the note."
)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([], f"tables, got []. {NAMES}"),
        ({"My table": 1}, f"tables, got {{'My table': 1}}. {NAMES}"),
        ({7: 1}, f"tables, got {{7: 1}}. {NAMES}"),
        ({"t": [[1]]}, f"the table 't', got [[1]]. {FORM}"),
        *(
            ({"t": table}, f"the table 't', got {repr(table)[:60]}{'…' * (len(repr(table)) > 60)}. {FORM}")
            for table in (
                Table((), ()),
                Table("ab", ROWS),
                Table((1, 2), ROWS),
                Table(("a", "a"), ROWS),
                Table(("a", "b"), (1,)),
                Table(("a", "b"), (*ROWS, (1,))),
                Table(("a",), (), 5),
                Table(("a", "b"), ROWS * 500_001),
            )
        ),
        *(
            (
                {"t": Table(("a", "b"), ((1, cell),))},
                f"the table 't': row 1, column 'b', got {cell}. Allowed: text, a whole number, or a finite "
                "number.",
            )
            for cell in (float("nan"), np.inf, True, None)
        ),
        (
            {"t": Table(("a",), (("x" * 1001,),))},
            "the table 't': row 1, column 'a' has 1,001 characters. Allowed: text of at most 1,000.",
        ),
    ],
)
def test_messages(tables, message):
    with pytest.raises(DimensionError) as caught:
        custom(tables).measure({}, facts())
    assert str(caught.value).partition("dimension 'calm': measure: ")[2] == message


def test_every_table_has_a_value_in_every_cell():
    with pytest.raises(ValueError, match=r"must be 2 cells, one for each column, got 1 cells in row 2"):
        MeasurementRow(
            value=0.5, unit="fraction", tables={"t": {"columns": ("a", "b"), "rows": ((1, 2), (3,))}}
        )
