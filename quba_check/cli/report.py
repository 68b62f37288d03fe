"""`quba-check report`: the page of stored runs, as one HTML file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from quba_check.cli.files import check_not_read, read_run
from quba_check.cli.parser import INPUT, PLACE, OutputFile, WholeNumber, records_argument, store_option
from quba_check.cli.picture_sources import picture_sources
from quba_check.cli.populations import POPULATION
from quba_check.errors import OptionError
from quba_check.gate.options import MOST_PICTURES
from quba_check.grading.population import Population
from quba_check.page.pictures import Pictures, make_pictures
from quba_check.page.render import render_page
from quba_check.records.files import write_text
from quba_check.storage.places import default_place, local_folder


@click.command(
    "report", epilog="Example: quba-check report demo.json --baseline textured.json -o report.html"
)
@records_argument
@click.option(
    "-o", "--output", required=True, type=OutputFile(".html"), metavar="FILE.html", help="file to write"
)
@click.option("--baseline", type=INPUT, metavar="RECORD.json", help="show what changed since this run")
@click.option(
    "--population",
    type=POPULATION,
    metavar="NAME",
    help="population to compare with: published, screened, demo, or a file (else that of the grade)",
)
@click.option(
    "--pictures",
    "n",
    type=WholeNumber(1, MOST_PICTURES),
    metavar="N",
    help="show up to N images behind each failed demand (default: none)",
)
@click.option(
    "--data", type=PLACE, metavar="DIR", help="data folder or URL with these images (else that of the run)"
)
@store_option
def report(
    paths: tuple[Path, ...],
    output: Path,
    baseline: Path | None,
    population: Population | None,
    n: int | None,
    data: str | Path | None,
    store: str | Path | None,
) -> None:
    """Write one page on stored runs, with a column for each.

    The page is a single file that opens without a network: verdict, demands, changes, dimensions, data and
    provenance.
    """
    if data is not None and n is None:
        raise OptionError("quba-check report: --data: got a folder without --pictures. Add --pictures N.")
    records = [*paths, *([] if baseline is None else [baseline])]
    check_not_read(output, records)
    runs = [read_run(path, store) for path in records]
    shown, before = runs[: len(paths)], None if baseline is None else runs[-1]
    pictures: Pictures = {}
    if n is not None:
        sources = picture_sources(shown, data, local_folder(store or default_place()))
        pictures = make_pictures(shown, sources, n, baseline=before)
    page = render_page(shown, baseline=before, pictures=pictures, population=population)
    write_text(page, output)
    sys.stderr.write(f"{output}: {len(page.encode()) / 1000:,.0f} kB\n")
