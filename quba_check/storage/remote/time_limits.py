"""Limits of the time in which a server at a URL has to answer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any

S3 = ("s3", "s3a")
S3_ATTEMPTS = 2
S3_LIMITS = {"connect_timeout": 10, "read_timeout": 10, "retries": {"max_attempts": 2}}
"""Seconds without an answer, and further tries in each of `S3_ATTEMPTS`.

s3fs repeats the attempts of a read, so that a server that never answers is reported after 12 tries, in two
minutes.
"""
WAIT_SECONDS = 5.0
"""Time after which a line names the awaited server."""


def time_limits(protocol: str) -> dict[str, Any]:
    """Return the options of a file system of fsspec that limit its time without an answer.

    Settings of the user's configuration of fsspec have precedence. Only S3 has limits.
    """
    if protocol not in S3:
        return {}
    from fsspec.config import conf

    return {"config_kwargs": {**S3_LIMITS, **conf.get(protocol, {}).get("config_kwargs", {})}}


@contextmanager
def waiting_line(shown: str) -> Iterator[None]:
    """Print a line to standard error if the body takes long.

    Args:
        shown: the URL of the server, without a password.
    """
    text = f"quba-check: waiting for an answer of {shown}, at most two minutes\n"
    timer = Timer(WAIT_SECONDS, sys.stderr.write, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
