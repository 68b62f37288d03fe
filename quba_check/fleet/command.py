"""The pytest command line of a model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quba_check.errors import OptionError
from quba_check.fleet.model_list import MODEL_OPTIONS, ListedModel
from quba_check.records.files import SUFFIX

RECORD, LOG, PAGE, SUMMARY = "record", "log.txt", "page.html", "summary.md"
"""Files in the folder of a model; the first without its suffix."""
DATA_VARIABLE, WORDS_VARIABLE = "QUBA_DATA", "PYTEST_ADDOPTS"
"""Variables of the environment: the data folder, and words of pytest's command line."""
REFUSED = {
    "--model": "the models stand in the list",
    "--quba-report": "the record is written into --out",
    "--quba-html": "--html writes a page for each model",
    "--quba-markdown": "--markdown writes a summary for each model",
    "--quba-executor": "--executor names the executor of all models",
    "--quba-plan": "a fleet judges; 'pytest --model=SPEC --quba-plan' plans the run of one model",
}
"""Options of pytest that a fleet sets itself, and the reason."""


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """Options of all models of a fleet.

    Attributes:
        thresholds: threshold files or shipped profiles; none for the default of pytest.
        data: data folder or its URL; None for that of the environment or the ini file.
        store: store of predictions, likewise.
        executor: value of `--quba-executor`; None for its default.
        html: write a page for each model.
        markdown: write a summary for each model.
        further: further words of pytest's command line.
    """

    thresholds: tuple[str, ...] = ()
    data: str | Path | None = None
    store: str | Path | None = None
    executor: str | None = None
    html: bool = False
    markdown: bool = False
    further: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files that each model gets in addition to record and log."""
        return (*([PAGE] if self.html else []), *([SUMMARY] if self.markdown else []))


def check_further(words: Sequence[str], where: str) -> None:
    """Refuse options that a fleet sets for each model.

    Args:
        words: further words of pytest's command line.
        where: start of the message.

    Raises:
        OptionError: one of them is such an option.
    """
    for word in words:
        name = word.partition("=")[0]
        if name in REFUSED:
            raise OptionError(f"{where}: got '{name}' after --, but {REFUSED[name]}. Leave the option out.")


def settings(model: ListedModel, options: FleetOptions) -> tuple[str, ...]:
    """Return the words and variables that determine the verdict, apart from the contents of files.

    Executor, store and output files are not among them.
    """
    variables = (WORDS_VARIABLE,) if options.data is not None else (DATA_VARIABLE, WORDS_VARIABLE)
    set_here = (f"{name}={os.environ[name]}" for name in variables if os.environ.get(name))
    return (*words_of(model, options), *set_here)


def words_of(model: ListedModel, options: FleetOptions) -> tuple[str, ...]:
    """Return the words of pytest's command line that determine the verdict of a model."""
    own = [f"{MODEL_OPTIONS[name]}={value}" for name, value in model.options.items()]
    shared = [f"--quba-thresholds={file}" for file in options.thresholds]
    if options.data is not None:
        shared.append(f"--quba-data={options.data}")
    return (f"--model={model.text}", *shared, *own, *options.further)


def arguments(model: ListedModel, options: FleetOptions, folder: Path) -> list[str]:
    """Return the words after `pytest` that judge a model.

    Args:
        model: the model.
        options: options of all models.
        folder: the folder of its files.
    """
    files = {"--quba-report": f"{RECORD}{SUFFIX}"}
    files |= {"--quba-html": PAGE} if options.html else {}
    files |= {"--quba-markdown": SUMMARY} if options.markdown else {}
    shared = {"--quba-store": options.store, "--quba-executor": options.executor}
    return [
        *(f"{flag}={folder / name}" for flag, name in files.items()),
        *(f"{flag}={value}" for flag, value in shared.items() if value is not None),
        *words_of(model, options),
    ]
