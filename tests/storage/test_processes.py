"""Processes of this machine: running, ended, of another machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from quba_check.storage.processes import has_ended, this_machine


@pytest.fixture
def ended() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_process_of_this_machine(ended: int) -> None:
    assert has_ended(this_machine(), ended)
    assert not has_ended(this_machine(), os.getpid())


def test_a_process_of_another_machine_is_unknown(ended: int) -> None:
    assert not has_ended("another", ended)
    assert not has_ended("", ended)


@pytest.mark.parametrize("pid", [-1, 0, 10**11])
def test_an_impossible_process_id_is_unknown(pid: int) -> None:
    assert not has_ended(this_machine(), pid)


def test_containers_of_one_host_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    before = this_machine()
    assert before == this_machine()
    monkeypatch.setattr("pathlib.Path.readlink", lambda _: "pid:[42]")
    assert this_machine() != before
