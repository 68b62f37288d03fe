"""`quba-check failures`: the misclassified clean images of a stored run, or those lost against another."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quba_check.cli.parser import INPUT, OUTPUT, WholeNumber, check_not_read, store_option
from quba_check.errors import OptionError
from quba_check.messages import one_line

if TYPE_CHECKING:
    from quba_check.comparison.misclassified import Failure
    from quba_check.comparison.stored_run import StoredRun

LIMIT = 20
"""Images in the table without --limit."""
STDOUT = Path("-")
LEAST_WIDTH, WIDEST = 72, 120
LONGEST_CLASS = 14


@click.command(
    "failures",
    short_help="list the images that a stored run got wrong",
    epilog="Example: quba-check failures textured.json --baseline demo.json",
)
@click.argument("record", type=INPUT, metavar="RECORD.json")
@click.option(
    "--baseline",
    type=INPUT,
    metavar="FILE.json",
    help="list only the images that this earlier run got right",
)
@click.option(
    "--csv",
    "output",
    type=OUTPUT,
    metavar="FILE",
    help="write all of them as CSV, instead of the table; - is standard output",
)
@click.option("--limit", type=WholeNumber(1), metavar="N", help=f"images in the table (default: {LIMIT})")
@store_option
def failures(
    record: Path, baseline: Path | None, output: Path | None, limit: int | None, store: str | Path | None
) -> None:
    """List the clean images that a stored run got wrong, highest loss first."""
    from quba_check.comparison.misclassified import failures as failures_of
    from quba_check.comparison.misclassified import failures_csv
    from quba_check.comparison.stored_run import stored_run
    from quba_check.records.files import IMAGES_SUFFIX, read_record, write_text
    from quba_check.reports.tables import fit_encoding
    from quba_check.storage.places import default_place

    if output is not None and limit is not None:
        raise OptionError(
            f"quba-check failures: --limit: got {limit} with --csv, which writes all wrong images. "
            "Leave one of the two options out."
        )
    if output is not None:
        records = [record] if baseline is None else [record, baseline]
        inputs = [*records, *(path.with_suffix(IMAGES_SUFFIX) for path in records)]
        check_not_read(output, inputs, "--csv")
    folder = store or default_place()
    run = stored_run(record, str(record), read_record(record), folder)
    before = None
    if baseline is not None:
        before = stored_run(baseline, str(baseline), read_record(baseline), folder)
    wrong = [image for image in failures_of(run, before) if before is None or image.is_lost]
    if output is None:
        shown = wrong[: limit or LIMIT]
        text = f"{_heading(run, wrong, before)}\n"
        if shown:
            text += _table(shown, run)
        if len(shown) < len(wrong):
            text += f"shown: {len(shown):,} of {len(wrong):,}; --limit N shows more, --csv FILE writes all\n"
        sys.stdout.write(fit_encoding(text, sys.stdout.encoding))
    elif output == STDOUT:
        sys.stdout.write(fit_encoding(failures_csv(wrong), sys.stdout.encoding))
    else:
        write_text(failures_csv(wrong), output)
        sys.stderr.write(f"{output}: {len(wrong):,} wrong images\n")
    if wrong and wrong[0].loss is None:
        sys.stderr.write(
            f"{record}: its answers were stored by an earlier version, without confidence and loss. "
            "Run the gate again to get them.\n"
        )


def _heading(run: StoredRun, wrong: Sequence[Failure], baseline: StoredRun | None) -> str:
    images = len(run.clean_answers().names)
    are = "is" if len(wrong) == 1 else "are"
    record = run.record
    end = "" if baseline is None else f", and right in {baseline.file}"
    return (
        f"{record.model.name} on {record.suite.name}: {len(wrong):,} of {images:,} clean images "
        f"{are} wrong{end}"
    )


def _table(shown: Sequence[Failure], run: StoredRun) -> str:
    """Return the table, at most as wide as the terminal; long names are cut."""
    from quba_check.core.facts import short_class_names
    from quba_check.reports.tables import table_text

    classes = run.clean_answers().classes
    short = dict(zip(classes, short_class_names(classes), strict=True))
    rows = [
        (
            "-" if image.index is None else str(image.index),
            _number(image.loss),
            _number(image.confidence),
            _shorten(one_line(short[image.label]), LONGEST_CLASS),
            _shorten(one_line(short[image.predicted]), LONGEST_CLASS),
            one_line(image.path),
        )
        for image in shown
    ]
    headings = ("index", "loss", "confidence", "label", "predicted", "path")
    width = min(max(shutil.get_terminal_size().columns, LEAST_WIDTH), WIDEST)
    taken = sum(
        max(len(heading), *(len(row[column]) for row in rows)) + 2
        for column, heading in enumerate(headings[:-1])
    )
    cut = [(*cells, _shorten(path, width - taken, keep_end=True)) for *cells, path in rows]
    return table_text(headings, cut, right=headings[:3])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _shorten(text: str, width: int, *, keep_end: bool = False) -> str:
    """Return a text cut to a width, at its end or its beginning, with dots."""
    if len(text) <= width:
        return text
    return f"...{text[3 - width :]}" if keep_end else f"{text[: width - 3]}..."
