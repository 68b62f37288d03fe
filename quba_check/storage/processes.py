"""Processes of this machine, for files that other machines read too."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path


def this_machine() -> str:
    """Return a name of this machine, or container, since it was started."""
    names = [socket.gethostname()]
    with suppress(OSError):
        names.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        names.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(names)


def has_ended(machine: str, pid: int) -> bool:
    """Return True if this machine knows that one of its processes ended.

    Args:
        machine: a name by `this_machine`.
        pid: process id on that machine. Another process may have it by now.
    """
    if machine != this_machine() or os.name == "nt" or pid < 1:  # signal 0 would end the process on Windows
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # a process of another user
        return False
    return False
