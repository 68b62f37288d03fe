"""CPU time, in pairs and of commands, and ratios with their range."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import quba_check

THREADS = 1
"""Threads of torch on both sides of every comparison."""
_LAUNCHER = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(process.pid, 0)
with open(sys.argv[1], "w") as file:
    print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.waitstatus_to_exitcode(status), file=file)
"""
"""Starts a command from a small process: Linux counts the memory of the parent, too."""


def cpu_seconds() -> float:
    """Return the CPU time, user and system, of this process and of its children that ended."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


@dataclass(frozen=True)
class Ratio:
    """The ratios of some pairs.

    Attributes:
        ours: median cost of our side.
        other: median cost of the other side.
        value: median of other / ours over the pairs.
        low: smallest of them.
        high: largest of them.
    """

    ours: float
    other: float
    value: float
    low: float
    high: float

    @classmethod
    def of(cls, pairs: Sequence[tuple[float, float]]) -> Ratio:
        """Return the ratio of pairs (ours, other)."""
        ratios = [other / ours for ours, other in pairs]
        ours, other = (median(side) for side in zip(*pairs, strict=True))
        return cls(ours, other, median(ratios), min(ratios), max(ratios))


def cpu_of(function: Callable[[], object]) -> float:
    """Return the CPU seconds of a call."""
    begin = cpu_seconds()
    function()
    return cpu_seconds() - begin


def seconds_of(function: Callable[[], object]) -> float:
    """Return the wall seconds of a call."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def compare(
    title: str,
    ours: Callable[[], object],
    other: Callable[[], object],
    repetitions: int = 5,
    seconds: Callable[[Callable[[], object]], float] = seconds_of,
) -> None:
    """Print the ratio of the times of two functions, called alternately after a first call of both."""
    ours()
    other()
    ratio = Ratio.of([(seconds(ours), seconds(other)) for _ in range(repetitions)])
    print(
        f"{title:<58} {ratio.ours:8.4f} s {ratio.other:8.4f} s"
        f"  ratio {ratio.value:6.1f} ({ratio.low:.1f} to {ratio.high:.1f})"
    )


@dataclass(frozen=True)
class Usage:
    """The use of resources by a command and its children.

    Attributes:
        cpu: seconds of user and system time.
        memory: largest resident size of one of the processes, in MB of 10⁶ bytes.
        output: its standard output.
    """

    cpu: float
    memory: float
    output: str


def run(
    arguments: Sequence[str], folder: Path, allowed: Sequence[int] = (0,), *, threads: int = THREADS
) -> Usage:
    """Run `python arguments…` in a folder, with a number of torch threads; return what it used.

    Raises:
        SystemExit: its exit code is not allowed; the message shows the end of its output.
    """
    with (
        tempfile.TemporaryFile("w+") as output,
        tempfile.TemporaryFile("w+") as errors,
        tempfile.NamedTemporaryFile("r") as figures,
    ):
        subprocess.run(
            [sys.executable, "-c", _LAUNCHER, figures.name, sys.executable, *arguments],
            stdout=output,
            stderr=errors,
            cwd=folder,
            env=environment(threads),
            check=True,
        )
        cpu, memory, code = figures.read().split()
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read())
    if int(code) not in allowed:
        end = "\n".join("\n".join(texts).splitlines()[-20:])
        raise SystemExit(f"{' '.join(arguments)}: exit code {code}\n{end}")
    return Usage(float(cpu), resident_mb(int(memory)), texts[0])


def environment(threads: int = THREADS) -> dict[str, str]:
    """Return the environment of commands: the same quba_check, the same threads, no stray options.

    Compiled modules are kept, as on a user's machine: pytest compiles those of its plugins in its own way,
    which takes 0.3 s of CPU.
    """
    folders = [str(Path(quba_check.__file__).parents[1]), str(Path(__file__).parents[1])]
    folders += filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    stray = "QUBA_", "PYTEST_", "PYTHONDONTWRITEBYTECODE"
    own = {name: value for name, value in os.environ.items() if not name.startswith(stray)}
    return own | {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(folders)),
        "PYTHONSAFEPATH": "1",
        "OMP_NUM_THREADS": str(threads),
    }


def resident_mb(ru_maxrss: int) -> float:
    """Return `ru_maxrss` in MB: Linux counts in KiB, macOS in bytes."""
    return ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
