"""Names from outside, such as those of models and classes, in everything that a command writes."""

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from PIL import Image
from support.sample_records import sample, write_samples

from quba_check.cli.main import main, quba_check
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.messages import visible
from quba_check.records.record import Record
from quba_check.records.verdict import demands_digest
from tools.reference.options import all_commands

HOSTILE = (
    "::error::a\x1b[31m\0\x07\x9b\u202e\u200f\r\n::warning title=x::b\u2028\n ::add-mask::c\t::debug::d|e`f"
    "##[error]g##vso[task.complete]\\</title><script>h</script>&\"'*_~@i[j](k) "
)
IN_YAML = "".join(letter for letter in HOSTILE if letter >= " " or letter == "\n")
"""Without the characters that YAML files may not hold."""
LONG = "x" * 100_000
MOST = 3_000
"""Largest length of the outside part of a line."""
EXACT = {"schema", "protocol", "tier", "outcome", "key", "policy", "kind", "sha256", "time", "fingerprint"}
EXACT |= {"unit", "better", "severity", "precision", "dimension", "root", "sample", "protocol_of_population"}
EXACT |= {"preprocessing", "overall_verdict", "requested"}
EXACT |= {"demands", "part", "number", "slice", "bound", "limit", "value", "uncertain"}


def hostile(content: Any, key: str = "") -> Any:
    """Return JSON of a record with hostile text in front of each text that may hold any."""
    if isinstance(content, str):
        return (
            content
            if key in EXACT
            else f"{HOSTILE}{LONG if key in ('name', 'file', 'notes') else ''}{content}"
        )
    if isinstance(content, list):
        return [hostile(item, key) for item in content]
    if isinstance(content, dict):
        return {name: hostile(value, name) for name, value in content.items()}
    return content


