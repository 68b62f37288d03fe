"""Processes of pytest that end when the fleet does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from quba_check.fleet.process import TAIL_BYTES, ModelProcess

PLAIN = ("-p", "no:hypothesispytest", "-p", "no:cacheprovider", "-p", "no:xdist")
PATIENCE = 120.0
"""Seconds until a test gives up on a process, however busy the machine is."""
BLOCKING = """\
    import os, threading
    from pathlib import Path
    from filelock import FileLock

    def test_it():
        assert os.read(0, 1) == b""
        with FileLock("held.lock"):
            Path("started").touch()
            threading.Event().wait(600)
    """


def wait_until(condition: Callable[[], object], exit_code: Callable[[], int | None]) -> None:
    """Wait for a condition; fail if the process ends before."""
    end = time.monotonic() + PATIENCE
    while not condition():
        is_running = exit_code() is None
        assert condition() or (is_running and time.monotonic() < end), exit_code()
        time.sleep(0.02)


def ended(process: ModelProcess) -> int | None:
    """Wait for the end of a process, and return its exit code."""
    process.wait()
    return process.exit_code


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a test that holds a lock until its process ends."""
    monkeypatch.chdir(tmp_path)
    Path("test_blocking.py").write_text(textwrap.dedent(BLOCKING), encoding="utf-8")
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        monkeypatch.delenv(name)
    return tmp_path


def test_a_whole_run(here: Path) -> None:
    Path("helper.py").write_text("VALUE = 3", encoding="utf-8")
    Path("test_quick.py").write_text(
        "import os, helper\n\ndef test_it():\n    assert (os.environ['MARK'], helper.VALUE) == ('yes', 4)\n",
        encoding="utf-8",
    )
    process = ModelProcess([*PLAIN, "test_quick.py"], Path("out"), {"MARK": "yes"})
    assert ended(process) == 1
    log = Path("out/log.txt").read_text(encoding="utf-8")
    assert "assert ('yes', 3) == ('yes', 4)" in log
    assert "Warning" not in log


def test_an_interrupt(here: Path) -> None:
    process = ModelProcess([*PLAIN, "test_blocking.py"], Path("out"))
    wait_until(Path("started").exists, lambda: process.exit_code)
    process.interrupt()
    assert ended(process) == pytest.ExitCode.INTERRUPTED
    process.interrupt()  # of a process that ended: nothing happens


def test_a_kill(here: Path) -> None:
    process = ModelProcess([*PLAIN, "test_blocking.py"], Path("out"))
    wait_until(Path("started").exists, lambda: process.exit_code)
    process.kill()
    assert process.exit_code == -signal.SIGKILL
    process.kill()


def test_the_process_ends_with_a_fleet_that_was_killed(here: Path) -> None:
    """The lock of the blocking test is free as soon as its process is gone."""
    code = (
        "import sys, time; from pathlib import Path; from quba_check.fleet.process import ModelProcess\n"
        f"process = ModelProcess({[*PLAIN, 'test_blocking.py']}, Path('out'))\n"
        "while process.exit_code is None: time.sleep(0.02)"
    )
    fleet = subprocess.Popen([sys.executable, "-c", code])
    wait_until(Path("started").exists, fleet.poll)
    fleet.send_signal(signal.SIGKILL)
    fleet.wait()
    with FileLock("held.lock", timeout=PATIENCE):
        pass


def test_problems_of_a_log(here: Path) -> None:
    process = ModelProcess(["--version"], Path("out"))
    assert ended(process) == 0
    log = Path("out/log.txt")
    assert process.problem() == ""
    log.write_text(
        "quba-check: clean: 9 images\nERROR: first\n.ERROR: no\nERROR: a \x1b[31m second\n.\n\n",
        encoding="utf-8",
    )
    assert process.problem() == "a \\x1b[31m second"
    log.write_bytes(b"ERROR: long ago\n" + b"x" * TAIL_BYTES)
    assert process.problem() == ""
    log.unlink()
    assert process.problem() == ""
