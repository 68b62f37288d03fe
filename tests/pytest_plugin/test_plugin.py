"""Hooks of the plugin that whole runs do not show on every machine."""

import gc
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from quba_check.pytest_plugin import plugin
from quba_check.pytest_plugin.hooks import GATE, GateHooks, freeze_objects, share_cores


@pytest.mark.parametrize(
    ("model", "device", "gpus", "workers"),
    [
        (["demo"], None, 4, 4),
        (["demo"], "cuda", 2, 2),
        (["demo"], "auto", 0, None),
        (["demo"], "cpu", 4, None),
        (None, None, 4, None),
    ],
)
@pytest.mark.parametrize("in_ini", [False, True])
def test_auto_starts_a_worker_for_each_gpu(
    monkeypatch: pytest.MonkeyPatch,
    model: object,
    device: str | None,
    gpus: int,
    workers: int | None,
    in_ini: bool,
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    option = SimpleNamespace(quba_model=model, quba_device=None if in_ini else device)
    config = SimpleNamespace(option=option, getini=lambda _: device if in_ini else "")
    assert plugin.pytest_xdist_auto_num_workers(config) == workers


@pytest.mark.parametrize(
    ("verdicts", "end", "code"),
    [
        (6, 7, 6),  # syrupy adds the bits of 1
        (1, 3, 1),  # and those of an interrupt, as of --sw
        (2, 0, 2),
        (0, 1, 1),
        (0, 0, 0),
        (None, 0, 5),
        (None, 4, 4),
        (6, SystemExit(0), 6),
        (6, SystemExit(7), 6),
        (0, SystemExit(0), 0),
        (None, SystemExit(0), 5),
    ],
)
def test_the_code_of_the_verdicts_wins_unless_it_is_zero(
    verdicts: int | None, end: int | SystemExit, code: int
) -> None:
    hook = plugin.pytest_cmdline_main(ended(verdicts))
    next(hook)
    with pytest.raises(StopIteration) as caught:
        hook.send(end) if isinstance(end, int) else hook.throw(end)
    assert caught.value.value == code


@pytest.mark.parametrize("verdicts", [0, None])
def test_a_conftest_that_ends_a_passing_run_with_a_code(verdicts: int | None) -> None:
    hook = plugin.pytest_cmdline_main(ended(verdicts))
    next(hook)
    with pytest.raises(SystemExit):
        hook.throw(SystemExit(7))


def ended(verdicts: int | None) -> SimpleNamespace:
    """Return the configuration of a run whose verdicts have an exit code."""
    option = SimpleNamespace(quba_model=["demo"], help=False, version=0)
    return SimpleNamespace(option=option, stash={plugin.CONTROLLER: SimpleNamespace(exit_code=verdicts)})


def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "3")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    share_cores()
    assert threads == [2]


@pytest.mark.parametrize(
    ("typed", "files", "settings", "times"),
    [
        (["--model=demo", "x.yaml"], ["x.yaml"], {}, 1),
        ([], ["x.yaml"], {}, 0),  # pytest.main() of a process that may live on
        (["--model=demo", "x.yaml"], [], {}, 0),  # a model of tests that others run next to
        (["--model=demo", "x.yaml"], ["x.yaml"], {"workerinput": {}}, 0),
    ],
)
def test_objects_are_frozen_if_the_process_ends_with_its_demands(
    monkeypatch: pytest.MonkeyPatch,
    typed: list[str],
    files: list[str],
    settings: dict[str, object],
    times: int,
) -> None:
    frozen: list[None] = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(None))
    monkeypatch.setattr(sys, "argv", ["pytest", *typed])
    given = SimpleNamespace(args=("--model=demo", Path("x.yaml")))
    stash = {GATE: SimpleNamespace(files=files)}
    freeze_objects(SimpleNamespace(invocation_params=given, stash=stash, **settings))
    assert len(frozen) == times


def test_only_threshold_files_and_folders_above_them_are_collected() -> None:
    file = Path("/project/thresholds/a.yaml")
    hooks = GateHooks(SimpleNamespace(), SimpleNamespace(files=(file,)), None)  # type: ignore[arg-type]
    assert [hooks.pytest_ignore_collect(path) for path in (file, *file.parents[:2])] == [False] * 3
    assert hooks.pytest_ignore_collect(Path("/project/other")) is None
    assert hooks.pytest_collect_file(Path("/project/other.yaml"), None) is None  # type: ignore[arg-type]


def test_a_model_without_a_threshold_file_is_reported(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_nothing():\n    pass\n")
    result = pytester.runpytest_subprocess("--model=demo", ".")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(
        [
            "quba-check: no threshold file among the paths; only the fixture 'quba' uses the model",
            "quba-check: no demand was judged",
            "* 1 passed in *",
        ]
    )
