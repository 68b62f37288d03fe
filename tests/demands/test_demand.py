"""Names of demands; their digest: by hand, unchanged by form, changed by whatever can change a verdict."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.gate import thresholds
from support.requests import value

from quba_check.demands import Demand
from quba_check.demands.bounds import today

BASE = (
    "dimensions: {accuracy: {min: 0.9, max_drop: 0.01, slices: {light: {worst: {min: 0.5}}}}, "
    "adversarial_robustness: {min: 0.1}}\n"
    "quba: {min_grade: C}"
)


def digest(text: str, **others: str) -> str | None:
    return thresholds(text, **others).inputs[0].demands


def test_by_hand() -> None:
    text = "protocol: standard\nuncertain: fail\ndimensions: {parameters: {max: 5}, accuracy: {min: 0.9}}"
    expected = (
        '{"confidence":0.95,"demands":[["accuracy","min",0.9,"block",false,false],'
        '["parameters","max",5.0,"block",false,false]],"protocol":"standard","quba":null,"uncertain":"fail"}'
    )
    assert digest(text) == hashlib.sha256(expected.encode()).hexdigest()


def test_thresholds_of_classes_are_in_the_digest() -> None:
    text = "answers: {at: {probability: {class 0: 0.5, default: LEVEL}}, share: {min: 0.5}}"
    levels = [text.replace("LEVEL", level) for level in ("0.5", "0.50", "0.6")]
    assert [digest(one) == digest(levels[0]) for one in levels] == [True, True, False]


def test_a_new_setting_of_the_grade_leaves_the_digests_of_earlier_files() -> None:
    """The literal was written before `allow_transferred`."""
    assert digest("quba: {min_score: 0}\ndimensions: {accuracy: {min: 0.5}}") == (
        "7bb7e392fada5c133f34c6f937b64b51e838584fff225a39cc08cf5003ab33aa"
    )


@pytest.mark.parametrize(
    "text",
    [
        f"# words\nname: x\n{BASE}",
        "extends: base.yaml",
        "extends: base.yaml\ndimensions: {accuracy: {min: 0.90}}\nuncertain: point\nconfidence: 0.95",
        "extends: more.yaml\ndimensions: {parameters: null}",
        "extends: base.yaml\ndimensions: {accuracy: {slices: {light: {min_images: 50}}}}",
        BASE.replace("{min_grade: C}", "{min_grade: C, weights: {accuracy: 1}}"),
        "\n".join(reversed(BASE.replace("min: 0.9, max_drop: 0.01", "max_drop: 0.01, min: 0.9").split("\n"))),
    ],
)
def test_the_same_demands(text: str) -> None:
    more = BASE.replace("dimensions: {", "dimensions: {parameters: {max: 3}, ")
    assert digest(text, base=BASE, more=more) == digest(BASE)


@pytest.mark.parametrize(
    "text",
    [
        "dimensions: {accuracy: null}",
        "dimensions: {accuracy: {min: 0.8}}",
        "dimensions: {accuracy: {max_drop: 0.02}}",
        "dimensions: {accuracy: {tier: warn}}",
        "dimensions: {accuracy: {optional: true}}",
        "dimensions: {accuracy: {slices: {light: {min_images: 49}}}}",
        "dimensions: {accuracy: {slices: {light: {min_groups: 9}}}}",
        f"dimensions: {{accuracy: {{waive: {{until: {today()}, by: ann, reason: r, at_least: 0.4}}}}}}",
        "dimensions: {adversarial_robustness: {allow_masked: true}}",
        "dimensions: {parameters: {max: 3}}",
        "protocol: standard",
        "uncertain: fail",
        "confidence: 0.9",
        "predictions: fresh",
        "quba: {weights: {accuracy: 2}}",
        "quba: {population: demo}",
        "quba: {population: POPULATION}",
        "quba: {allow_missing: [shape_bias]}",
        "quba: {allow_other_suite: true}",
        "quba: {allow_transferred: true}",
        "quba: {min_grade: D}",
    ],
)
def test_other_demands(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.json").write_text("{}")
    changed = text.replace("POPULATION", str(tmp_path / "p.json"))
    assert digest(f"extends: base.yaml\n{changed}", base=BASE) != digest(BASE)


def test_the_order_of_missing_dimensions_does_not_count() -> None:
    first, second = (
        digest(f"quba: {{min_score: 0, allow_missing: [{names}]}}")
        for names in ("shape_bias, object_focus", "object_focus, shape_bias")
    )
    assert first == second


def test_the_value_and_the_day_of_a_waiver_count() -> None:
    waive = "dimensions: {{accuracy: {{min: 0.5, waive: {{until: {}, by: {}, reason: r, at_least: {}}}}}}}"
    tomorrow = today() + timedelta(days=1)
    first, same, *others = (
        digest(waive.format(day, by, least))
        for day, by, least in (
            *((today(), "ann", 0.4), (today(), "bo", 0.4)),
            *((today(), "ann", 0.3), (tomorrow, "ann", 0.4)),
        )
    )
    assert first == same
    assert first not in others


def test_a_title_does_not_count() -> None:
    entry = "dimensions: {{accuracy: {{min: 0.5{}}}}}"
    assert digest(entry.format(", title: Right")) == digest(entry.format(""))


def test_a_population_file_counts_by_its_bytes(tmp_path: Path) -> None:
    text = f"quba: {{min_score: 0, population: {tmp_path}/p.json}}"
    (tmp_path / "p.json").write_text("{}")
    first = digest(text)
    (tmp_path / "q.json").write_text("{}")
    assert digest(text.replace("p.json", "q.json")) == first
    (tmp_path / "p.json").write_text("{ }")
    assert digest(text) != first


def test_names():
    whole = Demand(value("accuracy"), "min", 0.5, "block", False, "t.yaml", 3)
    part = Demand(value("calibration_error", "ece", better="low"), "max", 0.1, "warn", False, "t.yaml", 4)
    assert (whole.target, whole.name, whole.source_line) == ("accuracy", "accuracy[min]", "t.yaml:3")
    assert (part.target, part.name) == ("calibration_error.ece", "calibration_error.ece[max]")


def test_the_source_line_is_a_path_that_opens_from_the_current_folder(tmp_path, monkeypatch):
    folder = tmp_path / "project" / "thresholds"
    folder.mkdir(parents=True)
    path = folder / ".." / "thresholds" / "default.yaml"
    shipped = "quba_check/thresholds/default.yaml"
    demand = Demand(value("accuracy"), "min", 0.5, "block", False, shipped, 3)
    placed = replace(demand, path=path)
    monkeypatch.chdir(tmp_path / "project")
    assert placed.source_line == "thresholds/default.yaml:3"
    monkeypatch.chdir(folder)
    assert placed.source_line == "default.yaml:3"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert placed.source_line == f"{folder.resolve() / 'default.yaml'}:3"
    assert (demand.source_line, placed.file) == (f"{shipped}:3", shipped)


def test_a_higher_error_is_a_worsening_and_no_drop():
    whole = Demand(value("accuracy"), "max_drop", 0.02, "block", False, "t.yaml", 3)
    error = Demand(value("calibration_error", better="low"), "max_drop", 0.02, "block", False, "t.yaml", 4)
    assert (whole.bound_text, error.bound_text) == ("drop <= 0.02", "worsening <= 0.02")
    assert replace(error, key="max_relative_drop").bound_text == "relative worsening <= 0.02"
