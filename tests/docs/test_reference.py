"""Tables and examples of hand-written pages agree with the code."""

import inspect
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from fractions import Fraction
from math import sqrt
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from scipy.stats import spearmanr
from support.conditions import write_suite
from support.gate import Gate
from support.guides import DOCS
from support.sample_records import write_samples

from quba_check.core.dimension import ON_DEMAND, PUBLISHED_DIMENSIONS
from quba_check.core.facts import SuiteFacts
from quba_check.core.protocols import BINS, EPSILON, PGD_STEP, PGD_STEPS, RELEASED, STANDARD
from quba_check.core.view import CORRUPTIONS
from quba_check.demands import read_thresholds
from quba_check.demands.bounds import today
from quba_check.demands.profiles import shipped_profiles
from quba_check.dimensions import registry
from quba_check.grading import published_models
from quba_check.grading.published import SUSPECT_DIMENSIONS
from quba_check.suites import open_suite
from quba_check.testing import perturbations, strategies

SUITE = SuiteFacts("imagenet", 1000, ("sketch",), CORRUPTIONS, {"sketch": None})
LINK = re.compile(r"\[[^]]*\]\([^)]*\)")
EVIDENCE = """\
baseline: release
dimensions:
  accuracy:
    - {min: 1, waive: {until: DAY, by: ann, reason: new camera, at_least: 0}}
    - {pipeline: app, max_drop: 0.9}
  unknown_detection: {min: 0}
  shape_bias: {min: 0, optional: true}
classes: {apple: {at: {recall: 0.5, from: tuning}, recall: {min: 0}}}
answers: {at: {error: 0.9, from: others}, share: {min: 0}, set: patients}
parity: {agreement: {min: 0}}
"""


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    """The cells of all table rows."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_perturbation_and_strategy_is_named() -> None:
    changes = {kind.__name__ for kind in perturbations.Perturbation.__subclasses__()} - {"Chain"}
    functions = inspect.getmembers(strategies, inspect.isfunction)
    drawn = {name for name, one in functions if one.__module__ == strategies.__name__ and name[0] != "_"}
    assert [name for name in sorted(changes | drawn) if f"`{name}(" not in page("python.md")] == []


def test_the_threshold_file_is_one(tmp_path: Path) -> None:
    (text,) = (block for block in blocks("thresholds.md") if "extends:" in block)
    path = tmp_path / "gate.yaml"
    path.write_text(text, encoding="utf-8")
    names = [demand.name for demand in read_thresholds(path, label="gate.yaml", suite=SUITE).demands]
    assert {"accuracy[min]", "corruption_robustness.fog[min]", "quba.grade[min]"} <= set(names)
    assert "shape_bias[min]" not in names


def test_every_shipped_profile_is_named() -> None:
    for name in shipped_profiles():
        assert f"`{name}`" in page("thresholds.md")


def test_the_manifest_is_one(tmp_path: Path) -> None:
    (text,) = (block for block in blocks("data.md") if "my fruit" in block)
    (tmp_path / "quba-data.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "val").mkdir()
    suite = open_suite(tmp_path)
    assert suite.classes == ("apple", "banana", "cherry")
    assert suite.facts.shifts == ("sketch", "night")
    assert suite.facts.unknown == ("near", "far")
    assert suite.facts.generates_corruptions


def blocks(name: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", page(name), re.DOTALL)


DIMENSION_SECTIONS = re.findall(r"^## (\w+)$", page("dimensions.md"), re.MULTILINE)


def test_dimensions_have_sections_of_their_names() -> None:
    assert tuple(DIMENSION_SECTIONS) == (*PUBLISHED_DIMENSIONS, *ON_DEMAND)


def test_a_dimension_has_direction_formula_pitfalls_and_source() -> None:
    for name in DIMENSION_SECTIONS:
        section = page("dimensions.md").partition(f"## {name}\n")[2].partition("\n## ")[0]
        assert f"{'Higher' if registry[name].better == 'high' else 'Lower'} is better." in section, name
        assert "```" in section, name
        assert "Pitfalls:" in section, name
        assert re.search(r"^Sources?: ", section, re.MULTILINE), name


def test_the_constants_of_the_attacks_and_bins() -> None:
    text = " ".join(page("dimensions.md").split())
    step = Fraction(PGD_STEP)
    assert f"steps of ε/{step.denominator}" in text
    assert f"an ε of {EPSILON}, and steps of {EPSILON * step}" in text
    assert {10: "ten"}[PGD_STEPS] + " steps" in text
    assert f"over {BINS} equally wide bins" in text
    assert f"over {len(CORRUPTIONS)} corruptions" in text


def test_the_protocols_differ_as_stated() -> None:
    section = page("dimensions.md").partition("## Which protocols are there?")[2].partition("\n## ")[0]
    table = {row[0]: row[1:] for row in rows(section)[1:]}
    stated = {
        "attacks": (STANDARD.attack_space, RELEASED.attack_space) == ("pixel", "input"),
        "PGD on an image": (STANDARD.stops_when_fooled, RELEASED.stops_when_fooled) == (True, False),
        "sets stored at their final size": (STANDARD.crops_prepared, RELEASED.crops_prepared)
        == (False, True),
        "parameters": (STANDARD.rounds_parameters, RELEASED.rounds_parameters) == (False, True),
        "a tie of cue-conflict decisions": (STANDARD.ties, RELEASED.ties) == ("first", "last"),
    }
    assert list(table) == list(stated)
    assert all(stated.values())
    # The constructor has the name and these five settings.
    assert len(fields(STANDARD)) == 1 + len(stated)


def test_the_published_table_is_counted_right() -> None:
    text = " ".join(page("published-models.md").split())
    models = published_models()
    marks = Counter(mark for model in models for mark in model.suspect)
    for counts in (
        Counter(model.family for model in models),
        Counter(model.pretraining for model in models),
        Counter(model.training for model in models),
    ):
        assert ", ".join(f"{n} {name}" for name, n in counts.most_common()) in text
    for mark, dimensions in SUSPECT_DIMENSIONS.items():
        names = ", ".join(name for name in PUBLISHED_DIMENSIONS if name in dimensions)
        assert f"| `{mark}` | {marks[mark]} | {names} |" in text
    suspect = [model for model in models if model.suspect]
    assert f"the {len(models)} models" in text
    assert f"{len(suspect)} rows look affected" in text
    assert f"{len(models) - len(suspect)} rows keep all nine" in text
    assert {4: "Four"}[sum(len(model.suspect) == 2 for model in models)] + " rows have both marks" in text
    assert f"For {sum('parameters' in model.doubtful for model in models)} zero-shot models" in text
    assert f"For {sum(model.timm is not None for model in models)} rows the name in timm" in text


def test_the_findings_about_the_published_table() -> None:
    text = " ".join(page("published-models.md").split())
    models = published_models()

    def middle(name: str, training: str | None = None, digits: int = 3) -> str:
        return f"{median(m.values[name] for m in models if training in (None, m.training)):.{digits}f}"

    def correlation(rows: list[Mapping[str, float]]) -> str:
        names = ("adversarial_robustness", "corruption_robustness")
        return f"{spearmanr(*([row[name] for row in rows] for name in names)).statistic:.2f}"

    recipes = [model for model in models if model.training == "a1-a2-a3"]
    assert all("train-mode" in model.suspect and model.family == "cnn" for model in recipes)
    assert f"All {len(recipes)} rows of the training recipes" in text
    usual = [middle(name, digits=2) for name in ("accuracy", "shape_bias")]
    assert "The median accuracy is {}, the median shape_bias {}.".format(*usual) in text
    assert f"is {middle('corruption_robustness', 'a1-a2-a3')}, against" in text
    assert f"against {middle('corruption_robustness', 'supervised')} of the supervised" in text
    assert f"Spearman correlation of {correlation([model.values for model in models])}." in text
    sound = [model.values for model in models if not model.suspect]
    assert f"Over the {len(sound)} rows without suspect values it is {correlation(sound)}." in text
    language = [model for model in models if model.family == "vision-language"]
    assert f"all {len(language)} vision-language models have large pretraining" in text
    assert {model.pretraining for model in language} == {"large"}
    assert f"{sqrt(0.8 * 0.2 / 50_000):.4f};" in text
    assert f"{sqrt(0.5 * 0.5 / 160):.2f}." in text


def test_the_price_of_adversarial_training() -> None:
    text = " ".join(page("dimensions.md").split())
    groups = [
        [model.values for model in published_models() if model.training == training]
        for training in ("adversarial", "supervised")
    ]
    trained, usual = (
        {name: median(values[name] for values in group) for name in PUBLISHED_DIMENSIONS} for group in groups
    )
    assert (
        f"The {len(groups[0])} adversarially trained models of the published table have a median of "
        f"{trained['adversarial_robustness']:.2f} here, against {usual['adversarial_robustness']:.2f} of the "
        f"{len(groups[1])} supervised ones, but an accuracy of {trained['accuracy']:.2f} against "
        f"{usual['accuracy']:.2f} and twice the calibration error."
    ) in text
    assert round(trained["calibration_error"] / usual["calibration_error"]) == 2


def has_value(part: Any, keys: Sequence[str]) -> bool:
    """True if a record has a value at these keys, in any entry of lists and for any `NAME`."""
    if isinstance(part, list):
        return any(has_value(entry, keys) for entry in part)
    if not keys:
        return part not in (None, "", {}, {"not_measured": True})
    if not isinstance(part, dict):
        return False
    key, *rest = keys
    return any(has_value(value, rest) for name, value in part.items() if key in (name, "NAME"))


def test_records_have_the_keys_that_compliance_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read from the demo's record, and from that of a run with demands on classes, answers and parity."""
    monkeypatch.chdir(tmp_path)
    write_samples(tmp_path)
    gate = Gate(tmp_path, write_suite(tmp_path / "data"), tmp_path / "store")
    text = EVIDENCE.replace("DAY", str(today() + timedelta(days=60)))
    run = gate.judge(text, reference="acceptance.nets:other", first_release=True)
    records = [json.loads(one) for one in (run.to_json(), Path("demo.json").read_text(encoding="utf-8"))]
    tables = page("compliance.md").partition("## Which provisions does the evidence serve?")[2]
    cells = LINK.sub("", "\n".join(cell for row in rows(tables) for cell in row))
    names = {name for name in quoted(cells) if not name.startswith("quba-check ")}
    assert len(names) > 40
    assert [name for name in sorted(names) if not has_value(records, name.split("."))] == []
