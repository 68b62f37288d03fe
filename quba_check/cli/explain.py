"""`quba-check explain`: one page of text about a record."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quba_check.cli.parser import INPUT, store_option
from quba_check.cli.study_options import named_population
from quba_check.messages import listed

if TYPE_CHECKING:
    from quba_check.core.grade import Grade
    from quba_check.demands.demand import Thresholds
    from quba_check.records.record import Record
    from quba_check.study.explanation import Explanation, Position

WIDTH, MOST_LINES = 80, 60
PARTS, NAMED = 2, 4
"""Parts of each dimension, and dimensions of each sentence."""
MOST_ROWS = 16
"""Largest number of dimensions in the table."""


@click.command(
    "explain",
    short_help="explain a record on one page: strengths, weaknesses, costly parts",
    epilog="Example: quba-check explain textured.json",
)
@click.argument("path", type=INPUT, metavar="RECORD.json")
@click.option(
    "--population",
    "name",
    metavar="NAME",
    help="published, screened, demo or a population file (default: that of the grade)",
)
@click.option(
    "--thresholds", "file", type=INPUT, metavar="FILE", help="threshold file with the weights of the score"
)
@store_option
def explain(path: Path, name: str | None, file: Path | None, store: str | Path | None) -> None:
    """Explain a record on one page of text.

    Its strengths and weaknesses in a population, the parts that cost each dimension most, the effect of one
    point on the score, and the caveats. Needs no model and no images.
    """
    from quba_check.comparison.stored_run import stored_run
    from quba_check.gate.threshold_files import thresholds_at
    from quba_check.records.files import read_record
    from quba_check.reports.tables import fit_encoding
    from quba_check.storage.places import default_place
    from quba_check.study.explanation import default_population
    from quba_check.study.explanation import explain as explain_run
    from quba_check.tuning.record_facts import suite_facts

    run = stored_run(path, str(path), read_record(path), store or default_place())
    thresholds: Thresholds | None = thresholds_at(file, suite_facts(run.record)) if file else None
    if name is None:
        name = thresholds.quba.population if thresholds else default_population(run.record)
    population = named_population("quba-check explain", name)
    explanation = explain_run(run, population, thresholds.quba if thresholds else None)
    text = "".join(f"{line}\n" for line in page(explanation))
    sys.stdout.write(fit_encoding(text, sys.stdout.encoding))


def page(explanation: Explanation) -> list[str]:
    """Return at most 60 lines of at most 80 columns.

    Caveats that do not fit are counted.
    """
    lines = [
        *_heading(explanation.record),
        *_grade_lines(explanation.grade),
        "",
        *_sentences(explanation),
        "",
        *_table(explanation),
    ]
    if parts := list(_part_lines(explanation.positions)):
        lines += [
            "",
            "parts that cost most (gain if the part were as good as the mean of the others):",
            *parts,
        ]
    if caveats := list(_caveats(explanation)):
        lines += ["", "caveats:"]
        for place, caveat in enumerate(caveats):
            wrapped = _wrap(f"  {caveat}")
            left = len(caveats) - place
            if len(lines) + len(wrapped) + (left > 1) > MOST_LINES:
                lines.append(f"  and {left} more, which the run's own report lists")
                break
            lines += wrapped
    return lines


def _wrap(line: str) -> list[str]:
    from quba_check.reports.tables import wrap_line

    return wrap_line(line, WIDTH)


def _heading(record: Record) -> Iterator[str]:
    from quba_check.reports.verdict_labels import release_line, summary_line

    yield from _wrap(f"{record.model.name} on {record.suite.name}, protocol {record.protocol}")
    verdict = summary_line(record)
    yield from _wrap(f"{verdict}; {release_line(record)}" if record.verdicts else verdict)


def _grade_lines(grade: Grade) -> list[str]:
    from quba_check.number_format import format_value, ordinal

    if grade.score is None:
        missing = f"missing {listed(grade.missing)}" if grade.missing else "no score"
        return _wrap(f"not graded against {grade.population}: {grade.not_graded or missing}")
    score = f"QUBA score {format_value(grade.score, 'score')}"
    if grade.interval:
        score += f" ({'..'.join(format_value(end, 'score') for end in grade.interval)})"
    if grade.letter is None or grade.percentile is None:
        return _wrap(f"{score}, not graded: {grade.not_graded}")
    models = f" ({grade.models} models)" if grade.models else ""
    return _wrap(
        f"{score}, grade {grade.letter}: {ordinal(grade.percentile)} percentile of {grade.population}{models}"
    )


def _sentences(explanation: Explanation) -> Iterator[str]:
    name = explanation.population.name
    for heading, positions, empty in (
        ("strong", explanation.strengths, "nothing is better than 70 % of the models"),
        ("weak", explanation.weaknesses, "nothing is worse than 70 % of the models"),
    ):
        texts = (f"{one.name} (better than {_percent(one)})" for one in positions)
        yield from _wrap(f"{heading} against {name}: {listed(texts, NAMED) or empty}")


def _percent(one: Position) -> str:
    return "-" if one.better_than is None else f"{math.floor(one.better_than)} %"


def _table(explanation: Explanation) -> list[str]:
    from quba_check.number_format import format_value, interval_text
    from quba_check.reports.tables import table_text

    rows = []
    for one in explanation.positions[:MOST_ROWS]:
        measured = one.measured
        value, interval = one.state.partition(":")[0], ""
        if measured is not None:
            value = format_value(measured.value, measured.unit)
            ends = measured.interval
            interval = "" if ends is None else interval_text(ends, measured.unit, measured.n)
            interval = "masked" if one.state else interval
        point = "-" if one.point is None else f"+{one.point:.3f}"
        rows.append((one.name, value, interval, _percent(one), point))
    headings = ("dimension", "value", "interval", "better than", "one point")
    lines = table_text(headings, rows, right=("value", "better than", "one point")).splitlines()
    if more := len(explanation.positions) - MOST_ROWS:
        lines += [f"and {more} custom dimensions"] if more > 0 else []
    return [
        *lines,
        *_wrap("one point: gain of the score if the value gets better by 0.01, parameters by one million"),
    ]


def _part_lines(positions: Iterable[Position]) -> Iterator[str]:
    from quba_check.number_format import format_value

    for one in positions:
        costs = ", ".join(
            f"{part.name} {format_value(part.value, part.unit)} ({format_value(part.cost, part.unit)})"
            for part in one.costs[:PARTS]
        )
        if costs or one.detail:
            yield from _wrap(f"  {one.name}: {costs or one.detail}")


def _caveats(explanation: Explanation) -> Iterator[str]:
    from quba_check.reports.notes import record_notes

    yield from explanation.caveats
    reasons = [one.state for one in explanation.positions if one.state.startswith("unmeasurable")]
    notes = (*explanation.record.warnings, *record_notes(explanation.record))
    yield from (note for note in notes if note not in explanation.caveats)
    for one in explanation.positions:
        if one.state in reasons and not any(one.state in note for note in notes):
            yield f"{one.name}: {one.state}"
