"""Threshold files of a command line: shown paths, options that exclude them, planned demands."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.errors import error_text
from support.gate import FACTS, Gate, thresholds
from support.tuned import record
from syrupy.assertion import SnapshotAssertion

from quba_check.comparison.stored_run import StoredRun
from quba_check.demands.profiles import DEMO_THRESHOLDS, shipped_profiles
from quba_check.errors import OptionError, ThresholdError
from quba_check.gate.options import Options
from quba_check.gate.threshold_files import (
    check_thresholds,
    is_shipped,
    plan_demands,
    shown_path,
    thresholds_at,
    with_shipped_file,
)

ACCURACY = "dimensions: {accuracy: {min: 0.5}}"
DROP = "dimensions: {accuracy: {max_drop: 0.01}}"
OPTIONS = Options(models=("net",))
TWO = thresholds("dimensions:\n  accuracy: {min: 0.5}\n  corruption_robustness: {parts: {fog: {min: 0.2}}}")
RELEASED = thresholds("protocol: released\ndimensions: {parameters: {max: 30}}")


def test_names_of_shipped_files_become_paths(project: Path) -> None:
    arguments = ["quba_check/thresholds/mobile.yaml::accuracy[min]", "other/x.yaml", "tests/test_x.py"]
    assert [with_shipped_file(word, project) for word in arguments] == [
        f"{shipped_profiles()['mobile']}::accuracy[min]",
        "other/x.yaml",
        "tests/test_x.py",
    ]
    with pytest.raises(ThresholdError, match=r"^other/y\.yaml: there is no such threshold file"):
        with_shipped_file("other/y.yaml", project)


def test_shown_paths_can_be_given(project: Path) -> None:
    assert shown_path(project / "other/x.yaml", project) == "other/x.yaml"
    assert shown_path(project / "other/x.yaml", project / "sub") == str(project / "other/x.yaml")
    assert shown_path(DEMO_THRESHOLDS, project) == "quba_check/demo/thresholds.yaml"


def test_files_of_the_checkout_that_is_the_root_are_not_shipped_ones(project: Path) -> None:
    root = DEMO_THRESHOLDS.parents[2]  # the checkout, or the site-packages of an installation
    assert is_shipped(DEMO_THRESHOLDS, project)
    assert is_shipped(DEMO_THRESHOLDS, root) == ("site-packages" in root.parts)
    assert not is_shipped(project / "other/x.yaml", project)


def test_commands_read_profiles_and_files(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "other/x.yaml").write_text(f"schema: 1\n{ACCURACY}\n")
    monkeypatch.chdir(project)
    assert thresholds_at(Path("other/x.yaml"), FACTS).label == "other/x.yaml"
    assert thresholds_at(Path("mobile"), FACTS).label == "quba_check/thresholds/mobile.yaml"


@pytest.mark.parametrize(
    ("text", "options", "old"),
    [
        (f"protocol: released\n{ACCURACY}", replace(OPTIONS, protocol="standard"), None),
        (DROP, OPTIONS, StoredRun("old.json", record(protocol="released"))),
    ],
    ids=["the option", "the baseline"],
)
def test_a_file_of_another_protocol(
    text: str, options: Options, old: StoredRun | None, snapshot: SnapshotAssertion
) -> None:
    assert error_text(OptionError, check_thresholds, thresholds(text), options, old) == snapshot


def test_a_baseline_of_another_protocol_is_no_matter_without_drops() -> None:
    old = StoredRun("old.json", record(protocol="released"))
    check_thresholds(thresholds(ACCURACY), OPTIONS, old)
    check_thresholds(thresholds(DROP), replace(OPTIONS, protocol="released"), old)


@pytest.mark.parametrize(("models", "ends"), [(("net",), ("]",)), (("net", "other"), ("-net]", "-other]"))])
def test_demands_come_model_by_model(models: tuple[str, ...], ends: tuple[str, ...]) -> None:
    planned = plan_demands(models, [TWO], "standard")
    names = ("accuracy[min", "corruption_robustness.fog[min")
    assert [one.node_id for one in planned] == [f"x.yaml::{name}{end}" for end in ends for name in names]
    assert [one.model for one in planned] == [model for model in models for _ in names]
    assert [one.demand for one in planned] == [*TWO.demands] * len(models)


def test_a_file_without_protocol_takes_the_default() -> None:
    planned = plan_demands(["net"], [TWO, RELEASED], "standard")
    assert [each.protocol for each in planned] == ["standard", "standard", "released"]


def test_a_class_whose_name_needs_escapes_is_judged(gate: Gate, data: Path) -> None:
    """Such as a joiner, which Persian words have."""
    name = "می\u200cخواهم"
    manifest = data / "quba-data.yaml"
    (data / "val/apple").rename(data / "val" / name)
    manifest.write_text(manifest.read_text().replace("apple", name), encoding="utf-8")
    judged = gate.outcomes(f"classes: {{{name}: {{recall: {{min: 0}}}}}}", data=data)
    assert judged == {"classes.می\\u200cخواهم.recall[min]": "pass"}
