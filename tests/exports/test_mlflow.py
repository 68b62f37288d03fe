"""Records in a local store of MLflow, read back with its client."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest
from support.rows import GRADE, VERDICT
from support.tuned import quantity, record

from quba_check.errors import UserError
from quba_check.exports.mlflow import (
    SETTINGS,
    Experiment,
    export_run,
    open_experiment,
    run_metrics,
    run_params,
)
from quba_check.records.record import Record

VERDICTS = [VERDICT, VERDICT | {"id": "y.yaml::accuracy[min]", "file": "y.yaml", "limit": 0.8}]


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    for setting, value in SETTINGS.items():
        monkeypatch.setenv(setting, value)
    return (tmp_path / "mlruns").as_uri()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a record, with a per-image file next to it."""
    path = tmp_path / "run.json"
    path.write_text(run().to_json(), encoding="utf-8")
    path.with_suffix(".npz").write_bytes(b"images")
    return path


def run() -> Record:
    return record(verdicts=VERDICTS, grades=[GRADE])


def names(experiment: Experiment, run_id: str) -> set[str]:
    return {file.path for file in experiment.client.list_artifacts(run_id)}


def test_a_run_read_back(uri: str, path: Path, tmp_path: Path) -> None:
    opened = open_experiment(uri, "release")
    run_id, is_new = export_run(opened, run(), path, None)
    stored = opened.client.get_run(run_id)
    assert is_new
    assert (stored.info.run_name, stored.info.status, stored.info.start_time) == (
        "r50",
        "FINISHED",
        1767225600000,
    )
    assert stored.data.metrics == run_metrics(run())
    assert stored.data.params == run_params(run())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    tags = {name: value for name, value in stored.data.tags.items() if name.startswith("quba.")}
    assert tags == {"quba.record": digest, "quba.verdict": "pass", "quba.grade": "B"}
    assert names(opened, run_id) == {"record.json", "record.npz"}
    copy = Path(opened.client.download_artifacts(run_id, "record.json", str(tmp_path)))
    assert copy.read_bytes() == path.read_bytes()


def test_the_same_record_has_one_run(uri: str, path: Path) -> None:
    page = b"<p>"
    opened = open_experiment(uri, "release")
    first = export_run(opened, run(), path, None)
    second = export_run(open_experiment(uri, "release"), run(), path, page)
    assert second == (first[0], False)
    assert names(opened, first[0]) == {"record.json", "record.npz", "report.html"}
    path.write_text(run().to_json() + "\n", encoding="utf-8")
    assert export_run(opened, run(), path, None)[1]
    assert len(opened.client.search_runs([opened.id])) == 2


def test_an_interrupted_export_is_completed(uri: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_experiment(uri, "release")
    with monkeypatch.context() as patch:
        patch.setattr(opened.client, "log_artifacts", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(UserError, match="MLflow reports: disk full"):
            export_run(opened, run(), path, None)
    run_id, _ = export_run(opened, run(), path, None)
    assert [stored.info.run_id for stored in opened.client.search_runs([opened.id])] == [run_id]
    assert names(opened, run_id) == {"record.json", "record.npz"}
    assert len(opened.client.get_metric_history(run_id, "accuracy")) == 1


def test_metrics_by_hand() -> None:
    parts = {"a part (new)": quantity(0.5, None, "fraction")}
    accuracy = {"accuracy": record().measurements["accuracy"]}
    assert run_metrics(record(measurements=accuracy, grades=[GRADE])) == {
        "accuracy": 0.9,
        "accuracy_lower": pytest.approx(0.8804),
        "accuracy_upper": pytest.approx(0.9196),
        "quba.score": 0.5,
        "quba.percentile": 81.25,
    }
    custom = record(measurements={"accuracy": quantity(0.9, None, "fraction", parts=parts)})
    assert run_metrics(custom) == {"accuracy": 0.9, "accuracy.a_part__new_": 0.5}


def test_parameters_by_hand() -> None:
    assert run_params(run()) == {
        "model": "r50",
        "spec": "r50.pt",
        "fingerprint": "0" * 32,
        "protocol": "standard",
        "suite": "tiny",
        "suite_fingerprint": "1" * 32,
        "seed": "0",
        "thresholds": "x.yaml, y.yaml",
        "threshold.accuracy.min": "0.85",
    }


def test_more_parameters_than_one_request_takes(uri: str, path: Path) -> None:
    many = record(verdicts=[VERDICTS[0] | {"part": f"part_{k}"} for k in range(250)])
    opened = open_experiment(uri, "release")
    run_id, _ = export_run(opened, many, path, None)
    assert len(opened.client.get_run(run_id).data.params) == 258


def test_a_deleted_experiment(uri: str) -> None:
    opened = open_experiment(uri, "old")
    opened.client.delete_experiment(opened.id)
    with pytest.raises(UserError) as caught:
        open_experiment(uri, "old")
    assert str(caught.value) == (
        f"MLflow at {uri}: the experiment 'old' is deleted. Allowed: another --experiment, or restore it: "
        f"mlflow experiments restore --experiment-id {opened.id}."
    )


def test_a_store_that_mlflow_refuses(uri: str) -> None:
    with pytest.raises(UserError) as caught:
        open_experiment("nothing://me:secret@here", "release")
    assert "secret" not in str(caught.value)
    assert str(caught.value).partition(" MLflow reports: ")[0] == (
        "MLflow at nothing://***@here: cannot be used. Allowed: a tracking server, or a store that MLflow "
        "opens (databases need the package mlflow, not only mlflow-skinny)."
    )


def test_without_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mlflow", "mlflow.tracking"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError) as caught:
        open_experiment("mlruns", "release")
    assert str(caught.value) == (
        "--to mlflow needs mlflow-skinny, which is not installed. "
        'Install it: pip install "quba-check[mlflow]".'
    )


def test_settings_of_the_user_are_kept(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "5")
    open_experiment(uri, "release")
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "5"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
