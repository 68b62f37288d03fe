"""Command groups and parameter types for click, with messages in the form of this project."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import click

from quba_check.errors import OptionError
from quba_check.gate.option_values import LARGEST_NUMBER
from quba_check.messages import did_you_mean, listed, one_line
from quba_check.storage.remote.files import is_url
from quba_check.storage.user_files import user_path, user_place


class Group(click.Group):
    """A group whose commands are listed in the order in which they were added."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"no_args_is_help": False, "subcommand_metavar": "COMMAND ...", **options})

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's own signature
        """Return the names of the commands."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or raise `OptionError`."""
        name = args[0]
        if name not in self.commands and not name.startswith("-"):
            raise OptionError(
                f"{ctx.command_path}: unknown command, got '{name}'. "
                f"Allowed: {listed(self.commands)}.{did_you_mean(name, self.commands)}"
            )
        return super().resolve_command(ctx, args)


class InputPath(click.ParamType[Path]):
    """A path that the user names; `~` is expanded."""

    name = "path"

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path, or raise `OptionError`."""
        if not os.fspath(value):
            _refuse("got ''. Allowed: a path.", param, ctx)
        if is_url(value):
            _refuse(f"got the URL '{value}'. Allowed: a path on this machine.", param, ctx)
        try:
            return user_path(os.fspath(value))
        except OptionError as error:
            _refuse(str(error), param, ctx)


class InputPlace(click.ParamType[str | Path]):
    """A URL or a path that the user names; `~` is expanded."""

    name = "path or URL"

    def convert(
        self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | Path:
        """Return the URL as given or the path, or raise `OptionError`."""
        return user_place(value) if is_url(value) else INPUT.convert(value, param, ctx)


class OutputFile(InputPath):
    """The path of a file to write, with a suffix if one is given."""

    def __init__(self, suffix: str = "") -> None:
        self.suffix = suffix

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path, or raise `OptionError` if it names no file."""
        path = super().convert(value, param, ctx)
        if not path.name or path.is_dir():
            kind = ", a folder" if path.is_dir() else ""
            _refuse(f"got '{value}'{kind}. Allowed: a file name.", param, ctx)
        if not path.name.endswith(self.suffix):
            _refuse(f"got '{value}'. Allowed: a file name that ends in {self.suffix}.", param, ctx)
        return path


class WholeNumber(click.ParamType[int]):
    """A whole number from `least` to `most`."""

    name = "whole number"

    def __init__(self, least: int, most: int = LARGEST_NUMBER) -> None:
        self.least, self.most = least, most

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or raise `OptionError`."""
        try:
            number = int(value)
        except ValueError:  # not a number, or one of thousands of digits
            number = self.least - 1
        if not self.least <= number <= self.most:
            end = f" to {self.most:,}" if number > self.most else ""
            _refuse(f"got '{value}'. Allowed: a whole number from {self.least}{end}.", param, ctx)
        return number


class NumberWithin(click.ParamType[float]):
    """A number from `low` to `high`."""

    name = "number"

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, or raise `OptionError`."""
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not self.low <= number <= self.high:
            _refuse(
                f"got '{value}'. Allowed: a number from {self.low:,.10g} to {self.high:,.10g}.", param, ctx
            )
        return number


INPUT, PLACE, OUTPUT = InputPath(), InputPlace(), OutputFile()
store_option = click.option(
    "--store",
    type=PLACE,
    metavar="DIR",
    help="store to search for per-image results: folder or URL (else $QUBA_STORE, else the user's cache)",
)


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


def check_choice(value: str, allowed: Sequence[str], option: str) -> None:
    """Raise `OptionError` for a value that is not among the allowed ones.

    Args:
        value: the value as given.
        allowed: the allowed values.
        option: the command and its option in messages, such as `quba-check study: --format`.
    """
    if value not in allowed:
        raise OptionError(
            f"{option}: got '{value}'. Allowed: {listed(allowed)}.{did_you_mean(value, allowed)}"
        )


def check_web_address(url: str, option: str) -> None:
    """Refuse an address that does not lead to the web, such as a script.

    Args:
        url: the address; empty if not given.
        option: name of the option in messages.

    Raises:
        OptionError: it is not an http or https address.
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets without an IPv6 address
        parts = urlsplit("")
    is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
    if url and not (is_address and url.isprintable() and " " not in url):
        raise OptionError(f"{option}: got '{url}'. Allowed: an address that begins with https:// or http://.")


def usage_message(error: click.UsageError) -> str:
    """Return one line for a command line that click refuses."""
    command = error.ctx.command_path if error.ctx else "quba-check"
    if isinstance(error, click.NoSuchOption):
        near = did_you_mean(error.option_name, error.possibilities or ())
        problem = f"unknown option, got '{error.option_name}'.{near}"
    elif isinstance(error, click.MissingParameter) and error.param is not None:
        problem = f"{_name(error.param)}: is missing."
    elif isinstance(error, click.BadOptionUsage):
        problem = f"{error.option_name}: its value is missing or not allowed."
    else:
        words = error.format_message().removesuffix(".").strip()
        problem = f"{words[:1].lower()}{words[1:]}."
    # click's parser does not name the command of an option without its value.
    return one_line(f"{command}: {problem} See '{command if error.ctx else 'quba-check COMMAND'} --help'.")


def _refuse(problem: str, param: click.Parameter | None, ctx: click.Context | None) -> NoReturn:
    command = f"{ctx.command_path}: " if ctx is not None else ""
    name = "" if param is None else f"{_name(param)}: "
    tail = "" if "Allowed: " in problem or ctx is None else f" See '{ctx.command_path} --help'."
    raise OptionError(f"{command}{name}{problem}{tail}")


def _name(param: click.Parameter) -> str:
    """Return an option's flags or an argument's placeholder, as the help shows them."""
    if isinstance(param, click.Option):
        return "/".join(param.opts)
    return str(param.metavar).removesuffix("...").strip("[]")
