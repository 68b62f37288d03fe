"""Custom dimensions, from a conftest and from an installed package, in whole runs."""

import json
from pathlib import Path

import pytest
from acceptance.runs import HERE, NINE, Finished, Project, ended, python_path, same_findings, start

from quba_check.dimensions._registry import ENTRY_POINTS

CONFTEST = """\
from quba_check import dimension
from quba_check.core.dimension import Part
from quba_check.core.measurement import Measurement, Quantity
from quba_check.core.view import CLEAN, View

NIGHT, FOG = View("night"), View("corruptions", "fog", 2)


@dimension(
    "darkness",
    title="How much of the accuracy is left at night and in fog.",
    unit="ratio",
    better="high",
    source="ours",
    views=[CLEAN, NIGHT, FOG],
    parts=[
        Part("night", "ratio", "high", "at night"),
        Part("fog", "ratio", "high", "in fog"),
        Part("images", "images", None, "how many there are"),
    ],
)
def measure(predictions, facts):
    clean = predictions[CLEAN].accuracy
    parts = {view.set[:5]: predictions[view].accuracy / clean for view in (NIGHT, FOG)}
    parts = {"night": parts["night"], "fog": parts["corru"]}
    n = len(predictions[NIGHT]) + len(predictions[FOG])
    return Measurement(
        "darkness",
        sum(parts.values()) / 2,
        "ratio",
        n,
        parts={name: Quantity(value, "ratio", n) for name, value in parts.items()}
        | {"images": Quantity(n, "images", n)},
    )


@dimension("broken", title="Breaks", unit="fraction", better="high", source="ours", views=[CLEAN])
def broken(predictions, facts):
    return Measurement("broken", 1 / 0, "fraction", 1)


@dimension("nowhere", title="No set", unit="fraction", better="high", source="ours", views=[View("dusk")])
def nowhere(predictions, facts):
    return Measurement("nowhere", 1.0, "fraction", 1)
"""
PACKAGE = """\
from quba_check import dimension
from quba_check.core.measurement import Measurement


@dimension("leanness", title="How few weights.", unit="weights", better="low", source="theirs")
def measure(predictions, facts):
    return Measurement("leanness", facts.model.parameters, "weights", None)
"""
GATE = """\
schema: 1
dimensions:
  darkness: {min: 0.1, parts: {night: {min: 0.1}}}
  leanness: {max: 100}
  broken: {min: 0.5, tier: warn}
  nowhere: {min: 0.5, optional: true}
"""


