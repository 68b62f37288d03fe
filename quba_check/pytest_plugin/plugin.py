"""The pytest plugin: options, collection of threshold files, fixtures. No policy, and no torch at import.

Without `--model` it does nothing. With it, a run goes like this:

1. `pytest_cmdline_main` waits for the end of the run and returns the exit code of the verdicts.
2. `pytest_configure` puts the threshold file in the place of a path that was not given, and reads options,
   threshold files and the suite's manifest: mistakes end here, exit code 4.
3. `pytest_sessionstart`, in the controller alone, loads the models, shows them their first images, and lets
   the doctor have a look (`consultation.py`).
4. Each threshold file is a file of items, each demand an item (`items.py`). Processes share predictions by
   the store, so that it does not matter which of them judges what.
5. Each item leaves a row as JSON text on its report, which xdist carries to the controller.
6. The controller (`controller.py`) gathers rows into records, writes them, and renders the summary.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from quba_check.errors import BUG_EXIT_CODE, QubaError, describe_bug
from quba_check.pytest_plugin.error_lines import BugError, one_line_errors
from quba_check.pytest_plugin.options import add_options, device_of, options_of, selects

if TYPE_CHECKING:
    from quba_check.evaluation import Evaluation
    from quba_check.gate.session import GateSession
    from quba_check.pytest_plugin.controller import Controller
    from quba_check.pytest_plugin.progress_line import ProgressLine

LINE: pytest.StashKey[ProgressLine] = pytest.StashKey()
CONTROLLER: pytest.StashKey[Controller] = pytest.StashKey()
FILES = pytest.StashKey[tuple[Path, ...]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--model` and the `--quba-…` options with their ini twins."""
    add_options(parser)


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
        if end.code or not config.stash.get(FILES, ()):
            raise
        status = pytest.ExitCode.OK
    controller = config.stash.get(CONTROLLER, None)
    is_asked = config.option.model and not (config.option.help or config.option.version)
    is_alone = _worker(config) is None
    if status or not (is_alone and is_asked if controller is None else config.stash.get(FILES, ())):
        return status
    if controller is None or controller.exit_code is None:
        sys.stderr.write("quba-check: no demand was judged\n")
        return pytest.ExitCode.NO_TESTS_COLLECTED
    return controller.exit_code


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read everything that needs no torch, so that mistakes end here.

    If no path was given, the default threshold file takes its place; shipped files are found by name.
    """
    if config.option.help or config.option.version:
        return
    from quba_check.gate.threshold_files import named_files, threshold_files, with_shipped_files

    where = config.invocation_params.dir
    if not config.option.model:
        named = named_files(config.args, where)
        if named:
            raise pytest.UsageError(
                f"{named[0]}: a threshold file judges a model, and none is named. Name one with --model=SPEC."
            )
        return
    # Threads of torch that spin while they wait take the cores from the threads that read images: eight times
    # slower with two cores. Heeded as long as torch is not loaded yet.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from quba_check.dimensions import registry
    from quba_check.gate.judge import Judge
    from quba_check.pytest_plugin.items import JUDGE, RUN

    with one_line_errors():
        registry.load_entry_points()
        run = _new_run(config)
        if config.args_source is not pytest.Config.ArgsSource.ARGS:
            config.args = [str(path) for path in run.default_files()]
        else:
            config.args = with_shipped_files(config.args, where)
            if config.option.quba_thresholds:
                config.args += [str(path) for path in run.default_files()]
        _report_progress(config, run)
        files: tuple[Path, ...] = threshold_files(config.args, where)
        for path in files:
            run.thresholds(path)
    run.files = files
    config.stash[RUN] = run
    config.stash[JUDGE] = Judge(run)
    config.stash[FILES] = files
    if _worker(config) is None:
        from quba_check.pytest_plugin.controller import Controller, Summary, SummaryWithin

        config.stash[CONTROLLER] = controller = Controller(config, run, files)
        summary = Summary(controller)
        for plugin in (controller, summary, SummaryWithin(summary), config.stash[LINE]):
            config.pluginmanager.register(plugin)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """In the controller: load the models and show them their first images, before any worker starts."""
    config = session.config
    if not config.stash.get(FILES, ()) or config.option.collectonly:
        return
    if _worker(config) is not None:
        _share_cores()
        return
    from quba_check.pytest_plugin.items import RUN, entries
    from quba_check.pytest_plugin.preflight import run_preflight

    run = config.stash[RUN]
    files = config.stash[FILES]
    planned = list(entries(run, files))
    if selects(config):
        # Which demands will be left is not known yet; a narrow run must not pay for what it leaves out.
        planned = [entry for entry in planned if entry.demand.dimension == "accuracy"] or planned[:1]
    demands = [(entry.model, entry.thresholds, entry.demand) for entry in planned]
    with one_line_errors():
        run.check(demands)
        run_preflight(config, run, config.stash[LINE], demands)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say so where a model is named and no threshold file is: nothing is judged, so nothing can fail."""
    if not config.option.model or config.stash.get(FILES, ()):
        return None
    return "quba-check: no threshold file among the paths; only the fixture 'quba' looks at the model"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Shipped files may lie in a virtual environment inside the root folder: look into it for them."""
    files = config.stash.get(FILES, ())
    return False if any(path.is_relative_to(collection_path) for path in files) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Reach shipped files without loading what else lies on the way, such as another project's conftest."""
    config = parent.config
    if path == config.rootpath or not config.stash.get(FILES, ()):
        return None
    from quba_check.pytest_plugin.items import RUN, ShippedFolder

    if not any(
        config.stash[RUN].is_shipped(file) and file.is_relative_to(path) for file in config.stash[FILES]
    ):
        return None
    made: ShippedFolder = ShippedFolder.from_parent(parent, path=path)
    return made


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A YAML file is collected when it is named, or lies in a folder named thresholds."""
    if file_path not in parent.config.stash.get(FILES, ()):
        return None
    from quba_check.pytest_plugin.items import RUN, ThresholdFile

    shown = parent.config.stash[RUN].shown(file_path)
    made: ThresholdFile = ThresholdFile.from_parent(parent, path=file_path, nodeid=shown)
    return made


def pytest_collection_finish(session: pytest.Session) -> None:
    """Say what was selected, so that what demands share is done in one pass."""
    if not session.config.stash.get(FILES, ()):
        return
    from quba_check.pytest_plugin.items import RUN, DemandItem

    selected = [item.entry for item in session.items if isinstance(item, DemandItem)]
    with one_line_errors():
        session.config.stash[RUN].plan((entry.model, entry.thresholds, entry.demand) for entry in selected)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the row or the bug message of a demand to its report."""
    report = yield
    if report.when != "call" or not item.config.stash.get(FILES, ()):
        return report
    from quba_check.pytest_plugin.items import BUG, ROW, DemandItem

    if isinstance(item, DemandItem):
        for name, text in ((ROW, item.row), (BUG, item.bug)):
            if text is not None:
                setattr(report, name, text)
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """`-n auto` starts one worker for each GPU."""
    if not config.option.model or device_of(config) not in ("auto", "cuda"):
        return None
    import torch

    return torch.cuda.device_count() or None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """With several models, a test that uses the fixture runs once for each."""
    if not metafunc.config.option.model or "quba" not in metafunc.fixturenames:
        return
    from quba_check.pytest_plugin.items import RUN

    models = metafunc.config.stash[RUN].models
    if len(models) > 1:
        metafunc.parametrize("quba", list(models), indirect=True, scope="session")


