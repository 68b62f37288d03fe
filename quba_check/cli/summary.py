"""`quba-check summary`: stored runs as a summary in Markdown."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from quba_check.cli.parser import INPUT, OUTPUT, check_not_read, check_web_address, store_option
from quba_check.errors import UserError


@click.command(
    "summary",
    short_help="print stored runs as a summary in Markdown",
    epilog="Example: quba-check summary textured.json --baseline demo.json",
)
@click.argument("paths", nargs=-1, required=True, type=INPUT, metavar="RECORD.json...")
@click.option("-o", "--output", type=OUTPUT, metavar="FILE.md", help="file to write (else standard output)")
@click.option(
    "--baseline", "baseline_path", type=INPUT, metavar="RECORD.json", help="record to show the changes from"
)
@click.option("--page-url", metavar="URL", default="", help="address of the report page, for a link")
@store_option
def summary(
    paths: tuple[Path, ...],
    output: Path | None,
    baseline_path: Path | None,
    page_url: str,
    store: str | Path | None,
) -> None:
    """Print stored runs as a summary in Markdown, for pull requests and CI pages.

    Each run has its verdict, up to ten unmet demands with value, interval and change, all demands folded,
    and the command that repeats it. At most 60 kB.
    """
    from quba_check.comparison.compare import compare
    from quba_check.comparison.stored_run import stored_run
    from quba_check.records.files import IMAGES_SUFFIX, read_record, write_text
    from quba_check.reports.markdown import Run, markdown_summary
    from quba_check.reports.tables import fit_encoding
    from quba_check.storage.places import default_place

    check_web_address(page_url, "quba-check summary: --page-url")
    named = [*paths, *([baseline_path] if baseline_path else [])]
    if output is not None:
        images = [path.with_suffix(IMAGES_SUFFIX) for path in named]
        check_not_read(output, [*named, *images], "--output")
    folder = store or default_place()
    read = {path: stored_run(path, str(path), read_record(path), folder) for path in named}
    runs = []
    for path in paths:
        run = Run(read[path].record)
        if baseline_path is not None:
            try:
                run = Run(read[path].record, compare(read[baseline_path], read[path]))
            except UserError as why:
                run = Run(read[path].record, notes=(str(why),))
        runs.append(run)
    text = markdown_summary(runs, url=page_url)
    if output is not None:
        write_text(text, output)
    else:
        sys.stdout.write(fit_encoding(text, sys.stdout.encoding))
