"""Command groups and parameter types for click, with messages in the form of this project."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from quba_check.errors import OptionError
from quba_check.gate.option_values import LARGEST_NUMBER
from quba_check.messages import did_you_mean, listed, one_line
from quba_check.storage.user_files import is_url, user_path, user_place

Command = TypeVar("Command", bound=Callable[..., Any] | click.Command)


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
        name, names = args[0], self.list_commands(ctx)
        if name not in names and not name.startswith("-"):
            raise OptionError(
                f"{ctx.command_path}: unknown command, got '{name}'. "
                f"Allowed: {listed(names)}.{did_you_mean(name, names)}"
            )
        return super().resolve_command(ctx, args)


class SectionedGroup(Group):
    """Commands in sections; the module of a command is imported when the command is used.

    Args:
        sections: name and purpose of each command, by heading.
    """

    def __init__(self, *args: Any, sections: Mapping[str, Mapping[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self._sections = sections

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's own signature
        """Return the names of the commands."""
        return [name for commands in self._sections.values() for name in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name; None if there is none."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = import_module(f"quba_check.cli.{cmd_name.replace('-', '_')}")
        commands = (value for value in vars(module).values() if isinstance(value, click.Command))
        command = next(command for command in commands if command.name == cmd_name)
        command.short_help = next(row[cmd_name] for row in self._sections.values() if cmd_name in row)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write name and purpose of each command below the heading of its section."""
        for heading, commands in self._sections.items():
            with formatter.section(heading):
                formatter.write_dl(list(commands.items()))


class InputPath(click.ParamType[Path]):
    """A path that the user names; `~` is expanded."""

    name = "path"

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path, or refuse the value."""
        if not os.fspath(value):
            self.fail("got ''. Allowed: a path.", param, ctx)
        if is_url(value):
            self.fail(f"got the URL '{value}'. Allowed: a path on this machine.", param, ctx)
        try:
            return user_path(os.fspath(value))
        except OptionError as error:
            self.fail(str(error), param, ctx)


class InputPlace(click.ParamType[str | Path]):
    """A URL or a path that the user names; `~` is expanded."""

    name = "path or URL"

    def convert(
        self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | Path:
        """Return the URL as given or the path, or refuse the value."""
        return user_place(value) if is_url(value) else INPUT.convert(value, param, ctx)


class OutputFile(InputPath):
    """The path of a file to write, with one of the given suffixes."""

    def __init__(self, *suffixes: str) -> None:
        self.suffixes = suffixes

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path, or refuse one that names no file."""
        path = super().convert(value, param, ctx)
        if not path.name or path.is_dir():
            kind = ", a folder" if path.is_dir() else ""
            self.fail(f"got '{value}'{kind}. Allowed: a file name.", param, ctx)
        if self.suffixes and not path.name.endswith(self.suffixes):
            allowed = " or ".join(self.suffixes)
            self.fail(f"got '{value}'. Allowed: a file name that ends in {allowed}.", param, ctx)
        return path


class WholeNumber(click.IntRange):
    """A whole number from `least` to `most`."""

    def __init__(self, least: int, most: int = LARGEST_NUMBER) -> None:
        super().__init__(least, most)


class NumberWithin(click.FloatRange):
    """A number from `low` to `high`; click's range includes NaN."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, or refuse it."""
        number = float(super().convert(value, param, ctx))
        return self.fail(f"{value!r} is not a valid float", param, ctx) if math.isnan(number) else number


class WebAddress(click.ParamType[str]):
    """An address that leads to the web, and not to a script."""

    name = "URL"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the address, or refuse it; an empty one stands for none."""
        try:
            parts = urlsplit(value)
        except ValueError:  # brackets without an IPv6 address
            parts = urlsplit("")
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        if value and not (is_address and value.isprintable() and " " not in value):
            self.fail(f"got '{value}'. Allowed: an address that begins with https:// or http://.", param, ctx)
        return value


INPUT, PLACE, OUTPUT, WEB_ADDRESS = InputPath(), InputPlace(), OutputFile(), WebAddress()
store_option = click.option(
    "--store",
    type=PLACE,
    metavar="DIR",
    help="store to search for per-image results: folder or URL (else $QUBA_STORE, else the user's cache)",
)
records_argument = click.argument("paths", nargs=-1, required=True, type=INPUT, metavar="RECORD.json...")
record_argument = click.argument("path", type=INPUT, metavar="RECORD.json")


def format_option(*names: str) -> Callable[[Command], Command]:
    """Return the option `--format`; the first name is the default."""
    help_text = ", ".join([f"{names[0]} (default)", *names[1:]])
    kind = click.Choice(names)
    return click.option("--format", "form", default=names[0], type=kind, metavar="NAME", help=help_text)


def usage_message(error: click.UsageError) -> str:
    """Return one line for a command line that click refuses."""
    param = getattr(error, "param", None)
    # click's parser does not name the command of an option without its value.
    command, helped = (error.ctx.command_path,) * 2 if error.ctx else ("quba-check", "quba-check COMMAND")
    match error:
        case click.NoSuchOption():
            near = did_you_mean(error.option_name, error.possibilities or ())
            problem = f"unknown option, got '{error.option_name}'.{near}"
        case click.MissingParameter() if param is not None:
            problem = f"{_name(param)}: is missing."
        case click.BadParameter() if param is not None:
            problem = f"{_name(param)}: {_refusal(error.message, param.type)}"
        case click.BadOptionUsage():
            problem = f"{error.option_name}: its value is missing or not allowed."
        case _:
            words = error.format_message().removesuffix(".").strip()
            problem = f"{words[:1].lower()}{words[1:]}."
    tail = "" if "Allowed: " in problem else f" See '{helped} --help'."
    return one_line(f"{command}: {problem}{tail}")


_REFUSED = re.compile("(.*) is not (a valid|in the range|one of) ", re.DOTALL)
"""How click begins its messages on values."""


def _refusal(message: str, kind: click.ParamType[Any]) -> str:
    """Return the message on a refused value with the allowed ones."""
    refused = _REFUSED.match(message)
    if refused is None:
        return message
    got = refused[1].strip("'")
    if isinstance(kind, click.Choice):
        return f"got '{got}'. Allowed: {listed(kind.choices)}.{did_you_mean(got, kind.choices)}"
    if isinstance(kind, click.FloatRange):
        got = f"{float(got):g}" if refused[2] == "in the range" else got
        return f"got '{got}'. Allowed: a number from {kind.min:,.10g} to {kind.max:,.10g}."
    least, most = (kind.min, kind.max or 0) if isinstance(kind, click.IntRange) else (0, 0)
    end = f" to {most:,}" if refused[2] == "in the range" and int(got) > most else ""
    return f"got '{got}'. Allowed: a whole number from {least}{end}."


def _name(param: click.Parameter) -> str:
    """Return an option's flags or an argument's placeholder, as the help shows them."""
    if isinstance(param, click.Option):
        return "/".join(param.opts)
    return str(param.metavar).removesuffix("...").strip("[]")
