"""Start of a model's process: pytest, which ends if the fleet does.

It runs as a script, and imports nothing of this package: pytest is to find an untouched interpreter.
"""

import os
import runpy
import signal
import sys
import threading
import time

GRACE_SECONDS = 20.0
"""Time from the end of the fleet's process until this one is killed."""


def end_with_parent(descriptor: int) -> None:
    """Interrupt this process once a pipe is closed, then kill its group.

    Args:
        descriptor: the end that is read. The fleet holds the other end and writes nothing.
    """
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)  # as Ctrl-C: after Ray's handler of SIGTERM pytest would continue
    time.sleep(GRACE_SECONDS)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    """Watch standard input, then run pytest with this command line."""
    watched = os.dup(sys.stdin.fileno())
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), sys.stdin.fileno())
    # Ignored in the background of a shell, but the fleet interrupts this process by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=end_with_parent, args=(watched,), name="quba-fleet", daemon=True).start()
    if not sys.flags.safe_path:
        sys.path[0] = os.getcwd()  # noqa: PTH109  as of `python -m pytest`, in place of this file's folder
    runpy.run_module("pytest", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
