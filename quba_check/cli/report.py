"""`quba-check report`: the page of stored runs, as one HTML file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from quba_check.cli.parser import INPUT, OUTPUT, check_not_read, store_option


@click.command(
    "report",
    short_help="write the page of stored runs: one HTML file",
    epilog="Example: quba-check report demo.json --baseline textured.json -o report.html",
)
@click.argument("paths", nargs=-1, required=True, type=INPUT, metavar="RECORD.json...")
@click.option("--output", "-o", required=True, type=OUTPUT, metavar="FILE.html", help="file to write")
@click.option("--baseline", type=INPUT, metavar="RECORD.json", help="show what changed since this run")
@click.option(
    "--population",
    metavar="NAME",
    help="population to compare with: published, screened, demo, or a file (else that of the grade)",
)
@store_option
def report(
    paths: tuple[Path, ...], output: Path, baseline: Path | None, population: str | None, store: Path | None
) -> None:
    """Write one page on stored runs, with a column for each.

    The page is a single file that opens without a network: verdict, demands, changes, dimensions, data and
    provenance.
    """
    from quba_check.comparison.stored_run import stored_run
    from quba_check.page.render import render_page
    from quba_check.records.files import IMAGES_SUFFIX, read_record, write_text
    from quba_check.storage.store import default_root

    records = [*paths, *([] if baseline is None else [baseline])]
    check_not_read(output, [*records, *(path.with_suffix(IMAGES_SUFFIX) for path in records)], "--output")
    folder = store or default_root()
    runs = [stored_run(path, str(path), read_record(path), folder) for path in records]
    page = render_page(
        runs[: len(paths)],
        baseline=None if baseline is None else runs[-1],
        population=population,
    )
    write_text(page, output)
    sys.stderr.write(f"{output}: {len(page.encode()) / 1000:,.0f} kB\n")
