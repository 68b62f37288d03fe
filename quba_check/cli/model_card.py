"""`quba-check model-card`: a value for a Hugging Face leaderboard."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from quba_check.cli.parser import WEB_ADDRESS, Checked, record_argument
from quba_check.errors import UserError
from quba_check.exports.leaderboard import FOLDER, Benchmark, leaderboard_text
from quba_check.gate.option_values import file_ending_in
from quba_check.records.files import read_record, write_text
from quba_check.storage.user_files import read_text

_VALUE = "accuracy"


@click.command(
    "model-card",
    epilog="Example: quba-check model-card demo.json README.md --dataset me/benchmark --task default",
)
@record_argument
@click.argument("card", type=Checked(file_ending_in(".md", ".MD")), metavar="README.md")
@click.option("--dataset", required=True, metavar="ID", help="benchmark dataset on the Hub")
@click.option("--task", required=True, metavar="ID", help="the dataset's task, as in its eval.yaml")
@click.option("--value", default=_VALUE, metavar="NAME", help=f"dimension or part (default: {_VALUE})")
@click.option("--percent", is_flag=True, help="write the value times 100")
@click.option("--revision", metavar="COMMIT", help="commit of the dataset")
@click.option("--url", type=WEB_ADDRESS, metavar="URL", help="page where readers find the record or a report")
def model_card(
    path: Path,
    card: Path,
    dataset: str,
    task: str,
    value: str,
    percent: bool,
    revision: str | None,
    url: str | None,
) -> None:
    """Write a stored run's value for a leaderboard, next to the model card.

    The leaderboard reads it in the folder .eval_results. A second run replaces the value of the first.
    """
    record = read_record(path)
    read_text(card, str(card), UserError)  # refuses a wrong folder
    benchmark = Benchmark(dataset, task, revision)
    file = card.parent / FOLDER / benchmark.file_name
    write_text(leaderboard_text(record, benchmark, value, as_percentage=percent, url=url), file)
    sys.stdout.write(f"{file}: {value} for the task {task} of {dataset}\n")
