"""The options as pytest has them: of the command line, of the environment, of the ini file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from quba_check.errors import OptionError
from quba_check.gate.options import OPTIONS, Option, Options
from quba_check.storage.user_files import file_kind, user_path

IN_ENVIRONMENT = {"quba_data": "QUBA_DATA", "quba_store": "QUBA_STORE"}
"""Options that an environment variable sets too."""
PATHS = ("DIR", "FILE.json", "FILE.yaml")
"""What stands for a path in the help of an option."""


def add_options(parser: pytest.Parser) -> None:
    """Add all options, with their ini twins."""
    group = parser.getgroup("quba", "quba-check: may this image classifier be released?")
    for option in OPTIONS:
        if option.metavar is None:
            group.addoption(option.flag, action="store_true", dest=option.key, help=option.help)
        else:
            action = "append" if option.repeatable else "store"
            flags = (option.flag,) if option.alias is None else (option.flag, option.alias)
            group.addoption(*flags, action=action, dest=option.key, metavar=option.metavar, help=option.help)
        if option.has_ini:
            kind = "args" if option.repeatable else "string"
            parser.addini(
                option.key,
                f"as {option.flag}",
                type=kind,  # type: ignore[arg-type]
                default=None,
                aliases=option.alias_keys,
            )


def options_of(config: pytest.Config) -> Options:
    """The options of a run, checked.

    Raises:
        OptionError: a value is not allowed.
    """
    values = {option.key: _given(config, option) for option in OPTIONS}
    defaults = [option.key for option in OPTIONS if not getattr(config.option, option.key)]
    return Options.parse(values, config.invocation_params.dir, defaults)


def device_of(config: pytest.Config) -> str:
    """The device that is asked for."""
    return next(_given(config, option) for option in OPTIONS if option.key == "quba_device") or "auto"


def selects(config: pytest.Config) -> bool:
    """Return True if the command line selects only some demands of its threshold files."""
    option = config.option
    narrow = ("keyword", "markexpr", "deselect", "lf", "stepwise", "ignore", "ignore_glob")
    return any(getattr(option, name, None) for name in narrow) or any("::" in word for word in config.args)


def _given(config: pytest.Config, option: Option) -> Any:
    """An option of the command line, else of the environment, else of the ini file.

    Paths in an ini file are relative to it, the others to the folder that pytest was started in.
    """
    value = getattr(config.option, option.key) or os.environ.get(IN_ENVIRONMENT.get(option.key, ""))
    if value and option.metavar == "FILE":
        here = config.invocation_params.dir
        return [_typed_path(text, option, here) for text in value]
    if value or not option.has_ini:
        return value
    value = config.getini(option.key)
    if value and option.metavar in PATHS and config.inipath is not None:
        return user_path(value, f"ini value {option.key}", config.inipath.parent)
    return value


def _typed_path(text: str, option: Option, here: Path) -> str:
    """Return the path of an existing file; any other text unchanged.

    Other texts can be names of profiles, or relative to the root.
    """
    path = user_path(text, option.flag, here)
    return str(path) if file_kind(path, f"{option.flag}: {text}", OptionError) == "file" else text
