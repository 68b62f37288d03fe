"""Command groups and parameter types for click, with messages in the form of this project."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from quba_check.errors import OptionError
from quba_check.gate.options import (
    Given,
    Parse,
    file_ending_in,
    one_of,
    parse_path,
    parse_place,
    whole_number,
)
from quba_check.messages import did_you_mean, known_names

Command = TypeVar("Command", bound=Callable[..., Any] | click.Command)


class CommandGroup(click.Group):
    """Commands in the order of their definition.

    Modules of a package are imported when their command is used.

    Args:
        package: the package with a module for each command; empty for commands that are added.
        purposes: purpose of each command of the package, by name.
    """

    def __init__(
        self, *args: Any, package: str = "", purposes: Mapping[str, str] | None = None, **options: Any
    ) -> None:
        super().__init__(*args, **{"no_args_is_help": False, "subcommand_metavar": "COMMAND ...", **options})
        self._package = package
        self._purposes = purposes or {}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's own signature
        """Return the names of the commands."""
        return list(self._purposes or self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name; None if there is none."""
        if cmd_name not in self._purposes:
            return super().get_command(ctx, cmd_name)
        module = import_module(f"{self._package}.{cmd_name.replace('-', '_')}")
        commands = (value for value in vars(module).values() if isinstance(value, click.Command))
        return next(command for command in commands if command.name == cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or raise `OptionError`."""
        name = args[0]
        names = self.list_commands(ctx)
        if name not in names and not name.startswith("-"):
            raise OptionError(
                "unknown command", where=ctx.command_path, got=f"'{name}'", **known_names(name, names)
            )
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write options and commands; of a package only the commands, one a line."""
        if not self._purposes:
            super().format_options(ctx, formatter)
            return
        with formatter.section("Commands"):
            formatter.write_dl(list(self._purposes.items()))


class Checked(click.ParamType[Any]):
    """A value that a function checks, as those of the gate's options are.

    Args:
        parse: checks the text, and returns the value.
        allows_empty: accept an empty text.
    """

    name = "value"

    def __init__(self, parse: Parse, *, allows_empty: bool = False) -> None:
        self.parse = parse
        self.allows_empty = allows_empty

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value, or raise `OptionError`."""
        if not isinstance(value, str):
            return value
        where = ": ".join([*([ctx.command_path] if ctx else []), *([_name(param)] if param else [])])
        if not value and not self.allows_empty:
            raise OptionError(where=where, got="''", allowed="a value that is not empty")
        return self.parse(Given(where, value, Path()))


def parse_web_address(given: Given) -> str:
    """Accept an address on the web, not a script; or an empty text."""
    try:
        parts = urlsplit(given.value)
    except ValueError:  # brackets without an IPv6 address
        parts = urlsplit("")
    is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
    if given.value and not (is_address and given.value.isprintable() and " " not in given.value):
        raise OptionError(
            where=given.flag,
            got=f"'{given.value}'",
            allowed="an address that begins with https:// or http://",
        )
    return str(given.value)


def value_option(
    flags: str, metavar: str, text: str, kind: Checked | None = None, **options: Any
) -> Callable[[Command], Command]:
    """Return an option with a value.

    Args:
        flags: its names and, if it is another one, the parameter's, with blanks between.
        metavar: placeholder of the value in the help.
        text: the help.
        kind: checks the value; None accepts any text.
        options: further arguments of `click.option`.
    """
    return click.option(*flags.split(), type=kind, metavar=metavar, help=text, **options)


INPUT = Checked(parse_path)
PLACE = Checked(parse_place)
OUTPUT = Checked(file_ending_in())
COUNT = Checked(whole_number(1))
WEB_ADDRESS = Checked(parse_web_address, allows_empty=True)
store_option = value_option(
    "--store",
    "DIR",
    "folder or URL of predictions and per-image results (else $QUBA_STORE, else the user's cache)",
    PLACE,
)
records_argument = click.argument("paths", nargs=-1, required=True, type=INPUT, metavar="RECORD.json...")
record_argument = click.argument("path", type=INPUT, metavar="RECORD.json")


def format_option(*names: str) -> Callable[[Command], Command]:
    """Return the option `--format`; the first name is the default."""
    words = ", ".join([f"{names[0]} (default)", *names[1:]])
    kind = Checked(one_of(*names))
    return value_option("--format form", "NAME", words, kind, default=names[0])


def output_option(*suffixes: str, required: bool = False, text: str = "") -> Callable[[Command], Command]:
    """Return the option `--output`, for files that end in one of some suffixes."""
    text = text or ("file to write" if required else "file to write (else standard output)")
    kind = Checked(file_ending_in(*suffixes))
    metavar = f"FILE{''.join(suffixes[:1])}"
    return value_option("-o --output", metavar, text, kind, required=required)


def check_read(unread: Mapping[str, str], mode: str) -> None:
    """Refuse given options that the command does not read.

    Args:
        unread: what is allowed instead, by the name of each option's parameter.
        mode: the reason, such as `by --to csv`.
    """
    context = click.get_current_context()
    for param in context.command.params:
        name = str(param.name)
        if name in unread and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise OptionError(
                f"is not read {mode}", where=f"{context.command_path}: {flag_of(param)}", allowed=unread[name]
            )


def flag_of(param: click.Parameter) -> str:
    """Return the long name of an option, such as `--output`."""
    return max(param.opts, key=len)


def usage_message(error: click.UsageError) -> str:
    """Return one line for a command line that click refuses."""
    param = getattr(error, "param", None)
    # click's parser does not name the command of an option without its value.
    command, helped = (error.ctx.command_path,) * 2 if error.ctx else ("quba-check", "quba-check COMMAND")
    hint = f"See '{helped} --help'."
    match error:
        case click.NoSuchOption():
            problem = f"unknown option, got '{error.option_name}'."
            hint = f"{did_you_mean(error.option_name, error.possibilities or ())} {hint}".strip()
        case click.MissingParameter() if param is not None:
            problem = f"{_name(param)}: is missing."
        case click.BadOptionUsage():
            problem = f"{error.option_name}: its value is missing or not allowed."
        case _:
            words = error.format_message().removesuffix(".").strip()
            problem = f"{words[:1].lower()}{words[1:]}."
    return str(OptionError(problem, where=command, hint=hint))


def _name(param: click.Parameter) -> str:
    """Return an option's flags or an argument's placeholder, as the help shows them."""
    if isinstance(param, click.Option):
        return "/".join(param.opts)
    return str(param.metavar).removesuffix("...").strip("[]")
