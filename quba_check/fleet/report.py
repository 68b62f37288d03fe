"""The results of a fleet as table and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from quba_check.fleet.command import LOG
from quba_check.fleet.result import OUTCOMES, ModelResult
from quba_check.messages import listed, one_line
from quba_check.number_format import counted
from quba_check.records.verdict import EXIT_CODES
from quba_check.reports.tables import LEAST_WIDTH, json_text, table_text, wrapped

HEADINGS = ("model", "verdict", "grade", "failed", "time")
NAMES_SHOWN = 2
"""Largest number of failed dimensions in a row of the table."""
NOT_JUDGED = EXIT_CODES["not judged"]


def fleet_table(results: Sequence[ModelResult], width: int) -> str:
    """Return a table with a row for each model, then problems and counts.

    Args:
        results: the results, in the order of the list.
        width: columns of the lines below the table, at least 72.
    """
    rows = [
        (
            result.name,
            result.verdict,
            ", ".join(result.grades) or "-",
            listed(result.failed, NAMES_SHOWN),
            duration(result.seconds) if result.exit_code is not None else "-",
        )
        for result in results
    ]
    problems = [f"{result.name}: {problem_text(result)}" for result in results if result.problem]
    lines = ["", *problems, f"{counted(len(results), 'model')}: {counts(results)}"]
    return table_text(HEADINGS, rows, right=("time",)) + wrapped(lines, max(width, LEAST_WIDTH))


def problem_text(result: ModelResult) -> str:
    """Return the problem of a model and the file of its log."""
    log = "" if result.exit_code is None else f" (log: {result.folder / LOG})"
    return one_line(f"{result.problem}{log}")


def result_line(result: ModelResult) -> str:
    """Return a result as one line, such as `demo: released, grade A, 12 s`."""
    facts: list[str] = [result.outcome]
    if result.grades:
        facts.append(f"grade {', '.join(result.grades)}")
    if result.is_reused:
        facts.append("judged before")
    elif result.exit_code is not None:
        facts.append(duration(result.seconds))
    text = f"{result.name}: {', '.join(facts)}"
    details = [listed(result.failed)] if result.failed else []
    details += [problem_text(result)] if result.problem else []
    return ": ".join([text, "; ".join(details)]) if details else text


def counts(results: Sequence[ModelResult]) -> str:
    """Return the number of models by outcome, such as `2 released, 1 not judged`."""
    numbers = Counter(result.outcome for result in results)
    words = [f"{numbers[outcome]} {outcome}" for outcome in OUTCOMES if numbers[outcome]]
    return ", ".join(words) or "none judged"


def exit_code(results: Sequence[ModelResult]) -> int:
    """Return the exit code of a fleet.

    Returns:
        0 if every model is released, 5 if one could not be judged; else 1 if one is not released, or 6 if all
        of these are uncertain and nothing else failed.
    """
    outcomes = {result.outcome for result in results}
    if "not judged" in outcomes:
        return NOT_JUDGED
    codes = {
        1 if result.exit_code == 1 else EXIT_CODES[result.verdict]
        for result in results
        if result.outcome == "not released"
    }
    return 1 if 1 in codes else max(codes, default=0)


def fleet_json(results: Sequence[ModelResult], code: int) -> str:
    """Return the results as JSON text.

    Args:
        results: the results, in the order of the list.
        code: exit code of the fleet.
    """
    content = {
        "schema": 1,
        "counts": {outcome: sum(result.outcome == outcome for result in results) for outcome in OUTCOMES},
        "exit_code": code,
        "models": [
            {
                "name": result.name,
                "model": result.text,
                "outcome": result.outcome,
                "verdict": result.verdict,
                "grades": list(result.grades),
                "failed": list(result.failed),
                "problem": result.problem or None,
                "exit_code": result.exit_code,
                "seconds": round(result.seconds, 1),
                "judged_before": result.is_reused,
                "records": [str(path) for path in result.records],
                "log": None if result.exit_code is None else str(result.folder / LOG),
            }
            for result in results
        ],
    }
    return json_text(content)


def duration(seconds: float) -> str:
    """Return a duration with its unit.

    >>> [duration(seconds) for seconds in (0.4, 44, 700, 20000)]
    ['0 s', '44 s', '12 min', '5.6 h']
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