def write_hostile(folder: Path, name: str) -> None:
    """Replace a sample by one with hostile names, also of dimensions, parts, sets, images and classes."""
    run = sample(folder, name)
    content = hostile(json.loads((folder / f"{name}.json").read_text()))
    content["model"]["files"] = {f"{HOSTILE}.pt": "0" * 64}
    content["environment"]["versions"][HOSTILE] = HOSTILE
    content["suite"]["sets"][HOSTILE] = {"images": 3, "expected": 4, "generated": HOSTILE}
    measurements = content["measurements"]
    measurements["ood_robustness"]["parts"][HOSTILE] = measurements["ood_robustness"]["parts"]["sketch"]
    value = {"value": 0.5, "unit": HOSTILE, "n": 60}
    measurements["accuracy"]["slices"] = {HOSTILE: {"values": {HOSTILE: value}, "gaps": {HOSTILE: value}}}
    measurements[HOSTILE] = measurements["accuracy"] | {"unit": HOSTILE}
    measurements[f"{HOSTILE}2"] = {"unmeasurable": HOSTILE}
    content["verdicts"].append(content["verdicts"][0] | {"dimension": HOSTILE, "part": HOSTILE})
    for row in content["verdicts"][-3:]:
        row["outcome"] = "unmeasurable"
    (file,) = (row for row in content["inputs"] if row["kind"] == "threshold file")
    file["demands"] = demands_digest(Record.model_validate(content).verdicts, file["settings"])
    assert run.images is not None
    assert run.images.clean is not None
    names, classes = (
        [f"{HOSTILE}{n}" for n in range(len(of))] for of in (run.images.clean.names, run.images.clean.classes)
    )
    images = replace(run.images, clean=replace(run.images.clean, names=names, classes=classes))
    (folder / f"{name}.json").write_text(json.dumps(content))
    (folder / f"{name}.npz").write_bytes(images.to_bytes(Record.model_validate(content)))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hostile records, populations, threshold files, a suite and a store."""
    folder = tmp_path_factory.mktemp("outside")
    write_samples(folder)
    for name in ("demo", "textured"):
        write_hostile(folder, name)
    write_population(folder / "population.json")
    (folder / "fleet").mkdir()
    record = json.loads((folder / "demo.json").read_text()) | {"verdicts": [], "inputs": []}
    for number in range(10):
        record["model"] |= {"fingerprint": f"{number:064}"}
        for row in record["measurements"].values():
            if "value" in row:
                row |= {"value": row["value"] * 0.98, "interval": None, "limits": None}
        (folder / "fleet" / f"{number}.json").write_text(json.dumps(record))
    thresholds = {"schema": 1, "name": IN_YAML, "dimensions": {"accuracy": {"min": 0.5}}}
    (folder / "release.yaml").write_text(json.dumps(thresholds))
    write_suite(folder / "data")
    (folder / "store" / "runs").mkdir(parents=True)
    (folder / "store" / "format.json").write_text('{"format": 2}')
    shutil.copy(folder / "demo.json", folder / "store" / "runs" / "demo.json")
    return folder


def write_suite(folder: Path) -> None:
    """A suite whose name, classes, set and image files have hostile names."""
    names = [f"{IN_YAML.replace('/', '')}{number}" for number in range(2)]
    for name in names:
        (folder / "val" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(folder / "val" / name / f"{HOSTILE.translate({0: None, 47: None})}.png")
    clean = {"reader": "folder", "path": "val"}
    manifest = {"schema": 1, "name": IN_YAML, "classes": names, "image_size": 8}
    sets = {"clean": clean, "shifts": {"sketch": clean | {"path": "val"}}}
    (folder / "quba-data.yaml").write_text(json.dumps(manifest | {"sets": sets}))


def write_population(path: Path) -> None:
    rows = [
        {"id": f"{HOSTILE}{LONG}{number}", "values": dict.fromkeys(PUBLISHED_DIMENSIONS, 0.5 + number / 100)}
        for number in range(10)
    ]
    content = {
        "schema": 1,
        "name": HOSTILE + LONG,
        "protocol": "standard",
        "suite": HOSTILE + LONG,
        "rows": rows,
    }
    path.write_text(json.dumps(content | {"source": HOSTILE}))


COMMANDS = {
    "verdict": "verdict demo.json",
    "verdict --thresholds": "verdict demo.json --thresholds release.yaml",
    "report": "report demo.json textured.json --baseline demo.json -o page.html",
    "report --population": "report demo.json --population population.json -o page.html",
    "report markdown": "report --to markdown demo.json textured.json --baseline demo.json",
    "report github": "report demo.json textured.json --to github",
    "report gitlab": "report demo.json --to gitlab --source-url https://x.test -o links.json",
    "compare": "compare demo.json textured.json --parts --flips flips.csv",
    "compare json": "compare demo.json textured.json --format json",
    "compare markdown": "compare demo.json textured.json --parts --format markdown",
    "failures": "failures textured.json",
    "population": "published population FLEET -o made.json --name x",
    "suite check": "suite check data",
    "suite describe": "suite describe data",
    "store list": "store list --store store",
    "store list --json": "store list --store store --json",
    "store verify": "store verify --store store",
    "store prune": "store prune --older-than 0h --store store",
    "approve": "approve textured.json --reason x",
    "what-if": "what-if textured.json release.yaml --baseline demo.json",
    "tune": "tune demo.json -o tuned.yaml",
    "rank": "published rank textured.json --population population.json --allow-other-suite",
    "rank csv": "published rank textured.json --population population.json --allow-other-suite --format csv",
    "recommend": "published recommend release.yaml --population population.json",
    "failures --slices": "failures --slices demo.json",
    "study": "published study --population population.json",
    "report text": "report --to text textured.json --population population.json",
    "lint": "lint release.yaml --images 100 --record demo.json",
    "report badge": "report --to badge textured.json",
    "attest": "attest demo.json -o statement.json",
    "report csv": "report demo.json textured.json --to csv -o values.csv",
    "report json": "report demo.json textured.json --to json -o values.json",
}
"""Commands by a name for the test; they run in a folder of hostile files."""
NOT_RUN = {
    "init": "reads names of folders only",
    "doctor": "see test_whole_runs",
    "published show": "shows the published table",
    "published reproduce": "takes models of the published table",
    "schema": "prints a constant",
    "suite make-object-focus": "prints numbers",
}
_OURS = re.compile(r"::(error|warning|notice) [^:]*::")


def test_every_command_is_tried() -> None:
    tried = {text.partition(" -")[0] for text in COMMANDS.values()}
    assert all(
        any(text.startswith(name) for text in tried)
        for name, _ in all_commands(quba_check)
        if name not in NOT_RUN
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_writes_what_a_terminal_or_ci_obeys(
    name: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*")}
    monkeypatch.chdir(project)
    fleet = " ".join(f"fleet/{number}.json" for number in range(10))
    code = main(COMMANDS[name].replace("FLEET", fleet).split())
    out, err = capsys.readouterr()
    assert code in (0, 1, 2, 5, 6), err
    check_lines(err)
    lines = out.splitlines()
    ours = [line for line in lines if name == "report github" and _OURS.match(line)]
    check_lines("\n".join(line for line in lines if line not in ours))
    for line in ours:
        check_lines(_OURS.sub("", line).replace("%0A", "\n"))
    if name == "report badge":
        ElementTree.fromstring(out)  # noqa: S314  our own file
    for path in [path for path in project.rglob("*") if path.is_file()]:
        if before.get(path) != path.stat().st_mtime_ns:
            if path.suffix != ".npz":
                check_file(path)
            assert path not in before, "commands would meet what another one has changed"
            path.unlink()


def check_lines(text: str) -> None:
    for line in text.split("\n"):
        assert visible(line) == line, ascii(line)[:300]
        assert not line.lstrip().startswith("::"), line[:300]
        assert "##[" not in line
        assert "##vso[" not in line
        assert LONG[:MOST] not in line


def check_file(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        json.loads(text)
    elif path.suffix == ".csv":
        assert len({len(row) for row in csv.reader(text.splitlines())}) == 1
    elif path.suffix == ".yaml":
        yaml.safe_load(text)
    elif path.suffix == ".html":
        assert "<script>h</script>" not in text
        assert visible(text, "\n") == text
