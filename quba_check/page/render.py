"""The page as text: the templates filled with the contents of records."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from quba_check.comparison.stored_run import StoredRun
from quba_check.errors import UserError
from quba_check.grading.population import Population
from quba_check.messages import one_line, visible
from quba_check.page import provenance
from quba_check.page.changes import better_model, changes, same_models
from quba_check.page.columns import Column, Reference, columns, in_common, reference
from quba_check.page.demands import DemandView, demands
from quba_check.page.dimensions import dimension_sections, formula, heading, paper
from quba_check.page.pictures import DemandPictures, PicturesByDemand
from quba_check.page.ranking import ranking
from quba_check.page.strips import change_chart
from quba_check.records.record import Record
from quba_check.records.verdict import GradeRow, OverallVerdict
from quba_check.reports.comparison import change_cells
from quba_check.reports.notes import grade_line, record_notes
from quba_check.reports.verdict_labels import LOOKS, limited_words, summary_line, verdict_words, waived_words

TEMPLATES = files("quba_check.page") / "templates"
SCRIPTS = ("page.js", "ranking.js")
STYLE = "page.css"


def breakable(name: str) -> Markup:
    """Return a name as HTML with places where it may break.

    >>> breakable("tb.f1@set=gaussian_noise,pipeline=app")
    Markup('tb.<wbr>f1<wbr>@set=gaussian_noise,<wbr>pipeline=app')
    """
    number, at, conditions = visible(name).partition("@")
    pieces = [*re.split(r"(?<=[_.|,/])(?![\d.])", number), *re.split(r"(?<=,)(?!\d)", at + conditions)]
    return Markup("<wbr>").join(filter(None, pieces))


def with_code(text: str) -> Markup:
    """Return a text as HTML, with code between its backticks.

    >>> with_code("set `a < b`")
    Markup('set <code>a &lt; b</code>')
    """
    return Markup(re.sub("`(.+?)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  the text is escaped


WORDS: Mapping[OverallVerdict, tuple[str, str, str]] = {
    "pass": ("PASS", "good", "This model may be released: no demand blocks it."),
    "partial": ("PARTIAL", "open", "Not decided: some demands of the same files were not selected."),
    "fail": ("FAIL", "bad", "This model must not be released."),
    "uncertain": ("UNCERTAIN", "warn", "This model is not released: a demand is not shown to be met."),
    "incomplete": ("INCOMPLETE", "open", "This model is not released: a blocking demand was not judged."),
    "not judged": ("NOT JUDGED", "open", "No demand was judged."),
    "interrupted": ("INTERRUPTED", "open", "The run was interrupted, so there is no verdict."),
}
"""Word, kind and meaning of each overall verdict. The kind chooses form and colour of the sign."""


def head_of(record: Record) -> tuple[str, str, str]:
    """Return word, kind and meaning of the verdict.

    A release with waivers has the sign of a warning.
    """
    word, kind, meaning = WORDS[record.overall_verdict]
    words = verdict_words(record)
    return (word, kind, meaning) if words == record.overall_verdict else (words.upper(), "warn", meaning)


def meaning_of(record: Record) -> str:
    """Return the verdict in a sentence, with left-out images and other doubts about it."""
    sentences = [head_of(record)[2]]
    if record.overall_verdict == "pass":
        sentences += [f"Judged {words}." for words in limited_words(record)]
        sentences += [f"Not met but {words}." for words in waived_words(record)]
    return " ".join([*sentences, *(f"Warning: {text}." for text in record.warnings)])


def blocking(demands: Sequence[DemandView], column: Column) -> list[DemandView]:
    """Return the demands that block the release of a record."""
    cells = ((demand, demand.cells.get(column.number)) for demand in demands)
    return [demand for demand, cell in cells if cell is not None and cell.verdict.blocks]


def grades(record: Record, population: Reference) -> list[GradeRow]:
    """Return the distinct grades to show.

    A grade without a score is shown if it is demanded, or if the population has the suite of the record.
    """
    is_expected = population.name or any(row.is_on_grade for row in record.verdicts)
    return [grade for grade in record.files_by_grade() if is_expected or grade.score is not None]


_FILTERS = (
    blocking,
    breakable,
    provenance.card_facts,
    change_cells,
    change_chart,
    provenance.commands,
    provenance.doctor_lines,
    provenance.facts,
    formula,
    grade_line,
    grades,
    head_of,
    provenance.hashes,
    heading,
    in_common,
    provenance.input_text,
    meaning_of,
    provenance.missing_values,
    one_line,
    paper,
    record_notes,
    summary_line,
    with_code,
)
"""Functions that the templates call."""


def render_page(
    runs: Sequence[StoredRun],
    *,
    baseline: StoredRun | None = None,
    pictures: PicturesByDemand | None = None,
    population: str | Path | Population | None = None,
) -> str:
    """Return a page on one or several records; equal arguments give equal text.

    Args:
        runs: the records with their per-image results, at least one.
        baseline: the run to compare each record with; None for none.
        pictures: pictures of images behind failed demands; None for none.
        population: the population to compare with, its name or its file; None for that of the first grade,
            else the built-in one of the records' suite.

    Raises:
        UserError: there is no record.
        PopulationError: the population does not exist or cannot be read.
    """
    if not runs:
        raise UserError("there is no record to show", where="report", allowed="one record or several")
    records = columns(runs)
    known = reference(runs, population)
    compared_with = known if known.fits(run.record for run in runs) else Reference(None)
    script = "\n".join((TEMPLATES / name).read_text("utf-8") for name in SCRIPTS)
    view: dict[str, Any] = {
        "columns": records,
        "baseline": baseline,
        "reference": compared_with,
        "demands": demands(records, baseline, compared_with, pictures or {}),
        "same_models": same_models(records, pictures or {}),
        "looks": LOOKS,
        "better_model": better_model(records),
        "changes": changes(records, baseline),
        "dimensions": dimension_sections(records, compared_with),
        "sets": provenance.set_rows(records),
        "ranking": ranking(records, known),
    }
    return _rendered("page.html", view, script)


def render_sheet(title: str, pictures: DemandPictures) -> str:
    """Return a page of pictures alone, under a title."""
    return _rendered("sheet.html", {"heading": title, "pictures": pictures})


def _rendered(template: str, view: Mapping[str, Any], script: str = "") -> str:
    style = (TEMPLATES / STYLE).read_text("utf-8")
    of_package = {"style": Markup(style), "script": Markup(script)}  # noqa: S704  files of this package
    policy = content_security_policy(style, script)
    return _environment().get_template(template).render({**view, **of_package, "policy": policy})


def content_security_policy(style: str, script: str) -> str:
    """Return a policy that allows exactly this style, this script and pictures within the page."""
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script))
    sources = "style-src 'sha256-{}'; script-src 'sha256-{}'".format(*digests)
    return f"default-src 'none'; {sources}; img-src data:; base-uri 'none'; form-action 'none'"


@cache
def _environment() -> Environment:
    """Return the environment of the templates; unknown variables are errors."""
    environment = Environment(
        loader=PackageLoader("quba_check.page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_visible,
    )
    environment.filters |= {function.__name__: function for function in _FILTERS}
    return environment


def _visible(value: object) -> object:
    """Return text without characters that are invisible or change its direction; lines stay."""
    return visible(value, "\n") if isinstance(value, str) and not isinstance(value, Markup) else value
