"""Waivers and titles of threshold files: what they apply to; see test_faults for what is refused."""

from datetime import date

import pytest
from demands.test_faults import PLACES, SUITE, UNTIL
from support.gate import thresholds

from quba_check.demands import bounds
from quba_check.records.verdict import Waiver

WAIVER = Waiver(until=date(2026, 6, 30), by="ann", reason="r", bound=0.47)


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "today", lambda: date(2026, 6, 30))


def waivers(text: str, **others: str) -> dict[str, Waiver | None]:
    return {demand.name: demand.waiver for demand in thresholds(text, SUITE, **others).demands}


def test_a_waiver_applies_to_one_bound_until_its_last_day() -> None:
    bounds = f"min: 0.5, max_drop: 0.01, waive: {{{UNTIL}, at_least: 47%}}"
    expected = {"accuracy[min]": WAIVER, "accuracy[max_drop]": None}
    assert waivers(f"dimensions: {{accuracy: {{{bounds}}}}}") == expected
    assert str(WAIVER) == "waived until 2026-06-30 by ann: r"


@pytest.mark.parametrize("name", PLACES)
def test_every_bound_can_be_waived(name: str) -> None:
    place = PLACES[name]
    words = PLACES[name].words
    waive = f"waive: {{{UNTIL}, {words['least']}: {words['worse']}}}"
    (waiver,) = waivers(place.text.replace("ENTRY", f"{{{place.bound}: 0.5, {waive}}}")).values()
    assert waiver == WAIVER.model_copy(update={"bound": float(words["worse"])})


@pytest.mark.parametrize(
    ("text", "waived"),
    [
        ("dimensions: {accuracy: {max_drop: 0.1, waive: {UNTIL, at_most: 0.2}}}", "accuracy[max_drop]"),
        (
            "dimensions: {accuracy: {pipeline: app, min: 0.8, max_drop: 0.01, waive: {UNTIL, at_most: 0.1}}}",
            "accuracy@pipeline=app[max_drop]",
        ),
        ("quba: {min_score: 0.5, min_grade: B, waive: {UNTIL, at_least: 0.1}}", "quba.score[min]"),
        ("quba: {min_score: 0.5, min_grade: B, waive: {UNTIL, at_least: D}}", "quba.grade[min]"),
    ],
)
def test_the_worst_value_names_the_waived_bound(text: str, waived: str) -> None:
    assert [name for name, waiver in waivers(text.replace("UNTIL", UNTIL)).items() if waiver] == [waived]


def test_an_extending_file_waives_and_removes() -> None:
    waive = f"waive: {{{UNTIL}, at_least: 0.47}}"
    base = f"dimensions: {{accuracy: {{min: 0.5}}, class_balance: {{min: 0.5, {waive}}}}}"
    text = f"extends: base.yaml\ndimensions: {{accuracy: {{{waive}}}, class_balance: {{waive: null}}}}"
    assert waivers(text, base=base) == {"accuracy[min]": WAIVER, "class_balance[min]": None}


def titles(text: str, **others: str) -> dict[str, str]:
    return {demand.name: demand.title for demand in thresholds(text, SUITE, **others).demands}


@pytest.mark.parametrize("name", PLACES)
def test_every_demand_can_have_a_title(name: str) -> None:
    entry = f'{{{PLACES[name].bound}: 0.5, title: "  a\\tb\u202e"}}'
    (title,) = titles(PLACES[name].text.replace("ENTRY", entry)).values()
    assert title == r"a\tb\u202e"


def test_bounds_of_an_entry_share_a_title_and_no_other_inherits_it() -> None:
    bounds = "min: 0.5, max_drop: 0.1, title: Right, parts: {top5: {min: 0.6}}"
    inner = "slices: {light: {worst: {min: 0.4, title: Any light}, gap: {max: 0.1}}}"
    assert titles(f"dimensions: {{accuracy: {{{bounds}, {inner}}}}}") == {
        "accuracy[min]": "Right",
        "accuracy[max_drop]": "Right",
        "accuracy.top5[min]": "",
        "accuracy@slice=light:worst[min]": "Any light",
        "accuracy@slice=light:gap[max]": "",
    }


def test_an_extending_file_keeps_and_removes_titles() -> None:
    base = "dimensions: {accuracy: {min: 0.5, title: A}, class_balance: {min: 0.5, title: B}}"
    text = "extends: base.yaml\ndimensions: {accuracy: {min: 0.6}, class_balance: {title: null}}"
    assert titles(text, base=base) == {"accuracy[min]": "A", "class_balance[min]": ""}
