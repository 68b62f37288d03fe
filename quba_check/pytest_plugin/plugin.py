"""The pytest plugin: options, collection of threshold files, fixtures. It loads no torch at import.

Without `--model` it does nothing. With it, a run has these steps:

1. `pytest_cmdline_main` waits for the end of the run and returns the exit code of the verdicts.
2. `pytest_configure` adds the default threshold file if no path is given, and reads options, threshold files
   and the suite's manifest. A mistake in them ends the run here with exit code 4.
3. Before any worker starts, the controller loads the models, predicts their first images and calls the
   doctor.
4. Each threshold file is collected as a file, each demand as an item (`hooks.py`). Processes share
   predictions through the store, so any process can judge any demand.
5. Each item adds its result as JSON text to its report, which xdist sends to the controller.
6. The controller (`controller.py`) collects results into records, writes them, and prints the summary.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from quba_check.errors import BUG_EXIT_CODE, QubaError, describe_bug
from quba_check.pytest_plugin.options import (
    STARTED,
    BugError,
    add_options,
    add_short_flag,
    device_of,
    early_options,
    files_of,
    hide_models,
    model_flag,
    one_line_errors,
    options_of,
)

if TYPE_CHECKING:
    from quba_check.evaluation import Evaluation
    from quba_check.gate.options import Options
    from quba_check.gate.session import GateSession
    from quba_check.pytest_plugin.controller import Controller
    from quba_check.pytest_plugin.progress_line import ProgressLine

_PACKAGE = __name__.partition(".")[0]


class _PlainFinder:
    """Finds the modules of this package as Python itself does.

    It keeps pytest from rewriting their assertions, which no user reads. pytest rewrites every module of a
    plugin's package. Where it may not write bytecode, such as in many containers, it parses and compiles all
    of them again at each start.
    """

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module of this package, None for others."""
        return PathFinder.find_spec(name, path, target) if name.startswith(f"{_PACKAGE}.") else None


