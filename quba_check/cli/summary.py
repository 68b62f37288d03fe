"""`quba-check summary`: stored runs as a summary in Markdown."""

from __future__ import annotations

from pathlib import Path

import click

from quba_check.cli.files import check_not_read, read_run, write_output
from quba_check.cli.parser import WEB_ADDRESS, file_option, output_option, records_argument, store_option
from quba_check.reports.markdown import compared_run, markdown_summary


@click.command("summary", epilog="Example: quba-check summary textured.json --baseline demo.json")
@records_argument
@output_option()
@file_option("--baseline", "RECORD.json", "record to show the changes from")
@click.option(
    "--page-url", type=WEB_ADDRESS, metavar="URL", default="", help="address of the report page, for a link"
)
@store_option
def summary(
    paths: tuple[Path, ...],
    output: Path | None,
    baseline: Path | None,
    page_url: str,
    store: str | Path | None,
) -> None:
    """Print stored runs as a summary in Markdown, for pull requests and CI pages.

    Each run has its verdict, up to ten unmet demands with value, interval and change, all demands folded,
    and the command that repeats it. At most 60 kB.
    """
    named = [*paths, *([baseline] if baseline else [])]
    check_not_read(output, named)
    runs = [read_run(path, store) for path in named]
    before = runs[-1] if baseline else None
    text = markdown_summary([compared_run(run, before) for run in runs[: len(paths)]], url=page_url)
    write_output(text, output)
