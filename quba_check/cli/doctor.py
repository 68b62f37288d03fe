"""`quba-check doctor`: its options, which are the gate's, and how findings are shown."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quba_check.errors import OptionError
from quba_check.gate.options import OPTIONS, Options
from quba_check.storage.user_files import read_text

if TYPE_CHECKING:
    from quba_check.doctor.examination import Examination

PROBLEMS = 1
"""Exit code where a problem was found."""
WITHOUT_EFFECT = ("--quba-report", "--quba-batch-size", "--quba-workers")
"""Options of the gate that are taken, so that its command can be repeated, and change nothing here."""
LEAST_WIDTH, WIDEST = 60, 120


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command, with the gate's options with and without `quba-`, and the doctor's own."""
    parser = commands.add_parser(
        "doctor",
        help="find mistakes in how a model, its preparation and a suite were put together",
        description="Show a model a few images and say what is wrong, with evidence and fix. Takes the "
        "options of the gate, with or without quba-. Exit code 0: healthy, 1: a problem was found.",
    )
    parser.set_defaults(command=examine_models)
    parser.add_argument("files", nargs="*", metavar="FILE.yaml", help="threshold files, as for pytest")
    for option in OPTIONS:
        short = option.flag.replace("--quba-", "--")
        names = dict.fromkeys((short, option.flag))
        known = argparse.SUPPRESS if option.flag in WITHOUT_EFFECT else option.help
        if option.metavar is None:
            parser.add_argument(*names, dest=option.key, action="store_true", help=known)
        else:
            parser.add_argument(
                *names,
                dest=option.key,
                action="append" if option.repeatable else "store",
                metavar=option.metavar,
                help=known,
                required=option.key == "model",
            )
    parser.add_argument(
        "--order", type=Path, metavar="FILE", help="the model's classes in its own order, one a line"
    )
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")


def examine_models(options: argparse.Namespace) -> int:
    """Examine the models, and show what was found.

    Returns:
        0 for healthy ones, else 1.

    Raises:
        UserError: a mistake in options, threshold files, or the model's spec.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in the plugin; heeded until torch is loaded
    from quba_check.dimensions import registry
    from quba_check.doctor.examination import EXAMINATIONS
    from quba_check.gate.preflight import examinations
    from quba_check.gate.session import GateSession

    registry.load_entry_points()
    here = Path.cwd()
    given = vars(options)
    thresholds = [*(given["quba_thresholds"] or ()), *given["files"]]
    run = GateSession(Options.parse({**given, "quba_thresholds": thresholds}, here), here)
    demands = run.demands(run.default_files())
    made = []
    for name, examination in examinations(run, demands, short=False, order=_order(options.order)):
        made.append(examination)
        if not options.json:
            _tell(name, examination)
    if options.json:
        text = EXAMINATIONS.dump_json(tuple(made), by_alias=True, indent=2).decode()
        sys.stdout.write(f"{text}\n")
    return 0 if all(examination.is_healthy for examination in made) else PROBLEMS


def _order(path: Path | None) -> list[str] | None:
    if path is None:
        return None
    try:
        lines = read_text(path, f"--order: {path}", OptionError).splitlines()
    except OptionError as problem:
        raise OptionError(f"{problem} Allowed: a text file with a class name in each line.") from None
    return [line.strip() for line in lines if line.strip()]


def _tell(name: str, examination: Examination) -> None:
    from rich.console import Console
    from rich.text import Text

    from quba_check.doctor.telling import shown, wrapped

    width = min(max(shutil.get_terminal_size().columns, LEAST_WIDTH), WIDEST)
    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for finding in examination.findings:
        first, *others = shown(finding, width)
        style = "bold red" if finding.severity == "problem" else "bold yellow"
        console.print(Text(first, style=style))
        for line in others:
            console.print(Text(line))
        console.print()
    console.print(Text("\n".join(wrapped(_last_line(name, examination), width))))


def _last_line(name: str, examination: Examination) -> str:
    problems = sum(finding.severity == "problem" for finding in examination.findings)
    state = "healthy" if not problems else "1 problem" if problems == 1 else f"{problems} problems"
    made = f"{len(examination.checks)} checks" if len(examination.checks) != 1 else "1 check"
    before = "; as found before" if examination.remembered else ""
    return (
        f"{name} on {examination.suite}: {state} ({made}; {examination.decoded:,} images decoded, "
        f"{examination.forwards:,} shown{before})"
    )
