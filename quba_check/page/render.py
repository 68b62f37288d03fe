"""The page as text: the templates filled with the contents of records."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from quba_check.comparison.stored_run import StoredRun
from quba_check.errors import UserError
from quba_check.grading.population import Population
from quba_check.messages import one_line, visible
from quba_check.page.changes import changes
from quba_check.page.columns import columns
from quba_check.page.demands import KINDS, demands
from quba_check.page.dimensions import dimension_views, documentation
from quba_check.page.header import cards
from quba_check.page.pictures import Pictures
from quba_check.page.provenance import set_rows, sources
from quba_check.page.ranking import HIGHEST_WEIGHT, WEIGHT_STEP, ranking
from quba_check.page.reference import reference

SECTIONS = (
    ("demands", "Demands"),
    ("changes", "Since the baseline"),
    ("dimensions", "Dimensions"),
    ("ranking", "Where it stands"),
    ("data", "Data and doctor"),
    ("provenance", "Provenance"),
)
"""Address and heading of each section, in the order of the page."""
SCRIPTS = ("page.js", "ranking.js")
STYLE = "page.css"


def render_page(
    runs: Sequence[StoredRun],
    *,
    baseline: StoredRun | None = None,
    pictures: Pictures | None = None,
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
        raise UserError("report: there is no record to show. Allowed: one record or several.")
    environment = _environment()
    view = _view(runs, baseline, pictures or {}, population)
    style = _source(environment, STYLE)
    script = "\n".join(_source(environment, name) for name in SCRIPTS)
    sections = [(name, heading) for name, heading in SECTIONS if name != "changes" or baseline is not None]
    return environment.get_template("page.html").render(
        **view,
        sections=sections,
        policy=content_security_policy(style, script),
        style=Markup(style),  # noqa: S704  a file of this package
        script=Markup(script),  # noqa: S704  files of this package
    )


def _view(
    runs: Sequence[StoredRun],
    baseline: StoredRun | None,
    pictures: Pictures,
    population: str | Path | Population | None,
) -> dict[str, Any]:
    """Return the variables of the templates."""
    records = columns(runs)
    compared_with = reference(runs, population)
    changed = changes(records, baseline)
    demanded = demands(records, baseline, compared_with, pictures)
    return {
        "columns": records,
        "baseline": baseline,
        "reference": compared_with,
        "cards": cards(records, demanded, changed),
        "demands": demanded,
        "kinds": KINDS,
        "changes": changed,
        "dimensions": dimension_views(records, compared_with),
        "documentation": documentation(),
        "sets": set_rows(records),
        "sources": sources(records, baseline),
        "ranking": ranking(records, compared_with),
        "highest_weight": HIGHEST_WEIGHT,
        "weight_step": WEIGHT_STEP,
    }


def content_security_policy(style: str, script: str) -> str:
    """Return a policy that allows exactly this style, this script and pictures within the page."""
    return (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


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
    environment.filters["one_line"] = one_line
    return environment


def _visible(value: object) -> object:
    """Return text without characters that are invisible or change its direction; lines stay."""
    return visible(value, "\n") if isinstance(value, str) and not isinstance(value, Markup) else value


def _source(environment: Environment, name: str) -> str:
    """Return the text of a file next to the templates."""
    assert environment.loader is not None  # noqa: S101  `_environment` sets one
    return environment.loader.get_source(environment, name)[0]