def install(folder: Path, module: str, text: str, package: str = "lean") -> Path:
    """A package as pip leaves it, with an entry point of our group."""
    about = folder / f"{package}-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\n{module} = {module}\n", encoding="utf-8")
    (folder / f"{module}.py").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def project(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with dimensions in its conftest, and a package installed that brings another."""
    root = tmp_path_factory.mktemp("own")
    made = Project.at(root, tiny_data, GATE)
    (root / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    site = install(root / "site", "lean", PACKAGE)
    made.settings["PYTHONPATH"] = python_path(HERE, site)
    return made


@pytest.fixture(scope="module")
def ran(project: Project) -> Finished:
    return project.run("-v", "--quba-record=record.json")


def test_they_are_items_rows_and_record_entries(project: Project, ran: Finished) -> None:
    assert ran.code == 0, ran.out
    record = project.record()
    assert [(row["id"], row["outcome"]) for row in record["verdicts"]] == [
        ("thresholds/x.yaml::darkness[min]", "pass"),
        ("thresholds/x.yaml::darkness.night[min]", "pass"),
        ("thresholds/x.yaml::leanness[max]", "pass"),
        ("thresholds/x.yaml::broken[min]", "unmeasurable"),
        ("thresholds/x.yaml::nowhere[min]", "skipped"),
    ]
    assert "thresholds/x.yaml::darkness.night[min] PASSED" in ran.out
    measured = record["measurements"]
    assert measured["darkness"]["value"] == pytest.approx(
        (measured["darkness"]["parts"]["night"]["value"] + measured["darkness"]["parts"]["fog"]["value"]) / 2
    )
    assert (
        measured["leanness"].items() >= {"value": 36.0, "unit": "weights", "n": None, "better": "low"}.items()
    )
    assert measured["accuracy"] == {"not_measured": True}
    assert list(measured)[:9][0] == "accuracy"
    assert set(record["suite"]["sets"]) == {"clean", "night", "corruptions"}
    rows = [line.split() for line in ran.out.splitlines()]
    assert any(row[:1] == ["darkness"] and row[2:5] == [">=", "0.1", "PASS"] for row in rows)
    assert any(row[:1] == ["leanness"] and row[1] == "36.000" and "PASS" in row for row in rows), ran.out


def test_errors_of_custom_dimensions_are_reported(project: Project, ran: Finished) -> None:
    messages = {row["dimension"]: row["message"] for row in project.record()["verdicts"]}
    lines = CONFTEST.splitlines()
    declared, raised = (
        next(number for number, line in enumerate(lines, 1) if text in line)
        for text in ('n("broken"', "1 / 0")
    )
    assert messages["broken"].splitlines()[0] == (
        f"broken could not be measured: conftest.py:{declared}: dimension 'broken': measure: raised "
        f"ZeroDivisionError: division by zero (conftest.py:{raised})."
    )
    assert messages["nowhere"].splitlines()[0] == (
        f"nowhere was skipped: {project.data}/quba-data.yaml declares no set 'dusk'"
    )
    assert "Traceback" not in ran.out


def test_workers_find_the_same(project: Project, ran: Finished) -> None:
    result = project.run("-n", "2", "--quba-record=two.json")
    assert result.code == 0, result.out
    assert same_findings(project.record(), project.record("two.json"))


def test_records_are_judged_again_by_what_packages_bring(
    project: Project, ran: Finished, tmp_path: Path
) -> None:
    """`quba-check` knows installed dimensions; it refuses one from a conftest with a hint."""
    record = str(project.root / "record.json")
    found = {}
    for name, limit in {"leanness": "{max: 30}", "darkness": "{min: 0.1}"}.items():
        path = tmp_path / f"{name}.yaml"
        path.write_text(f"schema: 1\ndimensions: {{{name}: {limit}}}\n", encoding="utf-8")
        found[name] = ended(start(tmp_path, "quba_check", "what-if", record, str(path), **project.settings))
    assert (found["leanness"].code, found["leanness"].err) == (1, "")
    assert "leanness" in found["leanness"].out
    assert found["darkness"].code == 4
    assert found["darkness"].err == (
        f"ERROR: darkness.yaml:2: unknown dimension 'darkness'. Allowed: {', '.join(NINE)}, flops, size, "
        "unknown_detection, leanness. Did you mean 'leanness'?\n"
    )


def test_editors_learn_of_installed_ones(project: Project) -> None:
    schema = ended(start(project.root, "quba_check", "schema", "thresholds", **project.settings))
    known = json.loads(schema.out)["properties"]["dimensions"]["anyOf"][0]["properties"]
    assert known["leanness"]["description"] == "How few weights."
    assert "darkness" not in known


def test_mistakes_end_before_anything_is_loaded(project: Project, tmp_path: Path) -> None:
    """Two packages that take one name; one that cannot be imported; a demand on an unknown part."""
    site = install(tmp_path / "again", "zlean", PACKAGE, "zlean")
    result = project.run(PYTHONPATH=python_path(HERE, project.root / "site", site))
    line = PACKAGE.splitlines().index("def measure(predictions, facts):")
    places = [f"{where}:{line}" for where in (site / "zlean.py", "site/lean.py")]
    assert (result.code, result.err) == (
        4,
        f"ERROR: {places[0]}: the dimension 'leanness' is already registered by {places[1]}. "
        "Give yours another name.\n\n",
    )
    site = install(tmp_path / "broken", "zbroken", "import no_such_module\n", "zbroken")
    result = project.run(PYTHONPATH=python_path(HERE, project.root / "site", site))
    assert (result.code, result.err) == (
        4,
        "ERROR: zbroken: its entry point 'zbroken' (quba_check.dimensions) cannot be loaded: "
        "ModuleNotFoundError: No module named 'no_such_module'. Fix or uninstall zbroken.\n\n",
    )
