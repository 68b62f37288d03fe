"""The command line of `quba-check`: argparse, with messages in the form of this project."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from quba_check.errors import OptionError, did_you_mean, listed
from quba_check.gate.options import LARGEST_NUMBER
from quba_check.storage.user_files import user_path


class CommandParser(argparse.ArgumentParser):
    """A parser with OptionErrors of one line and suggestions for commands and options.

    Arguments of `type=Path` are checked by `user_path`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.register("type", Path, _path)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse as argparse does, but report an unknown option before a missing argument."""
        for word in args or ():
            if word == "--" or (self._has_commands and not word.startswith("-")):
                break
            name = word.partition("=")[0]
            if name.startswith("--") and not any(known.startswith(name) for known in self._flags):
                near = did_you_mean(name, self._flags)
                raise OptionError(f"{self.prog}: unknown option, got '{name}'.{near} {self._help}")
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Raise argparse's error as an `OptionError`."""
        message = message.removeprefix("argument ")
        tail = "" if "Allowed: " in message else f". {self._help}"
        raise OptionError(f"{self.prog}: {message.removesuffix('.') if tail else message}{tail}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            allowed = [str(choice) for choice in action.choices]
            raise OptionError(
                f"{self.prog}: unknown {str(action.metavar).lower()}, got '{value}'. "
                f"Allowed: {listed(allowed)}.{did_you_mean(str(value), allowed)}"
            )

    @property
    def _help(self) -> str:
        return f"'{self.prog} --help' says what is allowed."

    @property
    def _flags(self) -> list[str]:
        return [flag for action in self._actions for flag in action.option_strings if flag.startswith("--")]

    @property
    def _has_commands(self) -> bool:
        return any(isinstance(action, argparse._SubParsersAction) for action in self._actions)


def output_file(text: str) -> Path:
    """Return the path of an output file from its argument."""
    path = _path(text)
    if not path.name or path.is_dir():
        raise argparse.ArgumentTypeError(f"got '{text}'. Allowed: the name of a file.")
    return path


def check_not_read(output: Path, inputs: Iterable[Path], option: str) -> None:
    """Refuse to write over an input file of the same command.

    Args:
        output: the file to write.
        inputs: the files that are read.
        option: name of the output's option in messages.

    Raises:
        OptionError: the output is one of them.
    """
    if output.absolute() in [path.absolute() for path in inputs]:
        raise OptionError(f"{option}: got '{output}', which this command reads. Allowed: another file.")


def _path(text: str) -> Path:
    try:
        return user_path(text)
    except OptionError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def whole_number(least: int) -> Callable[[str], int]:
    """Return the type of an argument that is a whole number from `least`."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:  # not a number, or one of thousands of digits
            number = least - 1
        if not least <= number <= LARGEST_NUMBER:
            end = f" to {LARGEST_NUMBER:,}" if number > LARGEST_NUMBER else ""
            raise argparse.ArgumentTypeError(f"got '{text}'. Allowed: a whole number from {least}{end}.")
        return number

    return read


def number_within(low: float, high: float) -> Callable[[str], float]:
    """Return the type of an argument that is a number from `low` to `high`."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"got '{text}'. Allowed: a number from {low:g} to {high:g}.")
        return number

    return read
