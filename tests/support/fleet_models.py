"""Models of fleets that take no time: a stand-in for pytest reads the outcome from the model's file."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from support.rows import GRADE, VERDICT
from support.tuned import record

CHILD = '''\
"""Writes the record that the model's file asks for, and ends as it says."""

import hashlib, json, os, signal, sys, time
from pathlib import Path

signal.signal(signal.SIGINT, signal.default_int_handler)  # as in the background of a shell, it may be ignored

options = {}
for word in sys.argv[1:]:
    name, _, value = word.partition("=")
    options.setdefault(name, value)
model = Path(options["--model"])
recipe = json.loads(model.read_text())
with open(f"{model}.starts", "a") as starts:
    starts.write(json.dumps([sys.argv[1:], dict(os.environ)]) + "\\n")
if recipe["log"]:
    print(recipe["log"], flush=True)
while recipe["waits_for"] and not Path(recipe["waits_for"]).exists():
    time.sleep(0.01)
if recipe["signal"]:
    os.kill(os.getpid(), recipe["signal"])
for place, content in enumerate(recipe["records"]):
    content["model"]["files"] = {model.name: hashlib.sha256(model.read_bytes()).hexdigest()}
    if "--quba-thresholds" in options:
        path = options["--quba-thresholds"]
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        content["inputs"] = [{"kind": "threshold file", "path": path, "sha256": digest}]
    report = Path(options["--quba-report"])
    report.with_stem(report.stem + (f"-{place}" if place else "")).write_text(json.dumps(content))
for name in ("--quba-html", "--quba-markdown"):
    if name in options:
        Path(options[name]).write_text("text")
sys.exit(recipe["code"])
'''
CODES = {"pass": 0, "fail": 1, "uncertain": 6, "not run": 1, "skipped": 5}
"""Exit code by the outcome of the only demand."""


def demand(outcome: str, dimension: str = "accuracy") -> dict[str, Any]:
    """A row of a verdict that blocks if unmet."""
    row = {"id": f"t.yaml::{dimension}[min]", "dimension": dimension, "file": "t.yaml", "outcome": outcome}
    return VERDICT | row | {"limit": 0.95, "policy": "fail"}


def grade(letter: str) -> dict[str, Any]:
    """A row of a grade."""
    return GRADE | {"file": "t.yaml", "score": 0.1, "percentile": 50.0, "letter": letter}


def content(outcome: str, letter: str = "B", **changed: Any) -> dict[str, Any]:
    """A record with one demand, as JSON."""
    rows: dict[str, Any] = {"verdicts": [demand(outcome)], "grades": [grade(letter)]}
    loaded: dict[str, Any] = json.loads(record(**rows | changed).to_json())
    return loaded


def write_model(
    path: Path,
    outcome: str | None = "pass",
    *,
    code: int | None = None,
    log: str = "",
    signal: int = 0,
    waits_for: Path | None = None,
    records: list[dict[str, Any]] | None = None,
) -> Path:
    """Write the file of a model whose process ends with an outcome; without one it writes no record."""
    if records is None:
        records = [] if outcome is None else [content(outcome)]
    recipe = {
        "records": records,
        "code": code if code is not None else CODES.get(str(outcome), 4),
        "log": log,
        "signal": int(signal),
        "waits_for": str(waits_for or ""),
    }
    path.write_text(json.dumps(recipe), encoding="utf-8")
    return path


def starts(model: Path) -> list[tuple[list[str], dict[str, str]]]:
    """The words and the environment of each process that judged a model."""
    path = Path(f"{model}.starts")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [tuple(json.loads(line)) for line in lines]


def wait_for_start(path: Path) -> None:
    """Wait until the process of a model has started, at most 30 seconds."""
    end = time.monotonic() + 30
    while not starts(path):
        assert time.monotonic() < end
        time.sleep(0.01)
