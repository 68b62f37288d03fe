"""Records and populations that commands read, and texts that they write."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from quba_check.cli.parser import Checked, Command, value_option
from quba_check.comparison.stored_run import StoredRun, stored_run
from quba_check.core.facts import SuiteFacts
from quba_check.demands.bounds import today
from quba_check.demands.demand import Thresholds
from quba_check.errors import OptionError, PopulationError, UserError
from quba_check.gate.options import Given
from quba_check.grading.population import Population
from quba_check.grading.population_file import POPULATION_CHOICES, population
from quba_check.grading.published import (
    TIMM_PREFIX,
    PublishedModel,
    models_by_name,
    nearest_names,
    published_models,
)
from quba_check.records.baselines import approved_record, project_root
from quba_check.records.files import IMAGES_SUFFIX, write_bytes
from quba_check.records.record import Record
from quba_check.reports.tables import fit_encoding
from quba_check.verdicts.stored_verdicts import read_record

Place = str | Path | None
"""A folder or URL; None for the default one."""


def read_run(path: Path, store: Place) -> StoredRun:
    """Read a record with its per-image results.

    Args:
        path: the record.
        store: store to search for the per-image results; None for the default one.
    """
    return stored_run(path, str(path), read_record(path), store)


def stated_baseline(thresholds: Thresholds, store: Place) -> StoredRun | None:
    """Return the baseline that a threshold file states; None if none is approved."""
    if thresholds.baseline is None:
        return None
    path = approved_record(thresholds.baseline, project_root(), store)
    return None if path is None else read_run(path, store)


def facts_of(record: Record | None) -> SuiteFacts:
    """Return the suite facts of a record; None stands for the published suite."""
    from quba_check.suites.opening import published_facts
    from quba_check.tuning.record_facts import suite_facts

    if record is None:
        return replace(published_facts(), name="imagenet (--record names another)")
    return suite_facts(record)


def parse_population(given: Given) -> Population:
    """Return a built-in population, or that of a file."""
    try:
        return population(given.value)
    except PopulationError as error:
        where = given.flag if error.where == "population" else f"{given.flag}: {error.where}"
        allowed = error.allowed or POPULATION_CHOICES
        raise OptionError(**error.pieces | {"where": where, "allowed": allowed}) from None


def parse_published_model(given: Given) -> PublishedModel:
    """Return a published model by its name in the table or in timm."""
    name = given.value.removeprefix(TIMM_PREFIX)
    model = models_by_name().get(name)
    if model:
        return model
    similar = ", ".join(f"'{other}'" for other in nearest_names(name))
    near = f"Did you mean {similar}?" if similar else ""
    raise OptionError(
        f"there is no published model '{given.value}'",
        where=given.flag,
        allowed=f"one of the {len(published_models())} names in the published table, or the model's "
        "name in timm",
        hint=near,
    )


PUBLISHED = "published"
POPULATION = Checked(parse_population)
PUBLISHED_MODEL = Checked(parse_published_model)


def population_option(words: str = PUBLISHED) -> Callable[[Command], Command]:
    """Return the option `--population`.

    Args:
        words: the default in the help; the option has no default but the published population.
    """
    text = f"published, screened, demo, or a population file (default: {words})"
    default = PUBLISHED if words == PUBLISHED else None
    return value_option("--population", "NAME", text, POPULATION, default=default)


def check_waivers(record: Record, path: Path) -> None:
    """Refuse a record with a waiver that has expired since its run.

    Raises:
        UserError: it has one.
    """
    for row in record.verdicts:
        if row.outcome == "waived" and row.waiver is not None and row.waiver.until < today():
            raise UserError(
                f"the waiver of {row.shown_name} has expired",
                where=f"{path}",
                got=f"{row.waiver.until}",
                allowed=f"{today()} or later",
                hint="Run the gate again.",
            )


def check_not_read(output: Path | None, records: Iterable[Path], option: str = "--output") -> None:
    """Refuse to write over a record of the same command, or over its per-image file.

    Args:
        output: the file to write; None for standard output.
        records: the records that are read.
        option: name of the output's option in messages.

    Raises:
        OptionError: the output is one of them.
    """
    inputs = (file for path in records for file in (path, path.with_suffix(IMAGES_SUFFIX)))
    if output is not None and output.absolute() in [file.absolute() for file in inputs]:
        raise OptionError(got=f"'{output}', which this command reads", where=option, allowed="another file")


def progress_bars() -> Progress:
    """Return progress bars on standard error, which show on a terminal alone."""
    return Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())


def write_output(content: str | bytes, output: Path | None = None) -> None:
    """Write content to a file, else a text to standard output."""
    data = content.encode() if isinstance(content, str) else content
    if output is not None:
        write_bytes(data, output)
    else:
        sys.stdout.write(fit_encoding(data.decode(), sys.stdout.encoding))
