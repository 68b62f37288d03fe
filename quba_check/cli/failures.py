"""`quba-check failures`: the misclassified clean images of a stored run."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quba_check.cli.parser import check_not_read, output_file, whole_number
from quba_check.errors import OptionError, one_line

if TYPE_CHECKING:
    from rich.table import Table

    from quba_check.comparison.compare import StoredRun
    from quba_check.comparison.failures import Failure

LIMIT = 20
"""Images in the table unless --limit says another number."""
STDOUT = Path("-")
LEAST_WIDTH, WIDEST = 72, 120
LONGEST_CLASS = 14


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "failures",
        help="list the images that a stored run got wrong",
        description="List the clean images that a stored run got wrong, those with the highest loss first.",
    )
    parser.add_argument("record", type=Path, metavar="RECORD.json", help="record of the run")
    parser.add_argument(
        "--csv",
        type=output_file,
        metavar="FILE",
        help="write all of them as CSV, instead of the table; - is standard output",
    )
    parser.add_argument(
        "--limit", type=whole_number(1), metavar="N", help=f"images in the table (default {LIMIT})"
    )
    parser.add_argument("--store", type=Path, metavar="DIR", help="where predictions are kept")
    parser.set_defaults(command=_list_failures)


def _list_failures(options: argparse.Namespace) -> None:
    from quba_check.comparison.failures import failures, failures_csv
    from quba_check.comparison.stored_run import SUFFIX, stored_run
    from quba_check.records.files import read_record, write_text
    from quba_check.reports.tables import fit_encoding, plain_text
    from quba_check.storage.store import default_root

    output: Path | None = options.csv
    if output is not None and options.limit is not None:
        raise OptionError(
            f"quba-check failures: --limit: got {options.limit} with --csv, which writes all wrong images. "
            "Leave one of the two options out."
        )
    if output is not None:
        check_not_read(output, [options.record, options.record.with_suffix(SUFFIX)], "--csv")
    record = read_record(options.record)
    run = stored_run(options.record, str(options.record), record, options.store or default_root())
    wrong = failures(run)
    if output is None:
        shown = wrong[: options.limit or LIMIT]
        text = f"{_heading(run, wrong)}\n"
        if shown:
            text += plain_text(_table(shown, run))
        if len(shown) < len(wrong):
            are = "is" if len(shown) == 1 else "are"
            counts = f"{len(shown):,} of {len(wrong):,} {are} shown"
            text += f"{counts}; --limit N shows more, --csv FILE writes all\n"
        sys.stdout.write(fit_encoding(text, sys.stdout.encoding))
    elif output == STDOUT:
        sys.stdout.write(fit_encoding(failures_csv(wrong), sys.stdout.encoding))
    else:
        write_text(failures_csv(wrong), output)
        sys.stderr.write(f"{output}: {len(wrong):,} wrong images\n")
    if wrong and wrong[0].loss is None:
        sys.stderr.write(
            f"{options.record}: its answers were stored by an earlier version, without confidence and loss. "
            "Run the gate again to get them.\n"
        )


def _heading(run: StoredRun, wrong: Sequence[Failure]) -> str:
    images = len(run.clean_answers().names)
    are = "is" if len(wrong) == 1 else "are"
    record = run.record
    return (
        f"{record.model.name} on {record.suite.name}: {len(wrong):,} of {images:,} clean images {are} wrong"
    )


def _table(shown: Sequence[Failure], run: StoredRun) -> Table:
    """Return the table, at most as wide as the terminal; long names are cut."""
    from rich.table import Table

    from quba_check.core.facts import short_class_names

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
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(
            heading, no_wrap=True, justify="right" if heading in ("index", "loss", "confidence") else "left"
        )
    width = min(max(shutil.get_terminal_size().columns, LEAST_WIDTH), WIDEST)
    taken = sum(
        max(len(heading), *(len(row[column]) for row in rows)) + 2
        for column, heading in enumerate(headings[:-1])
    )
    for *cells, path in rows:
        table.add_row(*cells, _shorten(path, width - taken, keep_end=True))
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _shorten(text: str, width: int, *, keep_end: bool = False) -> str:
    """Return a text cut to a width, at its end or its beginning, with dots."""
    if len(text) <= width:
        return text
    return f"...{text[3 - width :]}" if keep_end else f"{text[: width - 3]}..."
