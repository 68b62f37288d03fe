"""The `quba-check` command. Models are judged by pytest; this works with records and suites."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from quba_check.cli.parser import CommandGroup, usage_message
from quba_check.errors import BUG_EXIT_CODE, OptionError, UserError, describe_bug
from quba_check.messages import paths_as_typed

COMMANDS: Mapping[str, str] = {
    "init": "write quba-data.yaml and thresholds/default.yaml for your images",
    "doctor": "find errors in a model, its preprocessing and its suite",
    "verdict": "print the verdict of stored runs, with the exit code of the gate",
    "approve": "make a record the baseline of later runs",
    "attest": "write an in-toto statement on a run's verdict, to be signed",
    "compare": "compare two stored runs, paired image by image",
    "failures": "list the images, or the slices, that a stored run got wrong",
    "report": "write stored runs as a page, text, annotations, badge or table",
    "lint": "check threshold files, and which differences they notice",
    "tune": "write a threshold file from stored runs, or from other models",
    "what-if": "judge stored runs by other threshold files",
    "schema": "print the JSON Schema of a file format, for editors",
    "suite": "describe or check a data folder, or add sets",
    "store": "list, check or prune stored predictions",
    "published": "rank published models, choose one, or measure one again",
}
"""Purpose of each command, by name."""
USER_ERROR = 4
"""Exit code of an error that the user can fix; the same as pytest's."""
UNREAD = 1
"""Exit code if the reader of the output closes it early."""
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EINVAL)
"""Errors of standard output; on Windows, EINVAL if its reader closed it.

Files that a command writes have errors of their own.
"""
INTERRUPTED = 2
"""Exit code after Ctrl-C, as pytest's."""


@click.group(
    cls=CommandGroup,
    package="quba_check.cli",
    purposes=COMMANDS,
    options_metavar="[--help | --version]",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="quba-check", message="%(prog)s %(version)s", help="print the version")
def quba_check() -> None:
    """Work with records and suites. Models are judged by pytest (--model=FILE)."""


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
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with quba_check.make_context("quba-check", words) as context:
            code = quba_check.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as end:  # --help, --version
        return end.exit_code
    except click.UsageError as error:
        sys.stderr.write(f"ERROR: {usage_message(error)}\n")
        return USER_ERROR
    except UserError as error:
        sys.stderr.write(f"ERROR: {paths_as_typed(str(error), words)}\n")
        return USER_ERROR
    except BrokenPipeError:  # a reader such as `head` closed the pipe
        _drop_output()
        return UNREAD
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  no traceback reaches the user
        return _report(error)
    return int(code or 0)


def _replace_closed_streams() -> None:
    """Replace standard streams that the caller closed by ones that drop their output."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  until the end


def _report(error: Exception) -> int:
    """Write one line on an error that no command expects; return the exit code."""
    code = USER_ERROR
    if isinstance(error, OSError) and error.errno in UNWRITABLE and error.filename is None:
        _drop_output()
        problem = f"cannot be written ({error.strerror})"
        allowed = "a terminal, a pipe, or a file on a disk with space"
        text = str(OptionError(problem, where="standard output", allowed=allowed))
    elif isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("quba_check"):
        text = (
            f"quba-check: the module '{error.name}' is not installed. Install quba-check without --no-deps."
        )
    else:
        text = describe_bug(error)
        code = BUG_EXIT_CODE
    sys.stderr.write(f"ERROR: {text}\n")
    return code


def _drop_output() -> None:
    """Discard what Python writes to standard output when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
