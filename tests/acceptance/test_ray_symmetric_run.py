"""A run that Ray's own command starts together with its cluster, as batch systems do."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ray")

from acceptance.runs import QUICK

from quba_check.verdicts.stored_verdicts import read_record

ALONE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc")
"""Starts a command that sees no other process: it refuses to start and stops all of Ray on a machine."""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder with a path that is short enough for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def test_the_demo_on_a_cluster_of_its_own(temporary: Path) -> None:
    try:
        subprocess.run([*ALONE, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no process namespace: {error}")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    record = temporary / "record.json"
    command = [sys.executable, "-m", "pytest", *QUICK, "--model=demo", "--quba-executor=ray:auto"]
    run = subprocess.run(
        [
            *(*ALONE, "ray", "symmetric-run", "--address", address, "--num-cpus=1", "--"),
            *(*command, f"--quba-record={record}"),
        ],
        cwd=temporary,
        env=os.environ
        | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "QUBA_STORE": str(temporary / "store"),
            "RAY_TMPDIR": str(temporary),
            "RAY_ADDRESS": "",
        },
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert read_record(record).overall_verdict == "pass"
    assert "--quba-executor=ray:auto" in " ".join(read_record(record).command)
