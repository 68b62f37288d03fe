"""Settings of a process that predicts, made before torch is loaded, and while it is."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD = -1
M_TOP_PAD = -2
M_MMAP_THRESHOLD = -3
"""Parameters of `mallopt` in glibc's malloc.h."""
MALLOC_SETTINGS = {M_MMAP_THRESHOLD: 2**30, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 2**26}


def set_up_process() -> None:
    """Keep freed memory and quiet waiting threads in this process.

    Tensors of a batch are freed and allocated again for each layer. glibc returns each large block to the
    system, which then clears every page of the next one: half the time of small networks on a CPU.

    Waiting threads of torch must not take cores from the threads that read images, which is eight times
    slower with two cores. The variable has an effect only before torch is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if os.name == "nt" or platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    for parameter, value in MALLOC_SETTINGS.items():
        mallopt(parameter, value)


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Pause the search for cyclic garbage: what imports make stays."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
