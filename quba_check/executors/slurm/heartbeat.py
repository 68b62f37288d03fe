"""Signs of life between processes of several machines, through files that they share."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

BEAT_SECONDS = 5.0


class Heartbeat:
    """A thread that writes a file every few seconds while this process lives.

    Args:
        path: the file.
        seconds: the time between two writes.
    """

    def __init__(self, path: Path, seconds: float = BEAT_SECONDS) -> None:
        self._path = path
        self._seconds = seconds
        self._ended = threading.Event()
        self._write(0)
        self._thread = threading.Thread(target=self._beat, name="quba-heartbeat", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        count = 0
        while not self._ended.wait(self._seconds):
            count += 1
            self._write(count)

    def _write(self, count: int) -> None:
        with contextlib.suppress(OSError):  # a full disk, or a folder that was removed at the end of the run
            self._path.write_text(str(count), encoding="ascii")


class Pulse:
    """The heartbeat of another process, timed by the clock of this one.

    Clocks of two machines differ, so only changes of the file count.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content = self._read()
        self._changed = time.monotonic()

    @property
    def silence(self) -> float:
        """Seconds since the last change that was seen."""
        content, now = self._read(), time.monotonic()
        if content != self._content:
            self._content, self._changed = content, now
        return now - self._changed

    def _read(self) -> str:
        try:
            return self._path.read_text(encoding="ascii")
        except OSError:
            return ""
