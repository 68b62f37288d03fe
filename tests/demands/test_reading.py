from pathlib import Path

import pytest

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.facts import SuiteFacts
from quba_check.core.view import CORRUPTIONS
from quba_check.demands import QubaSettings, read_thresholds, shipped_profiles
from quba_check.demands.schema import POPULATIONS
from quba_check.errors import ThresholdError
from quba_check.grading.population_file import BUILT_IN

SUITE = SuiteFacts("toys", 10, ("imagenet_r", "sketch"), CORRUPTIONS, {})
DIMENSIONS = ", ".join(PUBLISHED_DIMENSIONS)
WEIGHTLESS = ", ".join(f"{name}: 0" for name in PUBLISHED_DIMENSIONS)
SHIPPED = "default, mobile, own-data, safety-critical, server"


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def read(text, **others):
        folder = tmp_path / "thresholds"
        folder.mkdir(exist_ok=True)
        for name, content in {"gate": text, **others}.items():
            (folder / f"{name}.yaml").write_text(content)
        return read_thresholds(folder / "gate.yaml", label="thresholds/gate.yaml", suite=SUITE)

    return read


def summary(thresholds):
    return [(demand.name, demand.threshold, demand.source_line) for demand in thresholds.demands]


def test_the_whole_format(read):
    thresholds = read("""\
schema: 1
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
    assert thresholds.name == "release gate"
    assert thresholds.protocol == "released"
    assert summary(thresholds) == [
        ("accuracy[min]", 0.75, "thresholds/gate.yaml:5"),
        ("corruption_robustness.fog[min]", 0.5, "thresholds/gate.yaml:10"),
        ("corruption_robustness.severity_5[min]", 0.3, "thresholds/gate.yaml:12"),
        ("corruption_robustness[min]", 0.45, "thresholds/gate.yaml:15"),
        ("parameters[max]", 30.0, "thresholds/gate.yaml:16"),
        ("quba.grade[min]", "C", "thresholds/gate.yaml:18"),
        ("quba.score[min]", -1.0, "thresholds/gate.yaml:19"),
    ]
    accuracy, fog, worst, corruption, parameters, grade, score = thresholds.demands
    assert (accuracy.tier, accuracy.optional, accuracy.unit, accuracy.better) == (
        "block",
        False,
        "fraction",
        "high",
    )
    assert (fog.tier, fog.optional, fog.unit) == ("info", True, "ratio")
    assert (worst.tier, worst.optional) == ("warn", False)
    assert (corruption.tier, corruption.optional) == ("warn", True)
    assert [part.name for part in corruption.parts][:2] == ["gaussian_noise", "shot_noise"]
    assert fog.parts == ()
    assert (parameters.unit, parameters.better, parameters.parts) == ("millions", "low", ())
    assert {grade.tier, score.tier} == {"warn"}
    assert (grade.dimension, grade.part, grade.better) == ("quba", "grade", "high")
    assert type(parameters.threshold) is float
    assert thresholds.quba.population == "screened"
    assert thresholds.quba.allow_missing == ("object_focus",)
    assert thresholds.quba.weights["accuracy"] == 2
    assert thresholds.quba.weights["shape_bias"] == 0


def test_missing_keys_have_defaults(read):
    thresholds = read("schema: 1\ndimensions: {accuracy: {min: 0.5}}\n")
    assert thresholds.name == "gate"
    assert thresholds.protocol is None
    third = pytest.approx(1 / 3)
    assert thresholds.quba == QubaSettings(
        {
            "accuracy": 1,
            "adversarial_robustness": third,
            "corruption_robustness": third,
            "ood_robustness": third,
            "calibration_error": 1,
            "class_balance": 1,
            "object_focus": 0.5,
            "shape_bias": 0.5,
            "parameters": 1,
        },
        "published",
        (),
    )


PARENT = """\
schema: 1
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


def test_extends_keeps_the_order_of_the_parent_and_the_line_of_each_threshold(read):
    thresholds = read(
        """\
schema: 1
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
    assert summary(thresholds) == [
        ("accuracy[min]", 0.5, "thresholds/parent.yaml:5"),
        ("shape_bias[min]", 0.3, "thresholds/gate.yaml:8"),
        ("calibration_error[max]", 0.01, "thresholds/parent.yaml:7"),
        ("calibration_error.ace[max]", 0.001, "thresholds/parent.yaml:7"),
        ("class_balance[min]", 0.7, "thresholds/gate.yaml:7"),
    ]
    assert [demand.tier for demand in thresholds.demands] == ["block", "warn", "block", "info", "block"]
    assert thresholds.protocol == "standard"
    assert thresholds.name == "gate", "a name is not inherited"
    weights = thresholds.quba.weights
    assert (weights["accuracy"], weights["parameters"], weights["object_focus"]) == (1, 0, 3)


def test_removing_all_of_a_dimension_removes_it(read):
    thresholds = read(
        "schema: 1\nextends: parent.yaml\ndimensions:\n  accuracy: {min: null}\n  shape_bias: null\n",
        parent=PARENT,
    )
    names = [demand.name for demand in thresholds.demands]
    assert names[0] == "calibration_error[max]"


def test_masking_is_allowed_by_the_dimension_for_its_parts(read):
    thresholds = read("""\
schema: 1
dimensions:
  adversarial_robustness:
    min: 0.1
    allow_masked: true
    parts: {fgsm: {min: 0.1}, pgd: {min: 0.1, allow_masked: false}}
  accuracy: {min: 0.5}
quba: {min_score: 0, allow_other_suite: true}
""")
    assert [demand.allow_masked for demand in thresholds.demands] == [True, True, False, False, False]
    assert (thresholds.quba.allow_masked, thresholds.quba.allow_other_suite) == (True, True)
    assert not read("schema: 1\nquba: {min_score: 0}\n").quba.allow_other_suite


def test_extends_over_several_files(read):
    thresholds = read(
        "schema: 1\nextends: middle.yaml\n",
        middle="schema: 1\nextends: ../thresholds/parent.yaml\ndimensions: {accuracy: {min: 0.6}}\n",
        parent=PARENT,
    )
    assert summary(thresholds)[:2] == [
        ("accuracy[min]", 0.6, "thresholds/middle.yaml:3"),
        ("shape_bias[min]", 0.2, "thresholds/parent.yaml:6"),
    ]


def test_extending_a_shipped_profile(read):
    thresholds = read("schema: 1\nextends: mobile\ndimensions: {accuracy: {min: 0.9}}\n")
    places = {demand.dimension: demand.file for demand in thresholds.demands if demand.part is None}
    assert places["accuracy"] == "thresholds/gate.yaml"
    assert places["parameters"] == "quba_check/thresholds/mobile.yaml"
    assert places["calibration_error"] == "quba_check/thresholds/default.yaml"


@pytest.mark.parametrize("name", ["default.yaml", "quba_check/thresholds/default.yaml", "default"])
def test_a_file_named_as_a_shipped_profile_extends_that(tmp_path, name):
    path = tmp_path / "thresholds" / "default.yaml"
    path.parent.mkdir()
    path.write_text(f"schema: 1\nextends: {name}\ndimensions: {{accuracy: {{min: 0.9}}}}\n")
    thresholds = read_thresholds(path, label="thresholds/default.yaml", suite=SUITE)
    files = {demand.name: demand.file for demand in thresholds.demands}
    assert files["accuracy[min]"] == "thresholds/default.yaml"
    assert files["shape_bias[min]"] == "quba_check/thresholds/default.yaml"


@pytest.mark.parametrize("name", ["./default.yaml", "../thresholds/default.yaml"])
def test_a_path_to_the_file_itself_is_a_cycle(tmp_path, name):
    path = tmp_path / "thresholds" / "default.yaml"
    path.parent.mkdir()
    path.write_text(f"schema: 1\nextends: {name}\n")
    with pytest.raises(ThresholdError) as caught:
        read_thresholds(path, label="thresholds/default.yaml", suite=SUITE)
    assert str(caught.value) == (
        "thresholds/default.yaml:2: the files extend each other: thresholds/default.yaml → "
        "thresholds/default.yaml."
    )


def test_a_cycle_through_a_file_named_as_a_shipped_profile(read):
    with pytest.raises(ThresholdError) as caught:
        read("schema: 1\nextends: default.yaml\n", default="schema: 1\nextends: gate.yaml\n")
    assert str(caught.value) == (
        "thresholds/default.yaml:2: the files extend each other: "
        "thresholds/gate.yaml → thresholds/default.yaml → thresholds/gate.yaml."
    )


def test_a_population_file_is_relative_to_the_threshold_file(read, tmp_path):
    (tmp_path / "thresholds").mkdir()
    (tmp_path / "thresholds" / "fleet.json").write_text("{}")
    thresholds = read("schema: 1\nquba: {min_score: 0, population: fleet.json}\n")
    assert Path(thresholds.quba.population) == (tmp_path / "thresholds" / "fleet.json").resolve()


def test_population_names_are_those_of_grading():
    assert set(POPULATIONS) == set(BUILT_IN)


@pytest.mark.parametrize("name", SHIPPED.split(", "))
def test_shipped_profiles_are_valid(name):
    path = shipped_profiles()[name]
    thresholds = read_thresholds(path, label=path.name, suite=SUITE)
    assert thresholds.protocol == "standard"
    assert len({demand.dimension for demand in thresholds.demands}) >= (4 if name == "own-data" else 8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # form
        ("schema: 2\nfuture: 1\n", "1: schema 2 is newer than this version of quba-check reads. Allowed: 1."),
        ("schema: true\n", "1: schema: got true. Allowed: 1."),
        ("dimensions: {}\n", "1: the key 'schema' is missing."),
        (
            "schema: 1\ndimension:\n  accuracy: {min: 0.5}\n",
            "2: unknown key 'dimension'. Did you mean 'dimensions'? "
            "Allowed: schema, name, extends, protocol, baseline, uncertain, confidence, dimensions, classes, "
            "answers, "
            "parity, serving, quba.",
        ),
        (
            "schema: 1\ndimensions:\n  accuracy:\n    min: 0.5\n    tiers: warn\n",
            "5: dimensions.accuracy: unknown key 'tiers'. Did you mean 'tier'? "
            "Allowed: min, max, max_drop, max_relative_drop, tier, optional, waive, parts, slices.",
        ),
        (
            "schema: 1\ndimensions:\n  adversarial_robustness: {allow_masked: true}\n",
            "3: dimensions.adversarial_robustness.allow_masked: it applies to no demand. "
            "Allowed: together with min or max or parts or slices.",
        ),
        (
            "schema: 1\ndimensions:\n  accuracy: {min: abc}\n",
            "3: dimensions.accuracy.min: got text 'abc'. Allowed: a number, or a percentage such as 2%.",
        ),
        ("schema: 1\nquba: {min_grade: E}\n", "2: quba.min_grade: got text 'E'. Allowed: A, B, C, D, F."),
        # vocabulary
        (
            "schema: 1\ndimensions:\n  acuracy: {min: 0.5}\n",
            f"3: unknown dimension 'acuracy'. Did you mean 'accuracy'? Allowed: {DIMENSIONS}, "
            "answers, classes, flops, parity, serving, size, unknown_detection.",
        ),
        (
            "schema: 1\ndimensions:\n  ood_robustness:\n    parts:\n      sketsch: {min: 0.5}\n",
            "5: ood_robustness has no part 'sketsch'. Did you mean 'sketch'? "
            "Allowed on the suite 'toys': imagenet_r, sketch.",
        ),
        (
            "schema: 1\ndimensions:\n  ood_robustness: {parts: {sketch_accuracy: {min: 0.5}}}\n",
            "3: ood_robustness.sketch_accuracy is for reports only, not for demands. "
            "Allowed on the suite 'toys': imagenet_r, sketch.",
        ),
        (
            "schema: 1\ndimensions:\n  parameters: {parts: {trainable: {max: 3}}}\n",
            "3: parameters.trainable is for reports only, not for demands. "
            "Allowed on the suite 'toys': demands on parameters itself.",
        ),
        (
            "schema: 1\ndimensions:\n  calibration_error: {min: 0.01}\n",
            "3: calibration_error min: lower is better here. Allowed: max.",
        ),
        (
            "schema: 1\ndimensions:\n  accuracy: {max: 0.9}\n",
            "3: accuracy max: higher is better here. Allowed: min.",
        ),
        (
            "schema: 1\ndimensions:\n  accuracy:\n    min:\n      75\n",
            "5: accuracy min 75 can never be met: fractions end at 1. Did you mean 0.75?",
        ),
        (
            "schema: 1\ndimensions:\n  accuracy: {min: 750}\n",
            "3: accuracy min 750 can never be met: fractions end at 1.",
        ),
        (
            "schema: 1\ndimensions:\n  accuracy: {min: -0.1}\n",
            "3: accuracy min -0.1 would always be met: fractions begin at 0.",
        ),
        (
            "schema: 1\ndimensions:\n  calibration_error: {max: 5}\n",
            "3: calibration_error max 5 would always be met: fractions end at 1. Did you mean 0.05?",
        ),
        (
            "schema: 1\ndimensions:\n  calibration_error: {max: -1}\n",
            "3: calibration_error max -1 can never be met: fractions begin at 0.",
        ),
        (
            "schema: 1\ndimensions:\n  calibration_error: {parts: {nll: {max: -0.5}}}\n",
            "3: calibration_error.nll max -0.5 can never be met: nats begin at 0.",
        ),
        (
            "schema: 1\ndimensions:\n  calibration_error: {parts: {brier: {max: 2.5}}}\n",
            "3: calibration_error.brier max 2.5 would always be met: squared errors end at 2.",
        ),
        (
            "schema: 1\ndimensions:\n  corruption_robustness: {parts: {fog: {min: 45}}}\n",
            "3: corruption_robustness.fog min 45 is out of reach: ratios are near 1. Did you mean 0.45?",
        ),
        (
            "schema: 1\ndimensions:\n  parameters: {max: 25600000}\n",
            "3: parameters max 25600000 is out of reach: the unit is millions. Did you mean 25.6?",
        ),
        (
            "schema: 1\ndimensions:\n  parameters: {max: -3}\n",
            "3: parameters max -3 can never be met: millions begin at 0.",
        ),
        (
            "schema: 1\ndimensions:\n  size: {parts: {file: {max: 5000000}}}\n",
            "3: size.file max 5000000 is out of reach: the unit is megabytes. Did you mean 5?",
        ),
        (
            "schema: 1\ndimensions:\n  flops: {max: -3}\n",
            "3: flops max -3 can never be met: gigaflops begin at 0.",
        ),
        (
            "schema: 1\nquba:\n  weights:\n    accuracy: -1\n",
            "4: quba.weights.accuracy: got -1. Allowed: 0, or a number from 0.000001 to 1,000,000.",
        ),
        (
            f"schema: 1\nextends: {'x' * 300}\n",
            f"2: extends: {'x' * 300}: cannot be read (File name too long).",
        ),
        (
            "schema: 1\nquba: {weights: {fairness: 1}}\n",
            f"2: quba.weights: 'fairness' is not in the QUBA score. Allowed: {DIMENSIONS}.",
        ),
        (
            "schema: 1\nquba:\n  allow_missing:\n    - shapebias\n",
            "4: quba.allow_missing: 'shapebias' is not in the QUBA score. "
            f"Allowed: {DIMENSIONS}. Did you mean 'shape_bias'?",
        ),
        (
            "schema: 1\nquba: {min_score: 0, population: publisched}\n",
            "2: quba.population: no such name or file, got 'publisched'. Did you mean 'published'? "
            "Allowed: published, screened, demo, or a population file next to this one.",
        ),
        (
            f"schema: 1\nquba:\n  weights: {{{WEIGHTLESS}}}\n  min_score: 0\n",
            "3: quba.weights: all dimensions weigh 0. Allowed: at least one above 0.",
        ),
        # nothing demanded
        ("", "1: the file is empty. Allowed: keys with values."),
        (
            "schema: 1\nname: empty\n",
            "1: the file demands nothing. "
            "Allowed: a min, max or drop under dimensions, classes, answers, parity, serving, "
            "quba.min_score, quba.min_grade.",
        ),
        (
            "schema: 1\ndimensions:\n  accuracy: {}\n",
            "3: accuracy: nothing is demanded. Allowed: min, max, max_drop or max_relative_drop.",
        ),
        (
            "schema: 1\ndimensions:\n  shape_bias:\n  accuracy: {min: 0.5}\n",
            ("3: dimensions.shape_bias: null removes a key of the extended file, which has no such key."),
        ),
        (
            "schema: 1\ndimensions:\n  accuracy:\n    tier: warn\n",
            "4: dimensions.accuracy.tier: it applies to no demand. "
            "Allowed: together with min or max or parts or slices.",
        ),
        (
            "schema: 1\ndimensions:\n  accuracy: {min: 0.5, parts: {top5: {optional: true}}}\n",
            "3: dimensions.accuracy.parts.top5.optional: it applies to no demand. "
            "Allowed: together with min or max.",
        ),
        (
            "schema: 1\nquba: {tier: warn}\n",
            ("2: quba.tier: it applies to no demand. Allowed: together with min_score or min_grade."),
        ),
        # extends
        (
            "schema: 1\nextends: moble.yaml\n",
            "2: extends: moble.yaml: there is no such threshold file, and no shipped profile of that "
            f"name. Did you mean 'mobile'? Shipped: {SHIPPED}.",
        ),
        (
            "schema: 1\nextends: gate.yaml\n",
            "2: the files extend each other: thresholds/gate.yaml → thresholds/gate.yaml.",
        ),
    ],
)
def test_errors(read, text, message):
    with pytest.raises(ThresholdError) as caught:
        read(text)
    assert str(caught.value) == f"thresholds/gate.yaml:{message}"


def test_a_cycle(read):
    with pytest.raises(ThresholdError) as caught:
        read(
            "schema: 1\nextends: a.yaml\n",
            a="schema: 1\n\nextends: b.yaml\n",
            b="schema: 1\n\n\nextends: a.yaml\n",
        )
    assert str(caught.value) == (
        "thresholds/b.yaml:4: the files extend each other: "
        "thresholds/a.yaml → thresholds/b.yaml → thresholds/a.yaml."
    )


def test_an_error_in_the_extended_file_has_its_line(read):
    with pytest.raises(ThresholdError) as caught:
        read("schema: 1\nextends: a.yaml\n", a="schema: 1\ndimensions:\n  accuracy: {min: 3}\n")
    assert str(caught.value) == (
        "thresholds/a.yaml:3: accuracy min 3 can never be met: fractions end at 1. Did you mean 0.03?"
    )


def test_a_missing_file(tmp_path):
    with pytest.raises(ThresholdError) as caught:
        read_thresholds(tmp_path / "x.yaml", label="x.yaml", suite=SUITE)
    assert str(caught.value) == "x.yaml: there is no such file."


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("max_drop: -0.1", "max_drop: got -0.1. Allowed: at least 0."),
        ("max_drop: -2%", "max_drop: got text '-2%'. Allowed: at least 0."),
        (
            "max_relative_drop: 2 percent",
            "max_relative_drop: got text '2 percent'. Allowed: a number, or a percentage such as 2%.",
        ),
        (
            "max_relative_drop: 1e999%",
            "max_relative_drop: got text '1e999%'. Allowed: a number, or a percentage such as 2%.",
        ),
        ("max_relative_drop: -2%", "max_relative_drop: got text '-2%'. Allowed: at least 0."),
    ],
)
def test_invalid_drops(read, entry, message):
    with pytest.raises(ThresholdError) as caught:
        read(f"schema: 1\ndimensions:\n  accuracy: {{{entry}}}\n")
    assert str(caught.value) == f"thresholds/gate.yaml:3: dimensions.accuracy.{message}"


@pytest.mark.parametrize(
    ("name", "entry", "meant"),
    [
        ("accuracy", "max_drop: 2", " Did you mean 0.02?"),
        ("accuracy", "max_drop: 1.0", " Did you mean 0.01?"),
        ("accuracy", "max_relative_drop: 5", " Did you mean 0.05?"),
        ("accuracy", "max_relative_drop: 100%", " Did you mean 0.01?"),
        ("corruption_robustness", "max_relative_drop: 200", ""),
    ],
)
def test_drops_that_leave_nothing(read, name, entry, meant):
    with pytest.raises(ThresholdError) as caught:
        read(f"schema: 1\ndimensions:\n  {name}: {{{entry}}}\n")
    assert str(caught.value) == (
        f"thresholds/gate.yaml:3: {name} {entry.replace(':', '')} would always be met: "
        f"a drop of 1 leaves nothing.{meant}"
    )


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("parameters", "max_drop: 2"),
        ("calibration_error", "max_relative_drop: 150%"),
        ("corruption_robustness", "max_drop: 1"),
        ("accuracy", "max_relative_drop: 99%"),
    ],
)
def test_large_drops_without_an_error(read, name, entry):
    assert len(read(f"schema: 1\ndimensions:\n  {name}: {{{entry}}}\n").demands) == 1


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "uncertain: fails",
            "uncertain: got text 'fails'. Allowed: point, fail, allow. Did you mean 'fail'?",
        ),
        ("confidence: 95", "confidence: got 95. Allowed: at most 0.9999."),
        ("confidence: 0.4", "confidence: got 0.4. Allowed: at least 0.5."),
        ("confidence: 95%", "confidence: got text '95%'. Allowed: a number."),
    ],
)
def test_invalid_policies(read, entry, message):
    with pytest.raises(ThresholdError) as caught:
        read(f"schema: 1\n{entry}\ndimensions:\n  accuracy: {{min: 0.5}}\n")
    assert str(caught.value) == f"thresholds/gate.yaml:2: {message}"


def test_bounds_in_percent(read):
    text = """schema: 1
dimensions:
  accuracy: {min: 60%, max_drop: 1.5 %, max_relative_drop: 2%, parts: {top5: {min: 90%}}}
  ood_robustness: {min: 50%}
  calibration_error: {max: 3%}
  parameters: {max: 30, max_relative_drop: 5%}
classes: {each: {recall: {min: 40%}}}
"""
    found = {demand.name: demand.threshold for demand in read(text).demands}
    assert found == {
        "accuracy[min]": 0.6,
        "accuracy[max_drop]": 0.015,
        "accuracy[max_relative_drop]": 0.02,
        "accuracy.top5[min]": 0.9,
        "ood_robustness[min]": 0.5,
        "calibration_error[max]": 0.03,
        "parameters[max]": 30,
        "parameters[max_relative_drop]": 0.05,
        "classes.each.recall[min]": 0.4,
    }


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "dimensions: {parameters: {max: 30%}}",
            "parameters max: got 30%, but the unit is millions. Allowed: a number in millions.",
        ),
        (
            "dimensions: {size: {max_drop: 5%}}",
            "size max_drop: got 5%, but the unit is megabytes. Allowed: a number in megabytes.",
        ),
        ("dimensions: {accuracy: {min: 101%}}", "accuracy min 101% can never be met: fractions end at 1."),
        ("quba: {min_score: 60%}", "quba.min_score: got text '60%'. Allowed: a number."),
    ],
)
def test_percentages_of_no_share(read, entry, message):
    with pytest.raises(ThresholdError) as caught:
        read(f"schema: 1\n{entry}\n")
    assert str(caught.value) == f"thresholds/gate.yaml:2: {message}"


def test_a_long_chain_of_files(tmp_path):
    for number in range(22):
        (tmp_path / f"{number}.yaml").write_text(f"schema: 1\nextends: {number + 1}.yaml\n")
    with pytest.raises(ThresholdError) as caught:
        read_thresholds(tmp_path / "0.yaml", label="0.yaml", suite=SUITE)
    assert str(caught.value) == "19.yaml:2: more than 20 files extend each other."
