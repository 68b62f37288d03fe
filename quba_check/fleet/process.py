"""The process that judges a model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from quba_check.fleet.command import LOG
from quba_check.messages import one_line
from quba_check.records.files import write_text

CHILD = Path(__file__).with_name("child.py")
ERROR = "ERROR: "
"""Start of pytest's line about an error."""
TAIL_BYTES = 2**16
"""Length of the end of a log that is searched for an error."""
_NOT_INHERITED = ("GITHUB_STEP_SUMMARY",)
"""Variables left out: the summaries of hundreds of models do not fit the page of a job."""


class ModelProcess:
    """A pytest process with a log, in a process group of its own.

    It ends if this process does, whatever ended that.

    Args:
        arguments: the words after `pytest`.
        folder: folder of the log; created if missing.
        environment: variables in addition to those of this process.

    Raises:
        UserError: the log cannot be written.
    """

    def __init__(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._log = folder / LOG
        write_text("", self._log)
        inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        self._clock = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  the words are the user's own
                [sys.executable, str(CHILD), *arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=inherited | dict(environment or {}),
                start_new_session=True,
            )

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._clock

    @property
    def exit_code(self) -> int | None:
        """Exit code; negative for the signal that ended the process, None while it runs."""
        return self._process.poll()

    def wait(self) -> None:
        """Wait until the process ended."""
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def interrupt(self) -> None:
        """Ask the process to end, as Ctrl-C does."""
        if self.exit_code is None:
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End the process and its own children at once."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self.wait()

    def problem(self) -> str:
        """Return the last error in the end of the log; empty if there is none."""
        try:
            with self._log.open("rb") as file:
                file.seek(max(0, self._log.stat().st_size - TAIL_BYTES))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return ""
        lines = (line for line in reversed(text.splitlines()) if line.startswith(ERROR))
        return one_line(next(lines, "").removeprefix(ERROR).strip())
