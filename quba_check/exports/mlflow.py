"""Records as runs of MLflow, through its own client."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quba_check.errors import UserError, extra_needed
from quba_check.exports.tables import export_rows, utc_time
from quba_check.records.files import IMAGES_SUFFIX
from quba_check.records.record import Record
from quba_check.records.verdict import QUBA
from quba_check.reports.verdict_labels import limit_text
from quba_check.storage.user_files import LARGEST_JSON, file_kind, read_bytes

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

DIGEST_TAG, VERDICT_TAG, GRADE_TAG = "quba.record", "quba.verdict", "quba.grade"
"""Tags of a run: SHA-256 of its record, overall verdict, letter."""
SETTINGS = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
"""Settings of MLflow, unless the environment has others: no usage data is sent, and a server that does not
answer is reported within seconds."""
LONGEST_PARAM = 500
"""Largest length of a parameter that MLflow's older servers accept."""
PARAMS_AT_ONCE = 100
"""Largest number of parameters in one request."""
LARGEST_FILE = 2**30
FINISHED = "FINISHED"


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment of a tracking store.

    Attributes:
        client: MLflow's client of the store.
        uri: the store, for messages.
        id: the experiment's id.
    """

    client: MlflowClient
    uri: str
    id: str


def open_experiment(uri: str, name: str) -> Experiment:
    """Open an experiment of a tracking store; create it if missing.

    Args:
        uri: server, database or folder, as MLflow takes it.
        name: name of the experiment.

    Raises:
        UserError: MLflow is not installed, or the store cannot be used.
    """
    for setting, value in SETTINGS.items():
        os.environ.setdefault(setting, value)
    with extra_needed("--to mlflow", "mlflow-skinny", UserError, extra="mlflow"):
        from mlflow.tracking import MlflowClient
    with _mlflow_errors(uri):
        client = MlflowClient(tracking_uri=uri)
        existing = client.get_experiment_by_name(name)
        if existing is not None and existing.lifecycle_stage == "deleted":
            raise UserError(
                f"MLflow at {uri}: the experiment '{name}' is deleted. "
                "Allowed: another --experiment, or restore it: "
                f"mlflow experiments restore --experiment-id {existing.experiment_id}."
            )
        return Experiment(client, uri, existing.experiment_id if existing else client.create_experiment(name))


def export_run(experiment: Experiment, record: Record, path: Path, page: bytes | None) -> tuple[str, bool]:
    """Log a record as a run of MLflow, once in each experiment.

    A run of an export that failed half way is completed. An existing run gets the page if there is one.

    Args:
        experiment: the experiment.
        record: the record.
        path: its file; the per-image file next to it is attached too.
        page: a report page to attach.

    Returns:
        The id of the run, and True if it is new.

    Raises:
        UserError: a file cannot be read, or the store cannot be used.
    """
    content = read_bytes(path, str(path), UserError, LARGEST_JSON)
    files = {"record.json": content}
    images = path.with_suffix(IMAGES_SUFFIX)
    if file_kind(images, str(images), UserError) == "file":
        files["record.npz"] = read_bytes(images, str(images), UserError, LARGEST_FILE)
    attached = {} if page is None else {"report.html": page}
    digest = hashlib.sha256(content).hexdigest()
    client = experiment.client
    with _mlflow_errors(experiment.uri):
        earlier = client.search_runs([experiment.id], f"tags.`{DIGEST_TAG}` = '{digest}'", max_results=1)
        if earlier and earlier[0].info.status == FINISHED:
            _attach(client, earlier[0].info.run_id, attached)
            return earlier[0].info.run_id, False
        moment = utc_time(record.environment.time)
        time = None if moment is None else round(moment.timestamp() * 1000)
        tags = {DIGEST_TAG: digest, VERDICT_TAG: record.overall_verdict, GRADE_TAG: _letters(record)}
        name = record.model.name
        run = earlier[0] if earlier else client.create_run(experiment.id, time, tags, name)
        _log(client, run, record, time)
        _attach(client, run.info.run_id, files | attached)
        client.set_terminated(run.info.run_id, FINISHED, end_time=time)
    return run.info.run_id, True


def _log(client: MlflowClient, run: Run, record: Record, time: int | None) -> None:
    """Log the parameters, and the metrics that the run does not have yet."""
    from mlflow.entities import Metric, Param

    metrics = [
        Metric(name, value, time or 0, 0)
        for name, value in run_metrics(record).items()
        if name not in run.data.metrics
    ]
    client.log_batch(run.info.run_id, metrics=metrics)
    params = [Param(name, value[:LONGEST_PARAM]) for name, value in run_params(record).items()]
    for start in range(0, len(params), PARAMS_AT_ONCE):
        client.log_batch(run.info.run_id, params=params[start : start + PARAMS_AT_ONCE])


def _attach(client: MlflowClient, run: str, files: dict[str, bytes]) -> None:
    """Store files as artefacts."""
    if not files:
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        client.log_artifacts(run, folder)


def run_metrics(record: Record) -> dict[str, float]:
    """Return the values of a record by metric name, such as `accuracy` and `corruption_robustness.fog`.

    The limits of an interval have the same name with `_lower` and `_upper`. Of several different grades, only
    the first is included.
    """
    metrics: dict[str, float] = {}
    for row in export_rows([record]):
        dimension, part = row["dimension"], row["part"]
        part = "percentile" if (dimension, part) == (QUBA, "grade") else part
        name = _name(f"{dimension}.{part}" if part else dimension)
        if row["value"] is None or name in metrics:
            continue
        metrics[name] = row["value"]
        if row["lower"] is not None:
            metrics |= {f"{name}_lower": row["lower"], f"{name}_upper": row["upper"]}
    return metrics


def run_params(record: Record) -> dict[str, str]:
    """Return model, protocol, suite, and the threshold of each demand, such as `threshold.accuracy.min`.

    Of several threshold files with the same demand, the first is included.
    """
    params = {
        "model": record.model.name,
        "spec": record.model.spec,
        "fingerprint": record.model.fingerprint,
        "protocol": record.protocol,
        "suite": record.suite.name,
        "suite_fingerprint": record.suite.fingerprint,
        "seed": str(record.environment.seed),
    }
    if record.environment.git is not None:
        params["commit"] = record.environment.git
    files = dict.fromkeys(verdict.file for verdict in record.verdicts)
    if files:
        params["thresholds"] = ", ".join(files)
    for verdict in record.verdicts:
        name = _name(f"threshold.{verdict.target}.{verdict.bound}")
        params.setdefault(name, limit_text(verdict.limit))
    return params


def _letters(record: Record) -> str:
    """Return the letters of the grades; `none` without one."""
    letters = dict.fromkeys(grade.letter for grade in record.grades if grade.letter is not None)
    return ", ".join(letters) or "none"


def _name(text: str) -> str:
    """Return a text as a name that MLflow accepts: letters, digits, and `_`, `.`, `-`."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)


@contextmanager
def _mlflow_errors(uri: str) -> Iterator[None]:
    """Raise errors of MLflow as errors of the user."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as why:
        lines = str(why).strip().splitlines() or [type(why).__name__]
        message = (
            f"MLflow at {uri}: cannot be used. Allowed: a tracking server, or a store that MLflow opens "
            f"(databases need the package mlflow, not only mlflow-skinny). MLflow reports: {lines[0]}"
        )
        raise UserError(message) from why
