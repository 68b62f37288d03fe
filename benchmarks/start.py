"""Rows on the start of a run: CPU time until something is shown, and until images are predicted."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import environment
from benchmarks.row import Row
from benchmarks.work import Work

GOAL = 2.0
PATIENCE = 120.0
PROGRESS = re.compile(rb"\x1b7\r(.+?)\x1b8", re.DOTALL)
"""The progress line: the cursor is saved before it and restored after it."""
STYLES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
COUNTS = re.compile(r"\b[\d,]+ (?:of [\d,]+ )?images\b")
"""Words of a line on predicted images."""


@dataclass(frozen=True)
class Start:
    """CPU seconds of a run until two moments, and the lines shown at them."""

    first: float
    first_line: str
    predicting: float
    predicting_line: str


def rows(work: Work) -> list[Row]:
    """Return the rows on `pytest --model=demo`, with an empty store and with the demo's images in it."""
    store = work.new_folder()
    results = []
    for state in ("an empty store", "the demo's images drawn before"):
        shutil.rmtree(store / "predictions", ignore_errors=True)
        start = watched_start(store)
        for what, spent, line in (
            ("the first progress line", start.first, start.first_line),
            ("the first progress line on predicted images", start.predicting, start.predicting_line),
        ):
            title = f"CPU before {what}, demo, {state}"
            results.append(Row.at_most(title, spent, "s", f"'{line}'", GOAL))
    return results


def watched_start(store: Path) -> Start:
    """Run the demo in a terminal until it counts predicted images, and end it."""
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--model=demo",
        f"--quba-store={store}",
        "-p",
        "no:cacheprovider",
    ]
    process = subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, cwd=store, start_new_session=True,
        env=environment() | {"TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(terminal)
    output, first = b"", None
    deadline = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < deadline:
            if not select.select([main], [], [], 0.05)[0]:
                continue
            try:
                output += os.read(main, 65536)
            except OSError:  # the terminal is closed: the command ended
                break
            spent = _cpu(process.pid)
            lines = [STYLES.sub(b"", line).decode("utf-8", "replace") for line in PROGRESS.findall(output)]
            if lines and first is None:
                first = spent, lines[0]
            if counting := next((line for line in lines if COUNTS.search(line)), None):
                return Start(*(first or (spent, counting)), spent, counting)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(main)
    raise SystemExit(f"{' '.join(command)}: no line counted images. It printed: {output[-2000:]!r}")


def _cpu(pid: int) -> float:
    """Return the CPU seconds of a running process and its ended children, from Linux's /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
