"""The outcome of a model in a fleet."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from quba_check.errors import UserError
from quba_check.fleet.command import RECORD
from quba_check.records.files import SUFFIX, read_record
from quba_check.records.measurement import JsonRow
from quba_check.records.record import Record
from quba_check.records.verdict import EXIT_CODES, OverallVerdict, worst_verdict

Outcome = Literal["released", "not released", "not judged"]
OUTCOMES: tuple[Outcome, ...] = ("released", "not released", "not judged")
NO_VERDICT: tuple[OverallVerdict, ...] = ("not judged", "incomplete", "interrupted")
"""Verdicts of runs that did not judge every blocking demand; the next fleet judges the model again."""
VERDICT_CODES = (0, 1, 5, 6)
"""Exit codes of pytest runs that ended with a verdict."""


class ModelState(JsonRow):
    """The end of a model's process.

    Attributes:
        schema_version: version of this format.
        settings: the words of its command line that determine the verdict.
        seconds: duration of the process.
        exit_code: of pytest; negative for the signal that ended it.
        problem: the last error of the process; empty if there is none.
    """

    schema_version: Literal[2] = 2
    settings: tuple[str, ...]
    seconds: float
    exit_code: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ModelResult:
    """The result of a model.

    Attributes:
        name: name of the model in the fleet.
        text: its spec.
        folder: the folder of its files.
        outcome: decision on its release.
        verdict: the most severe verdict of its records.
        grades: the letters of its records, each once.
        failed: the dimensions with unmet blocking demands.
        seconds: duration of its process.
        exit_code: of pytest; negative for the signal that ended it; None if it was not started.
        problem: reason why it could not be judged, or an error in addition to its verdicts; empty if there is
            none.
        is_reused: an earlier fleet judged it.
    """

    name: str
    text: str
    folder: Path
    outcome: Outcome = "not judged"
    verdict: OverallVerdict = "not judged"
    grades: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    seconds: float = 0.0
    exit_code: int | None = None
    problem: str = ""
    is_reused: bool = False

    @property
    def has_verdict(self) -> bool:
        """True if the model was judged."""
        return self.outcome != "not judged"

    @property
    def records(self) -> list[Path]:
        """The records of the model; several if its threshold files have several protocols."""
        return [] if self.exit_code is None else record_files(self.folder)


def record_files(folder: Path) -> list[Path]:
    """Return the records in the folder of a model."""
    return sorted(folder.glob(f"{RECORD}*{SUFFIX}"))


def read_records(folder: Path) -> list[Record]:
    """Read the records in the folder of a model.

    Raises:
        UserError: one of them is damaged.
    """
    return [read_record(path) for path in record_files(folder)]


def result_of(
    name: str, text: str, folder: Path, state: ModelState, *, is_reused: bool = False
) -> ModelResult:
    """Return the result of a model whose process ended.

    Args:
        name: name of the model.
        text: its spec.
        folder: the folder of its files.
        state: the end of its process.
        is_reused: an earlier fleet judged the model.
    """
    exit_code, problem = state.exit_code, state.problem
    try:
        records = read_records(folder)
    except UserError as error:
        records, problem = [], str(error)
    recorded = worst_verdict(record.overall_verdict for record in records)
    outcome = _outcome(exit_code, recorded)
    if exit_code < 0:
        problem = signal_text(-exit_code)
    elif outcome != "not judged" and exit_code in (0, EXIT_CODES[recorded]):
        problem = ""
    elif not problem:
        problem = _missing_verdict(exit_code, recorded)
    return ModelResult(
        name=name,
        text=text,
        folder=folder,
        outcome=outcome,
        verdict="fail" if recorded == "pass" and outcome != "released" else recorded,
        grades=tuple(sorted({grade.letter for one in records for grade in one.grades if grade.letter})),
        failed=tuple(dict.fromkeys(row.dimension for one in records for row in one.verdicts if row.blocks)),
        seconds=state.seconds,
        exit_code=exit_code,
        problem=problem,
        is_reused=is_reused,
    )


def _outcome(exit_code: int, verdict: OverallVerdict) -> Outcome:
    """Return the outcome of a process that ended."""
    if exit_code not in VERDICT_CODES or verdict in NO_VERDICT:
        return "not judged"
    return "released" if verdict == "pass" and exit_code == 0 else "not released"


def _missing_verdict(exit_code: int, verdict: OverallVerdict) -> str:
    """Return a problem of a process that printed none."""
    if verdict == "pass":
        return f"its demands are met, but pytest ended with exit code {exit_code}"
    if verdict in ("incomplete", "interrupted"):
        return f"the run is {verdict}"
    if exit_code == EXIT_CODES["not judged"]:
        return "no demand was judged"
    record = " and wrote no record" if exit_code in VERDICT_CODES and verdict == "not judged" else ""
    return f"pytest ended with exit code {exit_code}{record}"


def signal_text(number: int) -> str:
    """Return the words for a process that a signal ended."""
    name = next((known.name for known in signal.Signals if known == number), str(number))
    hint = "; the system does so if memory runs out" if number == signal.SIGKILL else ""
    return f"its process was ended by signal {name}{hint}"
