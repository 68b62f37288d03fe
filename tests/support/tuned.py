"""A record of chosen values."""

from collections.abc import Iterable, Iterator

from support.gate import thresholds

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.confidence import SCORES
from quba_check.messages import grouped
from quba_check.records.record import InputRow, Record
from quba_check.records.verdict import VerdictRow, demands_digest
from quba_check.tuning.what_if import what_if


def quantity(value: float, error: float | None, unit: str, **more: object) -> dict[str, object]:
    limits = None if error is None else [value + score * error for score in SCORES]
    interval = None if error is None else [value - 1.96 * error, value + 1.96 * error]
    return {"value": value, "unit": unit, "n": 1000, "interval": interval, "limits": limits} | more


def record(accuracy: float = 0.9, **changed: object) -> Record:
    """accuracy 0.9 ± 0.01, corruption 0.62 ± 0.02 with fog, calibration 0.0312 ± 0.004, 5.289 M."""
    fog = quantity(0.55, 0.03, "ratio", better="high")
    content = {
        "schema": 1,
        "model": {
            "spec": "r50.pt",
            "name": "r50",
            "fingerprint": "0" * 32,
            "parameters": 5_289_000,
            "preprocessing": {},
            "classes": 10,
        },
        "suite": {"name": "tiny", "root": "/data", "fingerprint": "1" * 32},
        "protocol": "standard",
        "measurements": {
            "accuracy": quantity(accuracy, 0.01, "fraction", better="high", parts={}),
            "corruption_robustness": quantity(0.62, 0.02, "ratio", better="high", parts={"fog": fog}),
            "calibration_error": quantity(0.0312, 0.004, "fraction", better="low", parts={}),
            "parameters": quantity(5.289, None, "millions", better="low", parts={}) | {"n": None},
            "shape_bias": {"not_measured": True},
        },
        "environment": {
            "versions": {},
            "device": "cpu",
            "precision": "fp32",
            "seed": 0,
            "time": "2026-01-01T00:00:00+00:00",
        },
    }
    own = Record.model_validate(content | changed)
    return own if own.inputs else own.model_copy(update={"inputs": tuple(_files(own.verdicts))})


def _files(rows: Iterable[VerdictRow]) -> Iterator[InputRow]:
    """Yield the threshold files of demands."""
    for name, demands in grouped((row.id.partition("::")[0], row) for row in rows).items():
        first = demands[0]
        settings = {"uncertain": first.policy, "confidence": first.confidence, "protocol": None, "quba": None}
        digest = demands_digest(demands, settings)
        yield InputRow(kind="threshold file", path=name, sha256="0" * 64, demands=digest, settings=settings)


def judged(text: str, base: Record | None = None) -> Record:
    """Return a record with the verdicts of a threshold file."""
    return what_if(StoredRun("run.json", base or record()), thresholds(text)).record
