"""`quba-check compare`: differences between two stored runs, without model or images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from quba_check.cli.parser import check_not_read, output_file
from quba_check.errors import OptionError, did_you_mean, listed
from quba_check.reports.comparison import FORMATS


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "compare",
        help="compare two stored runs, paired image by image",
        description="Report what changed from one model to another on the same images: differences with "
        "paired intervals, McNemar's exact test for accuracies, and the images whose answers flipped.",
    )
    parser.add_argument("before", type=Path, metavar="A.json", help="record of the first run")
    parser.add_argument("after", type=Path, metavar="B.json", help="record of the second run")
    parser.add_argument(
        "--flips", type=output_file, metavar="FILE.csv", help="write the images that flipped here"
    )
    parser.add_argument("--format", default=FORMATS[0], metavar="NAME", help=", ".join(FORMATS))
    parser.add_argument("--parts", action="store_true", help="also show parts of dimensions (JSON has them)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="where predictions are kept")
    parser.set_defaults(command=_compare)


def _compare(options: argparse.Namespace) -> None:
    from quba_check.comparison.compare import compare
    from quba_check.comparison.flips import flips_csv
    from quba_check.comparison.stored_run import SUFFIX, stored_run
    from quba_check.records.files import read_record, write_text
    from quba_check.reports.comparison import comparison_text
    from quba_check.reports.tables import fit_encoding
    from quba_check.storage.store import default_root

    if options.format not in FORMATS:
        raise OptionError(
            f"--format: unknown '{options.format}'. Allowed: {listed(FORMATS)}."
            f"{did_you_mean(options.format, FORMATS)}"
        )
    if options.flips is not None:
        records = options.before, options.after
        check_not_read(options.flips, [*records, *(path.with_suffix(SUFFIX) for path in records)], "--flips")
    store = options.store or default_root()
    before, after = (
        stored_run(path, str(path), read_record(path), store) for path in (options.before, options.after)
    )
    comparison = compare(before, after)
    if options.flips is not None:
        text, count = flips_csv(before, after)
        write_text(text, options.flips)
        sys.stderr.write(f"{options.flips}: {count:,} flipped images\n")
    text = comparison_text(comparison, options.format, parts=options.parts)
    sys.stdout.write(fit_encoding(text, sys.stdout.encoding))
