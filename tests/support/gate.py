"""`Gate`: a model, a suite and a threshold file in one folder, and what a run of the gate makes of them."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.errors import error_text

from quba_check.core.facts import SuiteFacts
from quba_check.core.view import CORRUPTIONS
from quba_check.demands.demand import Thresholds
from quba_check.demands.reading import read_thresholds
from quba_check.errors import UserError
from quba_check.gate.judge import Judge, judge
from quba_check.gate.models import Callbacks
from quba_check.gate.options import Options
from quba_check.gate.session import GateSession
from quba_check.records.record import Record
from quba_check.reports.markdown import Run, markdown_summary
from quba_check.reports.terminal import render

FACTS = SuiteFacts("tiny", 10, ("sketch",), CORRUPTIONS, {})
"""A suite of ten classes with one shift and all corruptions."""
SILENT = Callbacks()


def thresholds(text: str, suite: SuiteFacts | None = FACTS, **others: str) -> Thresholds:
    """Return the demands of `x.yaml` with `others` next to it; `schema: 1` is put before each text."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in {**others, "x": text}.items():
            Path(folder, f"{name}.yaml").write_text(f"schema: 1\n{content}\n", encoding="utf-8")
        return read_thresholds(Path(folder) / "x.yaml", label="x.yaml", suite=suite)


def threshold_error(text: str, suite: SuiteFacts | None = FACTS, **others: str) -> str:
    """Return the message about a threshold file that cannot be used."""
    return error_text(UserError, thresholds, text, suite, **others)


@dataclass(frozen=True)
class Gate:
    """A gate on one suite; predictions are kept in one store.

    Attributes:
        root: folder of the threshold file.
        data: the suite.
        store: the store.
        model: spec of the model.
    """

    root: Path
    data: Path
    store: Path
    model: str = "acceptance.nets:net"

    def write(self, text: str) -> Path:
        """Write `x.yaml`, whose first line `schema: 1` is added."""
        file = self.root / "x.yaml"
        file.write_text(f"schema: 1\n{text}\n", encoding="utf-8")
        return file

    def session(self, text: str, *models: str, callbacks: Callbacks = SILENT, **options: Any) -> GateSession:
        """Return a session of which all demands are selected."""
        given = {"models": models or (self.model,), "data": self.data, "store": self.store} | options
        session = GateSession(Options(**given), self.root, files=(self.write(text),), callbacks=callbacks)
        session.select(session.demands(session.files))
        return session

    def judge(self, text: str, **options: Any) -> Record:
        """Return the record of a whole run without pytest; `model` names another model."""
        given = {"model": self.model, "data": self.data, "store": self.store, "record": None} | options
        arguments = {name: given.pop(name) for name in ("model", "data", "record")}
        return judge(thresholds=self.write(text), options=Options(**given), **arguments)

    def error(self, text: str, **options: Any) -> str:
        """Return the message that ends a run."""
        return error_text(UserError, self.judge, text, **options)

    def outcomes(self, text: str, **options: Any) -> dict[str, str]:
        """Return the outcome of each demand by its name."""
        rows = self.judge(text, **options).verdicts
        return {row.id.partition("::")[2]: row.outcome for row in rows}


def loaded_judge(session: GateSession) -> Judge:
    """Return a judge of a session's selected demands, whose models are loaded."""
    for key in session.models_and_protocols():
        session.evaluation(*key)
    return Judge(session)


def terminal_text(record: Record, width: int = 80) -> str:
    """Return what a terminal without colours shows of a record."""
    return render(record, width=width, colour=False)


def markdown_text(*records: Record) -> str:
    """Return the Markdown summary of records."""
    return markdown_summary([Run(record) for record in records])
