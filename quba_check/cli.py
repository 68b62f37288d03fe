"""The `quba-check` command: over records and suites, and the doctor. Models are judged by pytest."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from quba_check.commands import compare, doctor, init, population, power, schema, suite, tune, what_if
from quba_check.commands.parser import CommandParser
from quba_check.errors import UserError

COMMANDS = (init, doctor, compare, population, suite, what_if, tune, power, schema)
"""In the order of `quba-check --help`."""
MISTAKE = 4
"""Exit code of a mistake that the user can mend; pytest's, so that scripts need to know one."""
UNREAD = 1
"""Exit code where the output was not read to its end."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the command line without the program's name; by default that of the process.

    Returns:
        Exit code: 0, 1 where the doctor found a problem, or 4 with one `ERROR:` line for a mistake of the
        user's. Where the output is not read to its end: 1, without a word.
    """
    try:
        options = _parser().parse_args(arguments)
        code: int | None = options.command(options)
        sys.stdout.flush()
    except UserError as mistake:
        sys.stderr.write(f"ERROR: {mistake}\n")
        return MISTAKE
    except BrokenPipeError:  # whoever reads it, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    return code or 0


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="quba-check",
        description="Work with records and suites, and find mistakes before a long run. Models are judged by "
        "pytest: pytest --model=my_model.pt",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_to(commands)
    return parser
