"""`quba-check compare`: differences between two stored runs, without model or images."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from quba_check.cli.parser import INPUT, OUTPUT, check_not_read, store_option
from quba_check.errors import OptionError
from quba_check.messages import did_you_mean, listed

FORMATS = ("table", "json", "markdown")


@click.command(
    "compare",
    short_help="compare two stored runs, paired image by image",
    epilog="Example: quba-check compare demo.json textured.json",
)
@click.argument("before", type=INPUT, metavar="A.json")
@click.argument("after", type=INPUT, metavar="B.json")
@click.option("--flips", type=OUTPUT, metavar="FILE.csv", help="write the images whose answers changed")
@click.option("--format", "form", default=FORMATS[0], metavar="NAME", help="table (default), json, markdown")
@click.option("--parts", is_flag=True, help="also show parts of dimensions (JSON has them)")
@store_option
def compare(
    before: Path, after: Path, flips: Path | None, form: str, parts: bool, store: str | Path | None
) -> None:
    """Report what changed from record A to record B on the same images.

    Differences have paired intervals. For accuracies, McNemar's exact test is printed too.
    """
    from quba_check.comparison.compare import compare as compare_runs
    from quba_check.comparison.misclassified import flips_csv
    from quba_check.comparison.stored_run import stored_run
    from quba_check.records.files import IMAGES_SUFFIX, read_record, write_text
    from quba_check.reports.comparison import comparison_text
    from quba_check.reports.tables import fit_encoding
    from quba_check.storage.places import default_place

    if form not in FORMATS:
        raise OptionError(
            f"quba-check compare: --format: got '{form}'. Allowed: {listed(FORMATS)}."
            f"{did_you_mean(form, FORMATS)}"
        )
    records = before, after
    if flips is not None:
        check_not_read(flips, [*records, *(path.with_suffix(IMAGES_SUFFIX) for path in records)], "--flips")
    folder = store or default_place()
    first, second = (stored_run(path, str(path), read_record(path), folder) for path in records)
    changes = compare_runs(first, second)
    if flips is not None:
        text, count = flips_csv(first, second)
        write_text(text, flips)
        sys.stderr.write(f"{flips}: {count:,} images with another answer\n")
    text = comparison_text(changes, form, parts=parts)
    sys.stdout.write(fit_encoding(text, sys.stdout.encoding))
