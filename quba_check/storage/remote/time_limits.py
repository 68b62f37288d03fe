"""Limits of the time in which a server at a URL has to answer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any

S3 = ("s3", "s3a")
S3_ATTEMPTS = 2
S3_TRIES = 3
S3_SECONDS = 10.0
"""Time without an answer after which a try has failed.

s3fs repeats the attempts of a read, with several tries of botocore in each: a server that never answers is
reported after 12 tries, in two minutes.
"""
SLOWEST = 10_000
"""Bytes a second below which a write is given up."""
WAIT_SECONDS = 5.0
"""Time after which a line names the awaited server."""


def time_limits(protocol: str) -> dict[str, Any]:
    """Return options of a file system of fsspec that limit its silence.

    Settings of the user's configuration of fsspec have precedence. Only S3 has limits.
    """
    if protocol not in S3:
        return {}
    from fsspec.config import conf

    limits = {
        "connect_timeout": S3_SECONDS,
        "read_timeout": S3_SECONDS,
        "retries": {"total_max_attempts": S3_TRIES},
    }
    return {"config_kwargs": {**limits, **conf.get(protocol, {}).get("config_kwargs", {})}}


def write_limit(system: Any, size: int) -> dict[str, float]:
    """Return the option of a write that limits its time.

    Without it, aiohttp waits for a server's `100 Continue` forever.

    Args:
        system: a file system of fsspec.
        size: number of bytes to write.
    """
    if not getattr(system, "async_impl", False):
        return {}
    return {"timeout": S3_SECONDS * S3_TRIES * S3_ATTEMPTS**2 + size / SLOWEST}


@contextmanager
def waiting_line(shown: str) -> Iterator[None]:
    """Print a line to standard error if the body takes long.

    Args:
        shown: the URL of the server, without a password.
    """
    limit = ", at most two minutes" if shown.startswith(S3) else ""
    text = f"quba-check: waiting for an answer of {shown}{limit}\n"
    timer = Timer(WAIT_SECONDS, sys.stderr.write, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
