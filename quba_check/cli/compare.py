"""`quba-check compare`: differences between two stored runs, without model or images."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from quba_check.cli.files import Place, check_not_read, read_run, write_output
from quba_check.cli.parser import INPUT, OUTPUT, check_read, format_option, store_option, value_option
from quba_check.comparison.compare import compare as compare_runs
from quba_check.comparison.misclassified import flips_csv
from quba_check.errors import OptionError
from quba_check.records.baselines import FOLDER, RECORD, approvals
from quba_check.records.files import HISTORY
from quba_check.reports.comparison import comparison_text
from quba_check.reports.history import history_text
from quba_check.reports.tables import terminal_width


@click.command("compare", epilog="Example: quba-check compare demo.json textured.json")
@click.argument("before", type=INPUT, metavar="A.json")
@click.argument("after", type=INPUT, metavar="B.json", required=False)
@value_option("--flips", "FILE.csv", "write the images whose answers changed", OUTPUT)
@format_option("table", "json", "markdown")
@click.option("--parts", is_flag=True, help="also show parts of dimensions (JSON has them)")
@store_option
def compare(
    before: Path, after: Path | None, flips: Path | None, form: str, parts: bool, store: Place
) -> None:
    """Report what changed from record A to record B on the same images.

    Differences have paired intervals. For accuracies, McNemar's exact test is printed too. Of one folder of
    a baseline, such as baselines/release, print the demanded numbers of each approval.
    """
    if after is None:
        check_read(dict.fromkeys(("flips", "parts", "store"), "with two records"), "for a baseline")
        history = approvals(before / RECORD)
        if not history:
            raise OptionError(
                where="quba-check compare",
                got=f"'{before}' alone",
                allowed=f"two records, or a folder with {HISTORY}, such as {FOLDER}/release",
            )
        write_output(history_text(f"{before}", history, form, terminal_width()))
        return
    check_not_read(flips, [before, after], "--flips")
    first, second = (read_run(path, store) for path in (before, after))
    changes = compare_runs(first, second)
    if flips is not None:
        text, count = flips_csv(first, second)
        write_output(text, flips)
        sys.stderr.write(f"{flips}: {count:,} images with another answer\n")
    write_output(comparison_text(changes, form, parts=parts))
