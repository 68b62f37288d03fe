"""Threshold files as a whole: keys, defaults, extended files and shipped profiles."""

import json
from pathlib import Path

import pytest
from support.errors import error_text
from support.gate import FACTS, threshold_error, thresholds
from syrupy.assertion import SnapshotAssertion

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.demands import QubaSettings, Thresholds, read_thresholds, shipped_profiles
from quba_check.demands.schema import POPULATIONS
from quba_check.errors import ThresholdError
from quba_check.grading.population_file import BUILT_IN


def summary(thresholds: Thresholds) -> list[tuple[str, float | str, str, int]]:
    return [(demand.name, demand.bound, demand.file, demand.line) for demand in thresholds.demands]


def test_the_whole_format(snapshot: SnapshotAssertion) -> None:
    read = thresholds("""\
name: release gate
protocol: released
dimensions:
  accuracy: {min: 0.75}
  corruption_robustness:
    tier: warn
    optional: true
    parts:
      fog: {min: 5e-1, tier: info}
      severity_5:
        min: 0.3
        optional: false
    min:
      0.45
  parameters: {max: 30}
quba:
  min_grade: C
  min_score: -1
  tier: warn
  weights: {accuracy: 2, shape_bias: 0}
  population: screened
  allow_missing: [object_focus]
""")
    assert (read.name, read.protocol) == ("release gate", "released")
    settings = [(one.tier, one.optional, one.unit, one.better, len(one.parts)) for one in read.demands]
    assert "\n".join(f"{demand} {of}" for demand, of in zip(summary(read), settings, strict=True)) == snapshot
    assert type(read.demands[4].bound) is float
    assert (read.quba.population, read.quba.allow_missing) == ("screened", ("object_focus",))
    assert (read.quba.weights["accuracy"], read.quba.weights["shape_bias"]) == (2, 0)


def test_missing_keys_have_defaults() -> None:
    read = thresholds("dimensions: {accuracy: {min: 0.5}}")
    assert (read.name, read.protocol) == ("x", None)
    third = pytest.approx(1 / 3)
    weights = {"accuracy": 1, "calibration_error": 1, "class_balance": 1, "parameters": 1}
    weights |= {"object_focus": 0.5, "shape_bias": 0.5, "adversarial_robustness": third}
    weights |= {"corruption_robustness": third, "ood_robustness": third}
    assert read.quba == QubaSettings(weights)


PARENT = """\
name: parent
protocol: standard
dimensions:
  accuracy: {min: 0.5}
  shape_bias: {min: 0.2, tier: warn}
  calibration_error: {max: 0.01, parts: {ece: {max: 0.05}, ace: {max: 0.001}}}
quba:
  weights: {accuracy: 2, parameters: 0}
  min_grade: D
"""


def test_extends_keeps_the_order_of_the_parent_and_the_line_of_each_threshold() -> None:
    read = thresholds(
        """\
extends: parent.yaml
quba:
  min_grade: null
  weights: {accuracy: null, object_focus: 3}
dimensions:
  class_balance: {min: 0.7}
  shape_bias: {min: 0.3}
  calibration_error: {parts: {ece: null, ace: {tier: info}}}
""",
        parent=PARENT,
    )
    assert summary(read) == [
        ("accuracy[min]", 0.5, "parent.yaml", 5),
        ("shape_bias[min]", 0.3, "x.yaml", 8),
        ("calibration_error[max]", 0.01, "parent.yaml", 7),
        ("calibration_error.ace[max]", 0.001, "parent.yaml", 7),
        ("class_balance[min]", 0.7, "x.yaml", 7),
    ]
    assert [demand.tier for demand in read.demands] == ["block", "warn", "block", "info", "block"]
    assert (read.protocol, read.name) == ("standard", "x"), "a name is not inherited"
    weights = read.quba.weights
    assert (weights["accuracy"], weights["parameters"], weights["object_focus"]) == (1, 0, 3)


def test_removing_all_of_a_dimension_removes_it() -> None:
    text = "extends: parent.yaml\ndimensions:\n  accuracy: {min: null}\n  shape_bias: null"
    assert thresholds(text, parent=PARENT).demands[0].name == "calibration_error[max]"


