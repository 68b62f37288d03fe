"""`quba-check model-card`: results of a stored run for a Hugging Face model page."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from quba_check.cli.parser import WEB_ADDRESS, Checked, record_argument
from quba_check.errors import OptionError, UserError
from quba_check.exports.leaderboard import FOLDER, Benchmark, leaderboard_text
from quba_check.exports.model_card import card_with_results
from quba_check.gate.option_values import file_ending_in
from quba_check.records.files import read_record, write_text
from quba_check.storage.user_files import read_text

_WHERE = "quba-check model-card"
_VALUE = "accuracy"


@click.command("model-card", epilog="Example: quba-check model-card demo.json README.md")
@record_argument
@click.argument("card", type=Checked(file_ending_in(".md", ".MD")), metavar="README.md")
@click.option("--url", type=WEB_ADDRESS, metavar="URL", help="page where readers find the record or a report")
@click.option(
    "--dataset",
    metavar="ID",
    help="benchmark dataset on the Hub; with --task, write .eval_results instead of the card",
)
@click.option("--task", metavar="ID", help="the dataset's task, as in its eval.yaml")
@click.option("--value", metavar="NAME", help=f"dimension or part for the task (default: {_VALUE})")
@click.option("--percent", is_flag=True, help="write the value for the task times 100")
@click.option("--revision", metavar="COMMIT", help="commit of the dataset")
def model_card(
    path: Path,
    card: Path,
    url: str | None,
    dataset: str | None,
    task: str | None,
    value: str | None,
    percent: bool,
    revision: str | None,
) -> None:
    """Write the results of a stored run into the model card README.md.

    A second run replaces the results of the first. Other metadata and the text stay; comments in the front
    matter are lost.

    With --dataset and --task, one value goes into the folder .eval_results next to the card, for the
    leaderboard of that benchmark.
    """
    if (dataset is None) != (task is None):
        missing = "--task" if task is None else "--dataset"
        raise OptionError(
            f"{_WHERE}: {missing}: is missing. Allowed: both --dataset ID and --task ID, or neither."
        )
    for option, given in (("--value", value), ("--percent", percent), ("--revision", revision)):
        if given and dataset is None:
            raise OptionError(f"{_WHERE}: {option}: is given without --dataset ID and --task ID. Add them.")
    record = read_record(path)
    text = read_text(card, str(card), UserError, 2**26)
    if dataset is None or task is None:
        write_text(card_with_results(text, str(card), record, url), card)
        results = f"{record.model.name} on {record.suite.name}"
        sys.stdout.write(f"{card}: model-index has the results of {results}\n")
        return
    benchmark, value = Benchmark(dataset, task, revision), value or _VALUE
    file = card.parent / FOLDER / benchmark.file_name
    write_text(leaderboard_text(record, benchmark, value, as_percentage=percent, url=url), file)
    sys.stdout.write(f"{file}: {value} for the task {task} of {dataset}\n")