PROGRESS: pytest.StashKey[ProgressLine] = pytest.StashKey()
CONTROLLER: pytest.StashKey[Controller] = pytest.StashKey()
FILES = pytest.StashKey[tuple[Path, ...]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the `--quba-…` options; `--model` follows after the first conftest.py files."""
    add_options(parser)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, None, None]:
    """Remove the record of an earlier run, and add `--model` unless a conftest.py has one.

    The record is removed first, so that no end of this run leaves one that is not its own: an unknown option,
    `--help`, or a conftest.py that ends the process.
    """
    models = hide_models(early_config, parser, args)
    options = early_options(early_config, models)
    if options["models"] and _PlainFinder not in sys.meta_path:
        sys.meta_path.insert(0, _PlainFinder)
    # In a worker the controller has removed it.
    if options["record"] is not None and "PYTEST_XDIST_WORKER" not in os.environ:
        from quba_check.records.files import remove_stale_records

        with one_line_errors():
            remove_stale_records(options["record"], options["models"] or (), options["baseline"])
    yield
    if not add_short_flag(early_config, parser, models) and options["models"]:
        sys.meta_path.remove(_PlainFinder)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, int | None, int | None]:
    """Return the exit code of the verdicts, whatever other plugins and options set."""
    try:
        status = yield
    except pytest.UsageError as error:
        if not isinstance(error.__cause__, BugError):
            raise
        sys.stderr.write(f"ERROR: {error}\n")
        return BUG_EXIT_CODE
    except SystemExit as end:  # by a conftest.py, after the session
        if not _wants_verdicts(config) or (end.code and not _verdict_code(config)):
            raise
        status = pytest.ExitCode.OK
    if not _wants_verdicts(config):
        return status
    code = _verdict_code(config)
    if code is None and not status:
        sys.stderr.write("quba-check: no demand was judged\n")
        return pytest.ExitCode.NO_TESTS_COLLECTED
    return code or status  # what fails for another reason is not released either


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read everything that needs no torch, so that a mistake ends the run here.

    Without a path the default threshold file is used; shipped files can be given by name.
    """
    if _only_prints_help(config):
        return
    if not config.option.quba_model:
        _check_names_no_thresholds(config)
        return
    from quba_check.gate.judge import Judge
    from quba_check.pytest_plugin.hooks import GATE, JUDGE, GateHooks, ReportHooks

    with one_line_errors(model_flag(config)):
        options = options_of(config)
        gate = _new_gate(config, options, files_of(config, options))
        gate.check_files()
    config.stash[GATE] = gate
    config.stash[JUDGE] = Judge(gate)
    config.stash[FILES] = gate.files
    config.pluginmanager.register(ReportHooks())
    if gate.files:
        config.pluginmanager.register(GateHooks(config, gate, config.stash.get(PROGRESS, None)))
    if _worker(config) is None:
        _register_controller(config, gate)
    else:
        config.add_cleanup(lambda: _close(gate))


def pytest_report_header(config: pytest.Config) -> str | None:
    """Warn if a model is named but no threshold file: without demands nothing can fail."""
    if not config.option.quba_model or config.stash.get(FILES, ()):
        return None
    return "quba-check: no threshold file among the paths; only the fixture 'quba' uses the model"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Return the number of GPUs: `-n auto` starts one worker for each."""
    if not config.option.quba_model or device_of(config) not in ("auto", "cuda"):
        return None
    import torch

    return torch.cuda.device_count() or None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests that use the fixture once for each model."""
    if not metafunc.config.option.quba_model or "quba" not in metafunc.fixturenames:
        return
    from quba_check.pytest_plugin.hooks import GATE

    models = metafunc.config.stash[GATE].models
    if len(models) > 1:
        metafunc.parametrize("quba", list(models), indirect=True, scope="session")


@pytest.fixture(scope="session")
def quba(request: pytest.FixtureRequest) -> Evaluation:
    """The evaluation of `--model`, for demands written in Python; with several models, of each.

    Without `--model` the test is skipped.
    """
    config = request.config
    if not config.option.quba_model:
        pytest.skip(f"the fixture 'quba' needs a model. Name one with {model_flag(config)}=SPEC.")
    from quba_check.pytest_plugin.hooks import GATE, share_cores

    gate = config.stash[GATE]
    if _worker(config) is not None and not config.stash[FILES]:
        share_cores()  # with threshold files GateHooks does it
    try:
        return gate.evaluation(getattr(request, "param", next(iter(gate.models))), gate.protocol)
    except QubaError as error:
        pytest.fail(str(error), pytrace=False)
    except Exception as error:  # noqa: BLE001  the last guard: no traceback reaches the user
        pytest.fail(describe_bug(error), pytrace=False)


def _wants_verdicts(config: pytest.Config) -> bool:
    return _worker(config) is None and bool(config.option.quba_model) and not _only_prints_help(config)


def _verdict_code(config: pytest.Config) -> int | None:
    """Return the exit code of the verdicts, None before the session has ended."""
    controller = config.stash.get(CONTROLLER, None)
    return None if controller is None else controller.exit_code


def _check_names_no_thresholds(config: pytest.Config) -> None:
    """Refuse threshold files in a run without a model."""
    base = config.invocation_params.dir
    paths = [os.path.abspath(base / word.partition("::")[0]) for word in config.args]  # noqa: PTH100
    if not any(path.endswith((".yaml", ".yml", "thresholds")) for path in paths):
        return  # plain runs import nothing more
    from quba_check.gate.named_files import named_files

    for name in named_files(config.args, base):
        raise pytest.UsageError(
            f"{name}: a threshold file judges a model, and none is named. "
            f"Name one with {model_flag(config)}=SPEC."
        )


def _only_prints_help(config: pytest.Config) -> bool:
    # A single --version that gets here is in addopts, where pytest ignores it.
    return bool(config.option.help or config.option.version > 1)


def _new_gate(config: pytest.Config, options: Options, files: tuple[Path, ...]) -> GateSession:
    """Return the session, which writes its progress to a folder shared by all processes."""
    from quba_check.gate.models import Callbacks
    from quba_check.gate.progress import ProgressWriter
    from quba_check.gate.provenance import shown_command
    from quba_check.gate.session import GateSession
    from quba_check.pytest_plugin.hooks import freeze_objects
    from quba_check.pytest_plugin.progress_line import FOLDER, progress_line
    from quba_check.storage.locations import local_folder

    arguments = [str(argument) for argument in config.invocation_params.args]
    worker = _worker(config)
    if worker is None:
        folder = local_folder(options.store_location) / "progress" / f"{os.getpid()}-{time.time_ns()}"
        config.stash[PROGRESS] = progress = progress_line(folder, config)
        config.add_cleanup(progress.close)  # for a run that ends before its session starts
        writer = progress.writer
        announce = progress.announce
    else:
        writer = ProgressWriter(Path(_worker_input(config)[FOLDER]), worker)
        announce = writer.announce
    imported = partial(freeze_objects, config)
    return GateSession(
        options,
        config.rootpath,
        files=files,
        # Parsed with the options of all plugins: what follows an option is its value, not a path.
        command=shown_command(arguments, config.option.file_or_dir or ()),
        callbacks=Callbacks(writer.add, announce, writer.measure, imported),
        worker=None if worker is None else int(worker.removeprefix("gw")),
        started=_worker_input(config).get(STARTED, time.time()),
    )


def _register_controller(config: pytest.Config, gate: GateSession) -> None:
    """Register the hooks of the process that plans the run, collects results and prints."""
    from quba_check.pytest_plugin.controller import Controller

    progress = config.stash[PROGRESS]
    config.stash[CONTROLLER] = controller = Controller(config, gate, progress)
    for plugin in (controller, progress):
        config.pluginmanager.register(plugin)
    if gate.options.plan:
        config.option.dist = "no"  # nothing is run, so no worker of xdist is started


def _close(gate: GateSession) -> None:
    """End the session of a worker.

    Predictions that cannot be stored are made again by a later run.
    """
    with suppress(QubaError):
        gate.close()


def _worker(config: pytest.Config) -> str | None:
    """Return the name of this xdist worker, None in the controller and without xdist."""
    return _worker_input(config).get("workerid")


def _worker_input(config: pytest.Config) -> dict[str, Any]:
    """Return the controller's values for this xdist worker; empty outside of one."""
    values: dict[str, Any] = getattr(config, "workerinput", {})
    return values