def test_masking_is_allowed_by_the_dimension_for_its_parts() -> None:
    read = thresholds("""\
dimensions:
  adversarial_robustness:
    min: 0.1
    allow_masked: true
    parts: {fgsm: {min: 0.1}, pgd: {min: 0.1, allow_masked: false}}
  accuracy: {min: 0.5}
quba: {min_score: 0, allow_other_suite: true}
""")
    assert [demand.allow_masked for demand in read.demands] == [True, True, False, False, False]
    assert (read.quba.allow_masked, read.quba.allow_other_suite) == (True, True)
    assert not thresholds("quba: {min_score: 0}").quba.allow_other_suite


@pytest.mark.parametrize(("size", "allowed"), [("8/255", True), ("4/255", False)])
def test_the_grade_allows_masking_at_its_own_size_of_attacks(size: str, allowed: bool) -> None:
    entry = f"{{epsilon: {size}, allow_masked: true, min: 0.1}}"
    for text in (entry, f"[{entry}]"):
        read = thresholds(f"dimensions: {{adversarial_robustness: {text}}}\nquba: {{min_score: 0}}")
        assert read.quba.allow_masked is allowed


def test_extends_over_several_files() -> None:
    read = thresholds(
        "extends: middle.yaml",
        middle="extends: ./parent.yaml\ndimensions: {accuracy: {min: 0.6}}",
        parent=PARENT,
    )
    assert [(one.kind, one.path) for one in read.inputs] == [
        ("threshold file", "x.yaml"),
        ("extended threshold file", "middle.yaml"),
        ("extended threshold file", "parent.yaml"),
    ]
    assert summary(read)[:2] == [
        ("accuracy[min]", 0.6, "middle.yaml", 3),
        ("shape_bias[min]", 0.2, "parent.yaml", 6),
    ]


def test_extending_a_shipped_profile() -> None:
    read = thresholds("extends: mobile\ndimensions: {accuracy: {min: 0.9}}")
    places = {demand.dimension: demand.file for demand in read.demands if demand.part is None}
    assert places["accuracy"] == "x.yaml"
    assert places["parameters"] == "quba_check/thresholds/mobile.yaml"
    assert places["calibration_error"] == "quba_check/thresholds/default.yaml"


def default(folder: Path, extends: str) -> Thresholds:
    """Read a file with the name of a shipped profile."""
    path = folder / "thresholds" / "default.yaml"
    path.parent.mkdir()
    path.write_text(f"schema: 1\nextends: {extends}\ndimensions: {{accuracy: {{min: 0.9}}}}\n")
    return read_thresholds(path, label="thresholds/default.yaml", suite=FACTS)


@pytest.mark.parametrize("name", ["default.yaml", "quba_check/thresholds/default.yaml", "default"])
def test_a_file_named_as_a_shipped_profile_extends_that(tmp_path: Path, name: str) -> None:
    files = {demand.name: demand.file for demand in default(tmp_path, name).demands}
    assert files["accuracy[min]"] == "thresholds/default.yaml"
    assert files["shape_bias[min]"] == "quba_check/thresholds/default.yaml"


@pytest.mark.parametrize("name", ["./default.yaml", "../thresholds/default.yaml"])
def test_a_path_to_the_file_itself_is_a_cycle(tmp_path: Path, name: str) -> None:
    assert error_text(ThresholdError, default, tmp_path, name) == (
        "thresholds/default.yaml:2: the files extend each other: thresholds/default.yaml → "
        "thresholds/default.yaml."
    )


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (
            {"default": "extends: x.yaml"},
            "default.yaml:2: the files extend each other: x.yaml → default.yaml → x.yaml.",
        ),
        (
            {"default": "\nextends: b.yaml", "b": "\n\nextends: default.yaml"},
            "b.yaml:4: the files extend each other: default.yaml → b.yaml → default.yaml.",
        ),
        (
            {"default": "dimensions:\n  accuracy: {min: 3}"},
            "default.yaml:3: accuracy min 3 can never be met: fractions end at 1. Did you mean 0.03?",
        ),
    ],
)
def test_errors_of_extended_files_have_their_line(others: dict[str, str], message: str) -> None:
    assert threshold_error("extends: default.yaml", **others) == message


