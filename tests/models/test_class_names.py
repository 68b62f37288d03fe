"""Names of a model's outputs next to the suite's classes."""

import pytest
from support.loaded_models import message

from quba_check.core.classes import Head
from quba_check.models.class_names import head_by_names
from quba_check.models.preprocessing.config import CLASS_NAMES, PreprocessingConfig
from quba_check.models.request import LoadRequest
from quba_check.suites.label_spaces import ClassList

CLASSES = ClassList(("n01", "n02", "n03"), ("grey owl, Strix", "crane", "crane"))
REQUEST = LoadRequest(classes=tuple(CLASSES.names), positions_of=CLASSES.positions_of)
ORDERED = "the outputs are put into the suite's order by their names, as config.json states"
OTHER = "config.json names other classes than the suite, in its order: "


def named(*names: str, head: Head | None = None) -> tuple[tuple[int, ...] | None, tuple[str, ...]]:
    """Return columns and notes for the names of outputs."""
    configs = [PreprocessingConfig({CLASS_NAMES: names}, "config.json"), PreprocessingConfig({}, "a file")]
    found, notes = head_by_names(head or Head(3), configs, REQUEST, spec="net")
    return found.columns, notes


@pytest.mark.parametrize(
    "names",
    [
        CLASSES.names,
        CLASSES.titles,
        ("LABEL_0", "LABEL_1", "LABEL_2"),
        ("0", "1", "2"),
        ("class 0", "class 1", "class 2"),
        ("grey_owl,_Strix", "crane", "crane"),
    ],
)
def test_names_in_the_suites_order_change_nothing(names: tuple[str, ...]) -> None:
    assert named(*names) == (None, ())


def test_names_in_another_order_select_the_outputs() -> None:
    assert named("n03", "grey owl, Strix", "n02") == ((1, 2, 0), (ORDERED,))


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (("owl", "n02", "n03"), "owl for n01"),
        (("owl", "tower", "crane"), "owl for n01, tower for n02"),
        (("crane", "crane", "grey owl"), "crane for n01, grey owl for n03"),
    ],
)
def test_other_names_are_noted(names: tuple[str, ...], note: str) -> None:
    assert named(*names) == (None, (OTHER + note,))


@pytest.mark.parametrize(
    ("names", "moved"),
    [
        (("owl", "n01", "n02"), "owl for n01, n01 for n02, n02 for n03"),
        (("n02", "n01", "n02"), "n02 for n01, n01 for n02, n02 for n03"),
        (("N03", "grey owl, Strix", "tower"), "N03 for n01, grey owl, Strix for n02, tower for n03"),
    ],
)
def test_a_class_of_the_suite_at_another_place_is_refused(names: tuple[str, ...], moved: str) -> None:
    assert message(named, *names) == (
        "net: config.json names outputs in another order than the suite, and not all by its classes, got "
        f"{moved}. Give the suite the names in config.json, or correct them there."
    )


def test_ignored_outputs_and_restrictions_are_found_by_name() -> None:
    ignoring = Head(3, columns=(1, 2, 3), of=4, ignored=(0,))
    assert named("background", *CLASSES.titles, head=ignoring) == (ignoring.columns, ())
    assert named("background", "n01", "n03", "n02", head=ignoring) == ((1, 3, 2), (ORDERED,))
    restricted = Head(3, columns=(0, 2, 4), of=5)
    assert named("n03", "elk", "n01", "emu", "n02", head=restricted) == ((2, 4, 0), (ORDERED,))
    assert message(named, "background", "n01", "n02", "n03", head=Head(3, (0, 1, 2), 4, ignored=(3,))) == (
        "net: ignore cannot be used, got 3, which config.json names 'n03', a class of the suite."
    )


def test_another_number_of_names() -> None:
    assert named("n01", "n02") == (None, ("config.json names 2 classes, the suite has 3",))


def test_no_names() -> None:
    assert head_by_names(Head(3), [], REQUEST, spec="net") == (Head(3), ())


def test_names_of_a_suite_without_lists() -> None:
    configs = [PreprocessingConfig({CLASS_NAMES: ("a", "b")}, "config.json")]
    assert head_by_names(Head(2), configs, LoadRequest(classes=("a", "b")), spec="net") == (Head(2), ())
