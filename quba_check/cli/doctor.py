"""`quba-check doctor`: its options, which include the gate's, and its output."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from quba_check.cli.parser import INPUT
from quba_check.errors import OptionError
from quba_check.gate.options import OPTIONS
from quba_check.number_format import counted
from quba_check.records.verdict import EXIT_CODES
from quba_check.reports.tables import terminal_width, wrap_text, wrapped
from quba_check.storage.user_files import read_text

if TYPE_CHECKING:
    from quba_check.doctor.finding import Finding

PROBLEMS = 1
"""Exit code for at least one problem."""
WITHOUT_EFFECT = ("--quba-record", "--quba-batch-size", "--quba-threads")
"""Options of the gate that are accepted, so that its command can be repeated, and ignored here."""
ESTIMATE = ""
"""The value of `--order` without a file."""
WIDEST = 120


def _gate_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the gate's options, with and without `quba-`."""
    for option in reversed(OPTIONS):
        flags = dict.fromkeys((option.flag.replace("--quba-", "--"), option.flag))
        command = click.option(
            *flags,
            option.key,
            is_flag=option.metavar is None or None,  # False would make each value optional
            multiple=option.repeatable,
            metavar=option.metavar,
            help=option.help,
            hidden=option.flag in WITHOUT_EFFECT,
        )(command)
    return command


def _order(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | str | None:
    """Return the class names in the file of `--order`; `ESTIMATE` if it names none."""
    if value is None or value == ESTIMATE:
        return value
    path = INPUT.convert(value, param, ctx)
    try:
        lines = read_text(path, f"--order: {path}", OptionError).splitlines()
    except OptionError as error:
        raise OptionError(f"{error}", allowed="a text file with one class name per line") from None
    return [line.strip() for line in lines if line.strip()]


@click.command("doctor", epilog="Example: quba-check doctor --model=demo")
@click.argument("files", nargs=-1, metavar="[FILE.yaml]...")
@_gate_options
@click.option(
    "--order",
    is_flag=False,
    flag_value=ESTIMATE,
    callback=_order,
    metavar="[FILE]",
    help="file with the model's classes in the order of its outputs, one per line; without FILE the order is "
    "estimated from the answers if they look permuted",
)
@click.option("--json", "as_json", is_flag=True, help="print the findings as JSON")
def doctor(files: tuple[str, ...], order: list[str] | str | None, as_json: bool, **given: Any) -> int:
    """Check from a few images that a model is set up correctly.

    Each problem is reported with evidence and a fix. FILE.yaml: threshold files, as for pytest. Takes the
    options of the gate, with or without quba-, and those in pytest.ini or pyproject.toml.
    Exit code 0: healthy, 1: at least one problem, 6: no problem, but not all was examined in the time.
    """
    from quba_check.gate.preflight import examinations, setup_lines
    from quba_check.gate.session import GateSession
    from quba_check.pytest_plugin.options import config_of, files_of, options_of

    given = {**given, "quba_thresholds": (*given["quba_thresholds"], *files)}
    config = config_of(given)
    options = options_of(config)
    if not options.models:
        raise OptionError(
            "is missing.", where="--model", hint="Name the model, here or in addopts of pytest.ini."
        )
    session = GateSession(options, config.rootpath, files=files_of(config, options))
    demands = session.demands(session.files)
    # This imports torch, which takes seconds: a missing file has been reported by now.
    from quba_check.doctor.examination import EXAMINATIONS

    results = []
    asked = {"estimate_order": True} if order == ESTIMATE else {"order": order}
    session.select(demands)
    for name, examination in examinations(session, demands, short=False, **asked):
        results.append(examination)
        if not as_json:
            click.echo(wrapped(setup_lines(session, [name]), terminal_width(WIDEST)))
            healthy = "healthy" if examination.is_complete else "no problem found, but not all was examined"
            checks = counted(len(examination.checks), "check")
            images = f"{examination.decoded:,} images decoded, {examination.forwards:,} shown"
            subject = f"{name} on {examination.suite}"
            print_findings(examination.findings, subject, healthy, f"{checks}; {images}")
    if as_json:
        text = EXAMINATIONS.dump_json(tuple(results), by_alias=True, indent=2).decode()
        sys.stdout.write(f"{text}\n")
    if not all(examination.is_healthy for examination in results):
        return PROBLEMS
    return 0 if all(examination.is_complete for examination in results) else EXIT_CODES["uncertain"]


def print_findings(findings: Sequence[Finding], subject: str, healthy: str, extent: str) -> None:
    """Print findings, and a line with their number.

    Args:
        findings: the findings.
        subject: what was checked.
        healthy: the state without problems.
        extent: what the checks read.
    """
    width = terminal_width(WIDEST)
    for finding in findings:
        first, *others = wrap_text(finding.text(), width)
        click.secho(first, fg="red" if finding.severity == "problem" else "yellow", bold=True)
        click.echo("\n".join([*others, ""]))
    counts = Counter(finding.severity for finding in findings)
    states = [counted(counts["problem"], "problem") if counts["problem"] else healthy]
    states += [counted(counts["remark"], "note")] if counts["remark"] else []
    click.echo("\n".join(wrap_text(f"{subject}: {', '.join(states)} ({extent})", width)))