def test_an_error_of_merged_keys_names_the_extending_file() -> None:
    weights = dict.fromkeys(PUBLISHED_DIMENSIONS, 0) | {"accuracy": 1}
    base = f"quba: {json.dumps({'min_grade': 'B', 'weights': weights})}"
    message = "x.yaml:4: quba.weights: all dimensions weigh 0. Allowed: at least one above 0."
    assert threshold_error("extends: base.yaml\n\nquba: {weights: {accuracy: 0}}", base=base) == message


def test_a_long_chain_of_files() -> None:
    others = {f"f{number}": f"extends: f{number + 1}.yaml" for number in range(21)}
    message = "f18.yaml:2: a chain of more than 20 files that extend each other."
    assert threshold_error("extends: f0.yaml", **others) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "schema: 2\nfuture: 1\n",
            "1: schema: got 2. Allowed: 1. Use the version of quba-check that the file was written for.",
        ),
        (
            "future: 1\nschema: 0\n",
            "2: schema: got 0. Allowed: 1. Use the version of quba-check that the file was written for.",
        ),
        ("schema: true\n", "1: schema: got true. Allowed: 1."),
        ("dimensions: {}\n", "1: the key 'schema' is missing."),
        ("", "1: the file is empty. Allowed: keys with values."),
        (None, " there is no such file."),
    ],
)
def test_files_of_another_form(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "x.yaml"
    if content is not None:
        path.write_text(content)
    text = error_text(ThresholdError, read_thresholds, path, label="x.yaml", suite=FACTS)
    assert text == f"x.yaml:{message}"


def test_a_baseline_is_a_name_or_starts_at_the_folder_of_its_file(tmp_path: Path) -> None:
    stated = {"release": "release", "s3://b/base": "s3://b/base", "../base": str(tmp_path / "../base")}
    for text, baseline in stated.items():
        (tmp_path / "x.yaml").write_text(f"schema: 1\nbaseline: {text}\ndimensions: {{size: {{max: 9}}}}\n")
        assert read_thresholds(tmp_path / "x.yaml", label="x.yaml", suite=FACTS).baseline == baseline


def test_a_population_file_is_next_to_the_threshold_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "fleet.json").write_text("{}")
    (tmp_path / "base" / "b.yaml").write_text("schema: 1\nquba: {population: fleet.json, min_score: 0}\n")
    (tmp_path / "x.yaml").write_text("schema: 1\nextends: base/b.yaml\nquba: {min_score: 1}\n")
    read = read_thresholds(tmp_path / "x.yaml", label="x.yaml", suite=FACTS)
    assert Path(read.quba.population) == (tmp_path / "base" / "fleet.json").resolve()
    assert set(POPULATIONS) == set(BUILT_IN)


@pytest.mark.parametrize("name", shipped_profiles())
def test_shipped_profiles_are_valid(name: str) -> None:
    path = shipped_profiles()[name]
    read = read_thresholds(path, label=path.name, suite=FACTS)
    assert read.protocol == "standard"
    assert len({demand.dimension for demand in read.demands}) >= (4 if name == "own-data" else 8)


def test_bounds_in_percent_and_large_ones(snapshot: SnapshotAssertion) -> None:
    read = thresholds("""
dimensions:
  accuracy: {min: 60%, max_drop: 1.5 %, max_relative_drop: 99%, parts: {top5: {min: 90%}}}
  corruption_robustness: {min: 50%, max_drop: 1}
  calibration_error: {max: 3%, max_relative_drop: 150%, parts: {nll: {max_drop: 104}, brier: {max_drop: 1.9}}}
  parameters: {max: 30, max_drop: 2, max_relative_drop: 5%}
classes: {each: {recall: {min: 40%}}}
parity: {negative_flips: {max_drop: 99%, max_relative_drop: 100%}}
""")
    assert {demand.name: demand.bound for demand in read.demands} == snapshot
