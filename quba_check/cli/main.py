"""The `quba-check` command. Models are judged by pytest; this works with records and suites."""

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
USER_ERROR = 4
"""Exit code of an error that the user can fix; the same as pytest's."""
UNREAD = 1
"""Exit code if the reader of the output closes it early."""
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""Errors of standard output. Files that a command writes have errors of their own."""
INTERRUPTED = 2
"""Exit code after Ctrl-C, as pytest's."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the command line without the program's name; by default that of the process.

    Returns:
        Exit code: that of the command, 2 after Ctrl-C, or with one `ERROR:` line 4 for an error of the user
        and 3 for a bug of quba-check. If the reader of the output closes it early: 1, without a message.
        Output that cannot be written for another reason is an error of the user. Closed standard streams
        are allowed.
    """
    _replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot print every character
    try:
        options = _parser().parse_args(arguments)
        code: int | None = options.command(options)
        sys.stdout.flush()
    except UserError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return USER_ERROR
    except BrokenPipeError:  # a reader such as `head` closed the pipe
        _drop_output()
        return UNREAD
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  no traceback reaches the user
        if isinstance(error, OSError) and error.errno in UNWRITABLE and error.filename is None:
            _drop_output()
            sys.stderr.write(
                f"ERROR: standard output: cannot be written ({error.strerror}). "
                "Allowed: a terminal, a pipe, or a file on a disk with space.\n"
            )
            return USER_ERROR
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
    """Return the installed version, if the package is installed."""
    try:
        return version("quba-check")
    except PackageNotFoundError:
        return "of an unknown version, not installed"


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="quba-check",
        description="Work with records and suites, and find mistakes before a long run. pytest judges "
        "models: pytest --model=my_model.pt",
    )
    parser.add_argument("--version", action="version", version=f"quba-check {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_to(commands)
    return parser
