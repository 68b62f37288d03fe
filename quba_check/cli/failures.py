"""`quba-check failures`: the misclassified clean images of a stored run, or its worst slices."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from quba_check.cli.files import Place, check_not_read, read_run, write_output
from quba_check.cli.parser import COUNT, INPUT, OUTPUT, check_read, store_option, value_option
from quba_check.comparison.misclassified import Failure, failures_csv
from quba_check.comparison.misclassified import failures as failures_of
from quba_check.comparison.stored_run import StoredRun
from quba_check.core.facts import short_class_names
from quba_check.errors import OptionError
from quba_check.messages import allowed_names, one_line
from quba_check.records.files import read_record
from quba_check.reports.explanation import LEAST_IMAGES, slices_text
from quba_check.reports.tables import shorten, table_text, terminal_width

LIMIT = 20
"""Images in the table without --limit."""
STDOUT = Path("-")
HEADINGS = ("index", "loss", "confidence", "label", "predicted", "path")
WIDEST = 120
LONGEST_CLASS = 14
OF_IMAGES = ("baseline", "output", "slice_name", "limit", "store")
OF_SLICES = ("dimension", "least")
"""Parameters of the lists of images and of slices."""


@click.command("failures", epilog="Example: quba-check failures textured.json --baseline demo.json")
@click.argument("record", type=INPUT, metavar="RECORD.json")
@value_option("--baseline", "RECORD.json", "list only the images that this earlier run got right", INPUT)
@value_option(
    "--csv output", "FILE", "write all of them as CSV, instead of the table; - is standard output", OUTPUT
)
@value_option("--slice slice_name", "NAME", "only images of a slice, such as lighting=night")
@value_option("--limit", "N", f"images in the table (default: {LIMIT})", COUNT)
@click.option("--slices", is_flag=True, help="list the slices, each compared with all other images, instead")
@value_option("--dimension", "NAME", "of the slices (default: accuracy)", default="accuracy")
@value_option("--least", "N", f"images of a slice (default: {LEAST_IMAGES})", COUNT, default=LEAST_IMAGES)
@store_option
def failures(
    record: Path,
    baseline: Path | None,
    output: Path | None,
    slice_name: str | None,
    limit: int | None,
    slices: bool,
    dimension: str,
    least: int,
    store: Place,
) -> None:
    """List the clean images that a stored run got wrong, highest loss first.

    With --slices, list the slices of the manifest's columns and properties instead, the worst first.
    """
    unread, mode, other = (OF_IMAGES, "with", "without") if slices else (OF_SLICES, "without", "with")
    check_read(dict.fromkeys(unread, f"{other} --slices"), f"{mode} --slices")
    if output is not None:
        check_read({"limit": "without --csv"}, "with --csv, which writes all images")
    if slices:
        write_output(slices_text(read_record(record), dimension, least))
        return
    check_not_read(output, [record, *([baseline] if baseline else [])], "--csv")
    run = read_run(record, store)
    before = read_run(baseline, store) if baseline else None
    if slice_name is not None:
        names = [name for column in run.clean_answers().slices.values() for name in column.names]
        if slice_name not in names:
            hint = allowed_names(slice_name, names) if names else "The run has none."
            raise OptionError(f"no image is in the slice '{slice_name}'", where="--slice", hint=hint)
    wrong = [image for image in failures_of(run, before) if before is None or image.is_lost]
    wrong = [image for image in wrong if slice_name is None or slice_name in image.slices]
    if output is None:
        write_output(_text(run, wrong, before, limit or LIMIT, slice_name))
    elif output == STDOUT:
        write_output(failures_csv(wrong))
    else:
        write_output(failures_csv(wrong), output)
        sys.stderr.write(f"{output}: {len(wrong):,} wrong images\n")
    if wrong and wrong[0].loss is None:
        sys.stderr.write(
            f"{record}: its answers were stored by an earlier version, without confidence and loss. "
            "Run the gate again to get them.\n"
        )


def _text(
    run: StoredRun, wrong: Sequence[Failure], baseline: StoredRun | None, limit: int, slice_name: str | None
) -> str:
    """Return the number of wrong images, and a table of the first ones."""
    record, answers, listed = run.record, run.clean_answers(), wrong[:limit]
    columns = answers.slices.values()
    counts = [] if slice_name is None else [int(column.rows(slice_name).sum()) for column in columns]
    images = max(counts, default=len(answers.names))
    text = (
        f"{record.model.name} on {record.suite.name}: {len(wrong):,} of {images:,} clean images "
        f"{'is' if len(wrong) == 1 else 'are'} wrong{f', and right in {baseline.file}' if baseline else ''}"
        f"{f' ({slice_name})' if slice_name else ''}\n"
    )
    short = dict(zip(answers.classes, map(one_line, short_class_names(answers.classes)), strict=True))
    rows = [
        (
            "-" if image.index is None else str(image.index),
            *("-" if number is None else f"{number:.3f}" for number in (image.loss, image.confidence)),
            *(shorten(short[name], LONGEST_CLASS) for name in (image.label, image.predicted)),
            one_line(image.path),
        )
        for image in listed
    ]
    if rows:
        text += table_text(HEADINGS, rows, HEADINGS[:3], cut=["path"], width=terminal_width(WIDEST))
    if len(listed) < len(wrong):
        text += f"shown: {len(listed):,} of {len(wrong):,}; --limit N shows more, --csv FILE writes all\n"
    return text
