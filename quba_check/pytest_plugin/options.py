"""Options from command line, environment or ini file, and errors as usage errors of pytest."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import pytest
from _pytest.config import get_config

from quba_check.errors import OptionError, UserError, describe_bug
from quba_check.gate.options import BY_METAVAR, OPTIONS, SHORT_FLAG, Given, Option, Options
from quba_check.messages import nearest, paths_as_typed
from quba_check.storage.user_files import file_kind, user_location, user_path

_GROUP = "quba"
IN_ENVIRONMENT = {"quba_data": "QUBA_DATA", "quba_store": "QUBA_STORE"}
"""Environment variables of options."""
STARTED = "quba_started"
"""Key of the input of xdist's workers with the start of the run, in seconds since 1970."""
_MODEL_FLAG: pytest.StashKey[str] = pytest.StashKey()


def add_options(parser: pytest.Parser) -> None:
    """Add all options but `--model` to the command line, and to the ini file."""
    group = parser.getgroup(_GROUP, "quba-check: may this image classifier be released?")
    for option in OPTIONS:
        form = {"action": "append" if option.repeatable else "store", "metavar": option.metavar}
        form = {"action": "store_true"} if option.metavar is None else form
        group.addoption(option.flag, dest=option.key, help=option.help, **form)
        if option.has_ini:
            kind: Literal["args", "string"] = "args" if option.repeatable else "string"
            parser.addini(option.key, f"as {option.flag}", kind, default=None)


def hide_models(config: pytest.Config, parser: pytest.Parser, args: Sequence[str]) -> list[str]:
    """Return the values of `--model`; none if another plugin has the option.

    pytest does not know it yet, and took them for paths, whose conftest.py files it imports next.
    """
    if _has_option(parser, SHORT_FLAG):
        return []
    typed = argparse.ArgumentParser(add_help=False, allow_abbrev=False, fromfile_prefix_chars="@")
    typed.add_argument(SHORT_FLAG, action="append", nargs="?", const="", default=[])
    given, others = typed.parse_known_args([os.fspath(word) for word in args])
    if given.model:
        config.known_args_namespace.file_or_dir = parser.parse_known_args(others).file_or_dir
    return list(given.model)


def add_short_flag(config: pytest.Config, parser: pytest.Parser, models: Sequence[str]) -> bool:
    """Add `--model` if it is used, and no conftest.py has an option of that name.

    An unused one could only collide with that of a conftest.py which pytest imports later.

    Returns:
        True if the run names a model to judge.

    Raises:
        pytest.UsageError: `--model` of the project is given as if it named the model to judge.
    """
    known = config.known_args_namespace
    is_free = not _has_option(parser, SHORT_FLAG)
    config.stash[_MODEL_FLAG] = SHORT_FLAG if is_free and not known.quba_model else OPTIONS[0].flag
    typed = map(str, config.invocation_params.args)
    if models and not (is_free or known.quba_model) and any(word.startswith("--quba-") for word in typed):
        raise pytest.UsageError(
            f"{SHORT_FLAG}: is an option of this project here, so that no model is judged. "
            f"Name one with {OPTIONS[0].flag}=SPEC, or leave out the options that start with --quba-."
        )
    if is_free and (models or known.help):
        text = f"short for {OPTIONS[0].flag}, in a project without an option of this name"
        form = {"action": "append", "metavar": "SPEC", "help": text}
        parser.getgroup(_GROUP).addoption(SHORT_FLAG, dest=OPTIONS[0].key, **form)
    return bool(known.quba_model or (is_free and models))


def model_flag(config: pytest.Config) -> str:
    """Return the option that names the model, for messages."""
    return config.stash.get(_MODEL_FLAG, OPTIONS[0].flag)


def options_of(config: pytest.Config) -> Options:
    """Return the checked options of a run.

    Raises:
        OptionError: a value is not allowed, a key of the ini file is unknown, or an executor is requested
            together with processes of xdist.
    """
    _check_ini_keys(config)
    given = vars(config.option)
    values = {option.key: _value(config, option, given) for option in OPTIONS}
    defaults = [option.key for option in OPTIONS if not getattr(config.option, option.key)]
    options = Options.parse(values, config.invocation_params.dir, defaults)
    executor = options.executor_choice
    if executor is not None and getattr(config.option, "numprocesses", None):
        raise OptionError(
            where="--quba-executor",
            got=f"'{executor.name}' together with -n, which starts processes that predict too",
            hint=f"Leave -n out: {executor.workers}.",
        )
    return options


def _check_ini_keys(config: pytest.Config) -> None:
    """Refuse unknown keys of ours in the ini file; pytest would only warn."""
    prefix = f"{_GROUP}_"
    # Private, as pytest has no public list of the keys of its file.
    unknown = sorted(key for key in config._get_unknown_ini_keys() if key.startswith(prefix))
    if unknown:
        keys = [option.key for option in OPTIONS if option.has_ini]
        similar = nearest(unknown[0], keys, cutoff=0.8)  # all begin alike
        raise OptionError(
            f"unknown key '{unknown[0]}'",
            where=f"{config.inipath}",
            allowed="the keys in docs/options.md",
            hint=f"Did you mean '{similar}'?" if similar else "",
        )


