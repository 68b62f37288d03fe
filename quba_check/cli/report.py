"""`quba-check report`: stored runs in a format for readers, CI systems and other tools."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import TextWrapper
from typing import Any

import click

from quba_check.cli.files import check_not_read, population_option, write_output
from quba_check.cli.formats import COMMAND, FORMATS, Format
from quba_check.cli.parser import (
    INPUT,
    OUTPUT,
    PLACE,
    WEB_ADDRESS,
    Checked,
    check_read,
    flag_of,
    records_argument,
    store_option,
    value_option,
)
from quba_check.errors import OptionError
from quba_check.gate.options import MOST_PICTURES, Given, file_ending_in, one_of, whole_number
from quba_check.number_format import counted

FORM = Checked(one_of(*FORMATS))
PICTURES = Checked(whole_number(1, MOST_PICTURES))


class ReportCommand(click.Command):
    """A command whose help has the table of formats."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table, then the example."""
        with formatter.section("Formats"):
            for name, purpose, flags in format_rows(self.params):
                text = f"{purpose}. Reads {', '.join(flags)}." if flags else f"{purpose}."
                wrapper = TextWrapper(formatter.width, f"  {name:<10}", " " * 12, break_on_hyphens=False)
                formatter.write(f"{wrapper.fill(text)}\n")
        super().format_epilog(ctx, formatter)


def format_rows(params: Sequence[click.Parameter]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield name, purpose and options of each format, given the parameters of the command."""
    for name, form in FORMATS.items():
        words = [form.purpose, "one record" * form.takes_one, f"needs {_file(form)}" * form.needs_file]
        yield (
            name,
            "; ".join(filter(None, words)),
            [flag_of(param) for param in params if param.name in form.options],
        )


def _file(form: Format) -> str:
    return f"-o FILE{form.suffix}"


@click.command(
    "report",
    cls=ReportCommand,
    epilog="Example: quba-check report demo.json --baseline textured.json -o report.html",
)
@records_argument
@value_option("--to form", "FORMAT", "see below (default: html)", FORM, default="html")
@value_option("-o --output", "FILE", "file to write (else standard output)", OUTPUT)
@value_option("--baseline", "RECORD.json", "show what changed since this run", INPUT)
@population_option("that of the grade")
@value_option(
    "--thresholds", "FILE", "threshold file with the population and the weights of the score", INPUT
)
@value_option("--pictures", "N", "show up to N images behind each failed demand", PICTURES)
@value_option("--data", "DIR", "folder or URL of these images (else the run's)", PLACE)
@value_option("--page-url", "URL", "address of the report page", WEB_ADDRESS, default="")
@value_option(
    "--source-url", "URL", "address of the repository's files (else the job's)", WEB_ADDRESS, default=""
)
@store_option
def report(paths: tuple[Path, ...], form: str, output: Path | None, **given: Any) -> None:
    """Write stored runs as a page, a summary, annotations, a badge or a table."""
    paths = tuple(dict.fromkeys(paths))
    to = FORMATS[form]
    _check(form, paths, output, given)
    check_not_read(output, [*paths, *filter(None, [given["baseline"]])])
    write_output(to.write(paths, **{name: given[name] for name in to.options}), output)
    if output is not None:
        size = output.stat().st_size / 1000
        sys.stderr.write(f"{output}: {counted(len(paths), 'record')}, {size:,.1f} kB\n")


def _check(form: str, paths: Sequence[Path], output: Path | None, given: Mapping[str, Any]) -> None:
    """Refuse what a format does not take, and a missing file."""
    to = FORMATS[form]
    readers = {
        str(param.name): [f"--to {other}" for other, each in FORMATS.items() if param.name in each.options]
        for param in report.params
    }
    unread = {name: ", ".join(each) for name, each in readers.items() if each and name not in to.options}
    check_read(unread, f"by --to {form}")
    if given["pictures"] is None:
        check_read({"data": "with --pictures N"}, "without --pictures")
    if to.needs_file and output is None:
        raise OptionError("is missing", where=f"{COMMAND}: --output", allowed=f"--to {form} {_file(to)}")
    if to.takes_one and len(paths) > 1:
        raise OptionError(where=f"{COMMAND}: --to {form}", got=f"{len(paths)} records", allowed="one")
    if output is not None and to.suffix:
        file_ending_in(to.suffix)(Given(f"{COMMAND}: --output of --to {form}", str(output), Path()))