@pytest.fixture(scope="session")
def quba(request: pytest.FixtureRequest) -> Evaluation:
    """The evaluation of `--model`, for demands that are better said in Python; of each of several in turn.

    Without `--model` the test is skipped.
    """
    config = request.config
    if not config.option.model:
        pytest.skip("the fixture 'quba' needs a model. Name one with --model=SPEC.")
    from quba_check.pytest_plugin.items import RUN

    run = config.stash[RUN]
    if _worker(config) is not None and not config.stash[FILES]:
        _share_cores()  # with threshold files it is done already
    try:
        return run.evaluation(
            getattr(request, "param", next(iter(run.models))), run.options.protocol or "standard"
        )
    except QubaError as error:
        pytest.fail(str(error), pytrace=False)
    except Exception as error:  # noqa: BLE001  the last guard: no traceback reaches the user
        pytest.fail(describe_bug(error), pytrace=False)


def _new_run(config: pytest.Config) -> GateSession:
    from quba_check.gate.session import GateSession

    worker = _worker(config)
    return GateSession(
        options_of(config),
        config.rootpath,
        worker=None if worker is None else int(worker.removeprefix("gw")),
    )


def _report_progress(config: pytest.Config, run: GateSession) -> None:
    """Make the run write its progress to a folder shared by all processes."""
    from quba_check.pytest_plugin.progress import Board
    from quba_check.pytest_plugin.progress_line import INPUT, ProgressLine

    worker = _worker(config)
    if worker is None:
        line = ProgressLine(run.store / "progress" / f"{os.getpid()}-{time.time_ns()}", config)
        config.stash[LINE] = line
        config.add_cleanup(line.close)  # also where pytest ends before its session has started
        board, run.announce = line.board, line.announce
    else:
        board = Board(Path(_worker_input(config)[INPUT]), worker)
        run.announce = board.announce
    run.progress, run.finished = board.add, board.finish


def _worker(config: pytest.Config) -> str | None:
    """Name of the xdist worker that this is; None in the controller and without xdist."""
    given = _worker_input(config)
    return str(given["workerid"]) if given else None


def _worker_input(config: pytest.Config) -> dict[str, Any]:
    """What the controller told this xdist worker; empty in the controller and without xdist."""
    given: dict[str, Any] = getattr(config, "workerinput", {})
    return given


def _share_cores() -> None:
    """Workers of one machine share its cores instead of each taking all."""
    import torch

    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    torch.set_num_threads(max(1, torch.get_num_threads() // workers))