def config_of(given: Mapping[str, Any]) -> pytest.Config:
    """Return pytest's configuration of a run with these options and those of its settings file.

    Nothing is run, and the record of an earlier run stays.

    Args:
        given: values by option key.

    Raises:
        OptionError: pytest refuses the options in its settings file.
    """
    words = ["-pquba", "-s", "--assert=plain", "--override-ini=quba_record="]
    for option in OPTIONS:
        values = given[option.key] if option.repeatable else filter(None, [given[option.key]])
        words += [option.flag if option.metavar is None else f"{option.flag}={value}" for value in values]
    config = get_config()
    try:
        config.parse([*words, "--quba-record="])
    except pytest.UsageError as error:
        problem = str(error).rpartition("error: ")[2].partition("\n")[0]
        raise OptionError(f"{problem}.", where=f"{config.inipath}") from None
    return config


def files_of(config: pytest.Config, options: Options) -> tuple[Path, ...]:
    """Return the threshold files of a run, and write all its paths to `config.args`.

    Raises:
        ThresholdError: one of them is missing.
    """
    from quba_check.gate.named_files import threshold_files
    from quba_check.gate.threshold_files import default_files, with_shipped_file

    base = config.invocation_params.dir
    has_paths = config.args_source is pytest.Config.ArgsSource.ARGS
    given = [with_shipped_file(word, base) for word in config.args] if has_paths else []
    if not has_paths or config.option.quba_thresholds:
        given += map(str, default_files(options, config.rootpath))
    config.args = given
    return threshold_files(given, base)


def device_of(config: pytest.Config) -> str:
    """Return the requested device."""
    return str(config.option.quba_device or config.getini("quba_device") or "auto")


def early_options(config: pytest.Config, models: Sequence[str]) -> dict[str, Any]:
    """Return report, baseline and models, before pytest has checked its command line.

    Other options may be wrong. Wrong values of these are None: they are refused later. A record that only the
    ini file names is left out of runs without a model, which are no runs of the gate.

    Args:
        config: pytest's configuration.
        models: values of `--model`.
    """
    given = vars(config.known_args_namespace)
    given = given | {"quba_model": [*(given["quba_model"] or ()), *models]}
    values: dict[str, Any] = {"models": None, "record": None, "baseline": None}
    for option in OPTIONS:
        if option.field in values:
            value = Given(option.flag, _value(config, option, given), config.invocation_params.dir)
            with suppress(OptionError):
                values[option.field] = option.parse(value)
    if not (values["models"] or given["quba_record"]):
        values["record"] = None
    return values


def selects(config: pytest.Config) -> bool:
    """Return True if the command line selects only some demands of its threshold files."""
    option = config.option
    narrow = ("keyword", "markexpr", "deselect", "lf", "stepwise", "ignore", "ignore_glob")
    return any(getattr(option, name, None) for name in narrow) or any("::" in word for word in config.args)


def _has_option(parser: pytest.Parser, flag: str) -> bool:
    """True if some plugin or conftest.py has the option."""
    groups = [*parser._groups, parser._anonymous]
    return any(flag in option.names() for group in groups for option in group.options)


def _value(config: pytest.Config, option: Option, given: Mapping[str, Any]) -> Any:
    """Return an option from command line, environment or ini file, in this order.

    Paths in an ini file are relative to it, others to the folder in which pytest was started.
    """
    value = given.get(option.key) or os.environ.get(IN_ENVIRONMENT.get(option.key, ""))
    if value and option.metavar == "FILE":
        base = config.invocation_params.dir
        return [_path_or_name(text, option, base) for text in value]
    if value or not option.has_ini:
        return value
    value = config.getini(option.key)
    if value and option.metavar in BY_METAVAR and config.inipath is not None:
        return user_location(value, f"ini value {option.key}", config.inipath.parent)
    return value


def _path_or_name(text: str, option: Option, base: Path) -> str:
    """Return the path of an existing file; other text unchanged.

    It may be the name of a profile, or relative to the root folder.
    """
    path = user_path(text, option.flag, base)
    return str(path) if file_kind(path, f"{option.flag}: {text}", OptionError) == "file" else text


class BugError(Exception):
    """Cause of usage errors about bugs of quba-check."""


@contextmanager
def one_line_errors(flag: str = SHORT_FLAG) -> Iterator[None]:
    """End pytest with one line for user errors and for bugs of quba-check.

    Args:
        flag: the option that names the model.

    Raises:
        pytest.UsageError: in place of a UserError; in place of any other exception with a BugError as its
            cause, which the plugin turns into its own exit code.
    """
    try:
        yield
    except UserError as error:
        message = str(error).replace(f"{SHORT_FLAG}:", f"{flag}:")
        raise pytest.UsageError(paths_as_typed(message, sys.argv)) from None
    except pytest.UsageError:
        raise
    except Exception as error:  # noqa: BLE001  the last guard: no traceback reaches the user
        raise pytest.UsageError(describe_bug(error)) from BugError()
