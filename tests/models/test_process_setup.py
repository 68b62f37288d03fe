import ctypes
import gc
import os
import platform
import subprocess
import sys

import pytest

from quba_check.models.process_setup import set_up_process, without_garbage_collection

SCRIPT = """
import platform, resource, sys
from quba_check.models.process_setup import set_up_process
if sys.argv[1] == "set up":
    set_up_process()
assert "torch" not in sys.modules
for _ in range(20):
    bytearray(64 * 2**20)
print(platform.libc_ver()[0], resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def page_faults(argument: str) -> int:
    command = [sys.executable, "-c", SCRIPT, argument]
    libc, faults = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split(" ")
    if libc != "glibc":
        pytest.skip("another allocator than glibc's")
    return int(faults)


@pytest.mark.skipif(sys.platform != "linux", reason="settings of glibc")
def test_freed_memory_is_used_again_without_new_pages() -> None:
    """Twenty times the same 64 MiB: each page is touched once instead of twenty times."""
    once = 64 * 2**20 // 4096
    assert page_faults("plain") > 15 * once
    assert page_faults("set up") < 3 * once


@pytest.mark.parametrize("libc", [("", ""), ("musl", "1.2.5")], ids=["macOS and Windows", "musl"])
def test_other_allocators_are_left_as_they_are(libc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: libc)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: pytest.fail("a library was called"))
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    set_up_process()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE", "a user's own setting stays"


def test_windows_is_not_asked_for_its_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    """There it is looked for in Python's own file, which not every program may read."""
    with monkeypatch.context() as patch:
        patch.setattr(platform, "libc_ver", lambda: pytest.fail("the file was read"))
        patch.setattr(os, "name", "nt")
        set_up_process()


def test_garbage_is_collected_again_after_an_error() -> None:
    enabled = []

    @without_garbage_collection()
    def load() -> None:
        enabled.append(gc.isenabled())
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        load()
    assert [*enabled, gc.isenabled()] == [False, True]
