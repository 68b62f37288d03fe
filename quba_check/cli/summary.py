"""`quba-check summary`: stored runs as a summary in Markdown."""

from __future__ import annotations

from pathlib import Path

import click

from quba_check.cli.files import check_not_read, read_run, write_output
from quba_check.cli.parser import INPUT, OUTPUT, WEB_ADDRESS, records_argument, store_option
from quba_check.reports.markdown import compared_run, markdown_summary


@click.command("summary", epilog="Example: quba-check summary textured.json --baseline demo.json")
@records_argument
@click.option("-o", "--output", type=OUTPUT, metavar="FILE.md", help="file to write (else standard output)")
@click.option(
    "--baseline", "baseline_path", type=INPUT, metavar="RECORD.json", help="record to show the changes from"
)
@click.option(
    "--page-url", type=WEB_ADDRESS, metavar="URL", default="", help="address of the report page, for a link"
)
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
    named = [*paths, *([baseline_path] if baseline_path else [])]
    check_not_read(output, named)
    runs = [read_run(path, store) for path in named]
    baseline = runs[-1] if baseline_path else None
    text = markdown_summary([compared_run(run, baseline) for run in runs[: len(paths)]], url=page_url)
    write_output(text, output)
