"""`quba-check fleet`: many models judged, each by its own pytest process."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import click

from quba_check.cli.files import write_output
from quba_check.cli.parser import INPUT, PLACE, Checked, store_option
from quba_check.demands.profiles import find_thresholds
from quba_check.errors import OptionError
from quba_check.executors.choice import parse_executor
from quba_check.fleet.command import FleetOptions, check_further
from quba_check.fleet.judging import Fleet, Running, locked
from quba_check.fleet.model_list import read_models
from quba_check.fleet.report import exit_code, fleet_json, fleet_table, result_line
from quba_check.fleet.result import ModelResult
from quba_check.fleet.shares import machine_shares, visible_gpus
from quba_check.gate.option_values import whole_number
from quba_check.messages import did_you_mean
from quba_check.reports.tables import fit_encoding
from quba_check.suites.opening import data_folder

COMMAND = "quba-check fleet"
MOST_AT_ONCE = 256
INTERRUPTED = 2
"""Exit code after Ctrl-C, as pytest's."""
WORKERS = "--quba-executor-workers"
END_OF_OPTIONS = "--"
FURTHER = "further"
"""Key of pytest's options in the context of the command."""


class FleetCommand(click.Command):
    """A command line with further options of pytest after `--`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the words after `--` in the context, and parse those before."""
        own, further = list(args), []
        if END_OF_OPTIONS in own:
            index = own.index(END_OF_OPTIONS)
            own, further = own[:index], own[index + 1 :]
        ctx.meta[FURTHER] = tuple(further)
        try:
            return super().parse_args(ctx, own)
        except click.NoSuchOption as error:
            raise OptionError(
                f"{COMMAND}: unknown option, got '{error.option_name}'."
                f"{did_you_mean(error.option_name, error.possibilities or ())} Options of pytest stand after "
                f"--: {COMMAND} MODELS.txt -- --quba-limit=500."
            ) from None

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return the pieces of the usage line."""
        return [*super().collect_usage_pieces(ctx), "[-- PYTEST OPTIONS]"]


@click.command("fleet", cls=FleetCommand, epilog="Example: quba-check fleet models.txt --at-once 2")
@click.argument("path", type=INPUT, metavar="MODELS.txt")
@click.option(
    "--thresholds",
    multiple=True,
    metavar="FILE",
    help="threshold file or shipped profile (else pytest's default; repeatable)",
)
@click.option("--data", type=PLACE, metavar="DIR", help="data folder or its URL (else $QUBA_DATA)")
@store_option
@click.option("--executor", metavar="NAME", help="as --quba-executor: inline (default), ray, ray:ADDRESS")
@click.option(
    "--at-once",
    type=Checked(whole_number(1, MOST_AT_ONCE)),
    metavar="N",
    help="models judged at once (default: one per GPU, else 1)",
)
@click.option(
    "--out", type=INPUT, default=Path("fleet"), metavar="FOLDER", help="folder to write (default: fleet)"
)
@click.option("--html", is_flag=True, help="also write a page on each model")
@click.option("--markdown", is_flag=True, help="also write a summary of each model")
@click.option("--json", "as_json", is_flag=True, help="print the results as JSON")
@click.pass_context
def fleet(
    context: click.Context, /, path: Path, out: Path, at_once: int | None, as_json: bool, **given: Any
) -> int:
    """Judge the models of a list, each by its own pytest process.

    MODELS.txt: a model spec in each line, and its own options such as arch=resnet50; # begins a comment.
    Options after -- go to pytest. A model that fails does not stop the others. The same command continues a
    fleet that was stopped: judged models are not started again, unless their files or options changed.

    Exit code 0: every model is released. 1: a model is not. 2: interrupted. 4: a mistake in the command line
    or the list. 5: a model could not be judged. 6: a demand is not shown to be met.
    """
    options = _options(given, context.meta[FURTHER])
    models = read_models(path)
    shares = _shares(at_once, options)
    if len(shares) > 1 and options.executor is None:
        options = replace(options, executor="inline")  # one from an ini file would be for a single model
    judging, is_complete = Fleet(models, options, out, shares), False
    results: list[ModelResult] = []
    with _termination_as_interrupt(), locked(out), suppress(KeyboardInterrupt):
        with closing(judging.run(_print_start)) as judged:
            for result in chain(judging.known_results(), judged):
                results.append(result)
                _print(f"[{len(results)}/{len(models)}] {result_line(result)}")
        is_complete = True
    order = {model.name: number for number, model in enumerate(models)}
    results.sort(key=lambda result: order[result.name])
    code = exit_code(results) if is_complete else INTERRUPTED
    width = shutil.get_terminal_size().columns
    text = fleet_json(results, code) if as_json else fleet_table(results, width) if results else ""
    write_output(text)
    if not is_complete:
        sys.stderr.write(
            f"interrupted: {len(results)} of {len(models)} models are done. The same command continues.\n"
        )
    return code


def _print_start(one: Running) -> None:
    _print(f"{one.model.name}: started")


def _print(line: str) -> None:
    """Print a line of progress at once."""
    sys.stderr.write(fit_encoding(f"{line}\n", sys.stderr.encoding))
    sys.stderr.flush()


def _options(given: dict[str, Any], further: tuple[str, ...]) -> FleetOptions:
    """Check the options that are the same for all models.

    Raises:
        UserError: one of them is not allowed.
    """
    for text in given["thresholds"]:
        find_thresholds(text, Path.cwd())
    if isinstance(given["data"], Path):  # not a URL
        data_folder(given["data"])
    parse_executor(given["executor"] or "inline")
    check_further(further, COMMAND)
    return FleetOptions(**given, further=further)


def _shares(at_once: int | None, options: FleetOptions) -> list[dict[str, str]]:
    """Return variables of the environment for each process that runs at once.

    Raises:
        OptionError: several models would compete for the workers of an executor.
    """
    if parse_executor(options.executor or "inline").kind != "inline":
        number = at_once or 1
        if number > 1 and not _has(options, WORKERS):
            raise OptionError(
                f"{COMMAND}: --at-once: got '{number}' with --executor {options.executor}, but without "
                f"{WORKERS} one model may take all machines. Allowed: 1. Or add -- {WORKERS}=N, so that "
                f"there is room for {number} times N workers."
            )
        return [{}] * number  # the executor's workers predict, and it assigns their GPUs
    has_device = _has(options, "--quba-device")
    gpus = [] if has_device or at_once == 1 else visible_gpus()
    return machine_shares(at_once, gpus, os.cpu_count() or 1)


def _has(options: FleetOptions, name: str) -> bool:
    """Return True if an option is among the words after `--`."""
    return any(word.partition("=")[0] == name for word in options.further)


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """End a fleet on SIGTERM as on Ctrl-C.

    Batch systems and spot machines send it before they end a process.
    """

    def interrupt(number: int, frame: object) -> None:  # noqa: ARG001  signal's own signature
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)
