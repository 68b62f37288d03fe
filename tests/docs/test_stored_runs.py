"""The pages about results and records, followed; and the demo as the README shows it."""

import re
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.demo_runs import demo_store
from support.guides import DOCS, POLICY, Step, follow, steps
from support.tuned import record

from quba_check.demands.bounds import today
from quba_check.verdicts.stored_verdicts import read_record

PAGES = ("result.md", "thresholds.md", "comparing.md", "published-models.md", "compliance.md")
LAST_DAY = "2027-01-31"
LATER = str(today() + timedelta(days=60))
"""That of the waiver on a page, and one without a warning ahead."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo_store(tmp_path_factory)


@pytest.mark.parametrize("name", PAGES)
def test_the_page(name: str, tmp_path: Path, store: Path) -> None:
    (tmp_path / "project").mkdir()
    shutil.copy(POLICY, tmp_path / "project")
    guide = [replace(step, text=step.text.replace(LAST_DAY, LATER)) for step in steps(name)]
    follow(guide, tmp_path / "project", store)


def test_the_demo_of_the_readme(tmp_path: Path, store: Path) -> None:
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```\n(dimension .*?)```", readme, re.DOTALL)
    (tmp_path / "project").mkdir()
    follow([Step("run", "pytest --model=demo"), Step("prints", shown)], tmp_path / "project", store)


def test_the_recipe_for_a_list_of_models(tmp_path: Path, store: Path) -> None:
    models, judge, *show = steps("many-machines.md", some=True)
    follow([models, judge], tmp_path, store)
    files = {*(tmp_path / "records").iterdir()}
    verdicts = {path: read_record(path).overall_verdict for path in files if path.suffix == ".json"}
    assert sorted(path.name for path in files) == [
        f"{name}.{suffix}" for name in ("demo", "textured") for suffix in ("json", "log", "npz")
    ]

    broken = Step(judge.role, f"echo broken no.pt >>models.txt\n{judge.text}")
    follow([broken, *show], tmp_path, store)
    log = tmp_path / "records/broken.log"
    assert "no.pt" in log.read_text(encoding="utf-8")
    assert {*(tmp_path / "records").iterdir()} == {*files, log}
    records = {path: read_record(path) for path in verdicts}
    assert {path: run.overall_verdict for path, run in records.items()} == verdicts
    made = [run.predictions and run.predictions.made_here for run in records.values()]
    assert made == [0, 0], "stored predictions are used"
    for name in ("models.html", "models.csv"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert {"demo", "demo-textured"} <= set(re.findall(r"[\w-]+", text))


def test_the_recipe_for_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    for name, accuracy in (("demo", 0.9), ("textured", 0.7)):
        (tmp_path / f"{name}.json").write_text(record(accuracy).to_json(), encoding="utf-8")
    follow(steps("result.md")[-2:], tmp_path, tmp_path / "store")
    client = MlflowClient((tmp_path / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("release")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert {run.data.metrics["accuracy"]: run.data.tags["quba.verdict"] for run in runs} == {
        0.9: record().overall_verdict,
        0.7: record().overall_verdict,
    }
    attached = [[file.path for file in client.list_artifacts(run.info.run_id)] for run in runs]
    assert sorted(attached) == [["demo.json"], ["textured.json"]]
