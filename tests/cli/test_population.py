"""`quba-check published population`: the file that it writes, warnings, and mistakes."""

import json
from pathlib import Path

import pytest
from cli.conftest import Run
from support.tuned import record
from syrupy.assertion import SnapshotAssertion

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.grading import GradedRun, grade, population

NAMES = [f"r{k}.json" for k in range(12)]


def write(k: int, changed: dict[str, object] | None = None, **more: object) -> None:
    """Write a record of a model whose nine values are k/20, if unchanged."""
    values = {name: {"value": k / 20, "unit": "fraction"} for name in PUBLISHED_DIMENSIONS}
    model = record().model.model_copy(update={"name": f"m{k}", "fingerprint": f"f{k}"}).model_dump()
    content = record(model=model, measurements=values | (changed or {}), **more)
    Path(NAMES[k]).write_text(content.to_json(), encoding="utf-8")


@pytest.fixture
def run(run: Run) -> Run:
    """Run the command in a folder with twelve records; without names it takes all."""
    for k in range(12):
        write(k)
    return lambda words: run(
        f"published population {words if words.startswith('r0') else ' '.join([*NAMES, words])}"
    )


def test_a_population_that_grades(run: Run) -> None:
    assert run("-o made/fleet.json") == (0, "made/fleet.json: 12 models, protocol standard\n", "")
    assert population(Path("made/fleet.json")).name == "fleet"
    values = dict.fromkeys(PUBLISHED_DIMENSIONS, 0.275)
    graded = grade(values, population=Path("made/fleet.json"), run=GradedRun(suite="tiny"))
    assert graded.percentile == pytest.approx(50)


def test_a_masked_value_takes_no_part(run: Run) -> None:
    name = "adversarial_robustness"
    write(3, {name: {"value": 1.0, "unit": "fraction", "masked": ["FGSM helps the model"]}})
    assert run("-o fleet.json --name 'our phones'")[0] == 0
    content = json.loads(Path("fleet.json").read_text(encoding="utf-8"))
    assert content["name"] == "our phones"
    assert [row["id"] for row in content["rows"] if name not in row["values"]] == ["m3"]


def test_a_dimension_without_spread(run: Run, snapshot: SnapshotAssertion) -> None:
    for k in range(12):
        write(k, {"parameters": {"value": 5.0, "unit": "millions"}})
    assert run("-o fleet.json")[::2] == (0, snapshot)


@pytest.mark.parametrize(
    "words",
    [f"{' '.join(NAMES[:9] * 2)} -o x.json", "-o x.json", "-o published.json"],
    ids=["nine twice", "a file that exists", "a reserved name"],
)
def test_mistakes(run: Run, words: str, snapshot: SnapshotAssertion) -> None:
    if words == "-o x.json":
        write(3, protocol="released")
    before = sorted(Path().iterdir())
    assert run(words) == (4, "", snapshot)
    assert sorted(Path().iterdir()) == before
