"""The `quba-check` command: over records and suites, and the doctor. Models are judged by pytest."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from quba_check.cli import (
    compare,
    doctor,
    failures,
    init,
    population,
    power,
    schema,
    suite,
    tune,
    verdict,
    what_if,
)
from quba_check.cli.parser import CommandParser
from quba_check.errors import BUG_EXIT_CODE, UserError, describe_bug

COMMANDS = (init, doctor, verdict, compare, failures, population, suite, what_if, tune, power, schema)
"""In the order of `quba-check --help`."""
MISTAKE = 4
"""Exit code of a mistake that the user can mend; pytest's, so that scripts need to know one."""
UNREAD = 1
"""Exit code where the output was not read to its end."""
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""Errors of a standard output that takes nothing; files that a command writes have errors of their own."""
INTERRUPTED = 2
"""Exit code after Ctrl-C, as pytest's."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the command line without the program's name; by default that of the process.

    Returns:
        Exit code: 0, 1 where the doctor found a problem, 2 after Ctrl-C, or with one `ERROR:` line 4 for an
        error of the user and 3 for a bug of quba-check. If the output is not read to its end: 1, without a
        word. Output that cannot be written for another reason is an error of the user; closed streams are
        none.
    """
    _replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot print every character
    try:
        options = _parser().parse_args(arguments)
        code: int | None = options.command(options)
        sys.stdout.flush()
    except UserError as mistake:
        sys.stderr.write(f"ERROR: {mistake}\n")
        return MISTAKE
    except BrokenPipeError:  # whoever reads it, such as `head`, has seen enough
        _drop_output()
        return UNREAD
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  the last guard: no traceback reaches the user
        if isinstance(error, OSError) and error.errno in UNWRITABLE and error.filename is None:
            _drop_output()
            sys.stderr.write(
                f"ERROR: standard output: cannot be written ({error.strerror}). "
                "Allowed: a terminal, a pipe, or a file on a disk with space.\n"
            )
            return MISTAKE
        sys.stderr.write(f"ERROR: {describe_bug(error)}\n")
        return BUG_EXIT_CODE
    return code or 0


def _replace_closed_streams() -> None:
    """Replace standard streams that the caller closed by ones that drop their output."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  until the end


def _drop_output() -> None:
    """Discard what Python writes to standard output when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _version() -> str:
    """Return the installed version; a source tree without installation has none."""
    try:
        return version("quba-check")
    except PackageNotFoundError:
        return "of an unknown version, not installed"


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="quba-check",
        description="Work with records and suites, and find mistakes before a long run. Models are judged by "
        "pytest: pytest --model=my_model.pt",
    )
    parser.add_argument("--version", action="version", version=f"quba-check {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_to(commands)
    return parser
