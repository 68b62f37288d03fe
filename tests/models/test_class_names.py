"""Names of a model's outputs next to the suite's classes."""

from __future__ import annotations

import pytest

from quba_check.core.classes import Head
from quba_check.models.class_names import CLASS_NAMES, head_by_names
from quba_check.models.preprocessing.config import PreprocessingConfig

CLASSES = ("n01", "n02", "n03")
TITLES = ("grey owl, Strix", "crane", "crane, machine")


def named(*names: str, head: Head | None = None) -> tuple[tuple[int, ...] | None, tuple[str, ...]]:
    """Return columns and notes for the names of outputs."""
    configs = [PreprocessingConfig({CLASS_NAMES: names}, "config.json"), PreprocessingConfig({}, "a file")]
    found, notes = head_by_names(head or Head(3), configs, CLASSES, TITLES)
    return found.columns, notes


@pytest.mark.parametrize(
    "names",
    [
        CLASSES,
        TITLES,
        ("Grey_Owl", "Crane", "crane, machine"),
        ("LABEL_0", "LABEL_1", "LABEL_2"),
        ("0", "1", "2"),
        ("class 0", "class 1", "class 2"),
    ],
)
def test_names_in_the_suites_order_change_nothing(names: tuple[str, ...]) -> None:
    assert named(*names) == (None, ())


def test_names_in_another_order_select_the_outputs() -> None:
    columns, notes = named("crane, machine", "grey owl", "crane")
    assert columns == (1, 2, 0)
    assert notes == ("the outputs are put into the suite's order by their names, as config.json states",)


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (("owl", "crane", "crane, machine"), "owl for n01"),
        (("crane", "grey owl", "crane"), "crane for n01, grey owl for n02, crane for n03"),
    ],
)
def test_other_names_are_noted(names: tuple[str, ...], note: str) -> None:
    columns, notes = named(*names)
    assert columns is None
    assert notes == (f"config.json names other classes than the suite, in its order: {note}",)


def test_restricted_outputs_keep_their_order() -> None:
    head = Head(3, columns=(1, 2, 3), of=4, ignored=(0,))
    assert named("background", *TITLES, head=head) == (head.columns, ())
    columns, (note,) = named("background", *reversed(TITLES), head=head)
    assert columns == (1, 2, 3)
    assert note.endswith("crane, machine for n01, grey owl, Strix for n03")


def test_another_number_of_names() -> None:
    assert named("grey owl", "crane") == (None, ("config.json names 2 classes, the suite has 3",))


def test_no_names() -> None:
    assert head_by_names(Head(3), [], CLASSES, ()) == (Head(3), ())
