"""CPU time of a first run of the demo, and of judging its record again by four files."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from quba_check.cli.main import main as quba_check

FILES = ("default.yaml", "mobile.yaml", "server.yaml", "safety-critical.yaml")


def seconds(function: Callable[[], object]) -> float:
    """Return the CPU time of this process, all threads; discard the output."""
    start = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        function()
    return time.process_time() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        report = Path(folder) / "demo.json"
        cold = [
            "--model=demo",
            f"--quba-report={report}",
            f"--quba-store={folder}/store",
            "-p",
            "no:cacheprovider",
        ]
        run = seconds(lambda: pytest.main(cold))
        seconds(lambda: quba_check(["what-if", str(report), *FILES]))  # modules are loaded once
        again = seconds(lambda: quba_check(["what-if", str(report), *FILES]))
        print(f"cold run {run:.1f} s, judged again {again:.3f} s: {run / again:.0f} times less (asked: 50)")


if __name__ == "__main__":
    main()
