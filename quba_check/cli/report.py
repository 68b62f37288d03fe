"""`quba-check report`: the page of stored runs, as one HTML file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from quba_check.cli.files import check_not_read, read_run
from quba_check.cli.parser import PLACE, Checked, file_option, output_option, records_argument, store_option
from quba_check.cli.populations import population_option
from quba_check.comparison.stored_run import StoredRun
from quba_check.demo import DEMO_MODELS
from quba_check.errors import OptionError, UserError
from quba_check.gate.option_values import whole_number
from quba_check.gate.options import MOST_PICTURES
from quba_check.grading.population import Population
from quba_check.page.pictures import ImageSource, Pictures, make_pictures
from quba_check.page.render import render_page
from quba_check.records.files import write_text
from quba_check.storage.locations import default_location, local_folder
from quba_check.suites.sampling import SubsetSampler
from quba_check.suites.set_images import SetImages


@click.command(
    "report", epilog="Example: quba-check report demo.json --baseline textured.json -o report.html"
)
@records_argument
@output_option(".html", required=True)
@file_option("--baseline", "RECORD.json", "show what changed since this run")
@population_option("that of the grade")
@click.option(
    "--pictures",
    "n",
    type=Checked(whole_number(1, MOST_PICTURES)),
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
    stored_runs, before = runs[: len(paths)], None if baseline is None else runs[-1]
    pictures: Pictures = {}
    if n is not None:
        folder = local_folder(store or default_location())
        sources = [picture_source(run, data, folder) for run in stored_runs]
        pictures = make_pictures(stored_runs, sources, n, baseline=before)
    page = render_page(stored_runs, baseline=before, pictures=pictures, population=population)
    write_text(page, output)
    sys.stderr.write(f"{output}: {len(page.encode()) / 1000:,.0f} kB\n")


def picture_source(run: StoredRun, data: str | Path | None, store: Path) -> ImageSource | str:
    """Return the images of a run, or the reason why they are missing.

    Args:
        run: the run.
        data: the data folder or its URL; None for the folder of the run.
        store: folder of the demo's images, which are drawn if missing.

    Raises:
        UserError: the data folder is missing or holds no suite. A missing folder of a run is no error here.
    """
    record = run.record
    sampler = SubsetSampler(record.limit, record.environment.seed)
    own = None if record.model.spec in DEMO_MODELS else record.suite.root
    try:
        return SetImages.of_run(own if data is None else data, sampler, store)
    except UserError as why:
        if data is not None:
            raise
        return f"{why} Another folder: --data DIR."
