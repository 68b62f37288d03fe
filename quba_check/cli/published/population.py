"""`quba-check published population`: a reference population from records of your models."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from quba_check.cli.files import check_not_read
from quba_check.cli.parser import output_option, records_argument
from quba_check.errors import OptionError
from quba_check.grading.population_file import BUILT_IN, population_from_records
from quba_check.records.files import write_text
from quba_check.verdicts.stored_verdicts import read_record


@click.command("population", epilog="Example: quba-check published population runs/*.json -o fleet.json")
@records_argument
@output_option(required=True)
@click.option("--name", help="its name in reports (default: the file's name)")
def population(paths: tuple[Path, ...], output: Path, name: str | None) -> None:
    """Make a reference population from the records of your models.

    Ten or more records of one suite and protocol are needed. A threshold file names the population as
    population: fleet.json.
    """
    name = name or output.stem
    if name in BUILT_IN:
        raise OptionError(
            f"the name '{name}' is taken",
            where="quba-check published population",
            allowed=f"any but {', '.join(BUILT_IN)}; give one with --name",
        )
    check_not_read(output, paths)
    file = population_from_records({str(path): read_record(path) for path in dict.fromkeys(paths)}, name)
    write_text(file.to_json(), output)
    sys.stdout.write(f"{output}: {len(file.rows)} models, protocol {file.protocol}\n")
    for dimension, problem in file.population.problems.items():
        sys.stderr.write(f"WARNING: {dimension}: {problem}. Grades need the weight 0 for it.\n")
