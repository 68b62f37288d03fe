"""Shared by all tests: warnings are errors, and nothing touches the user's own store."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.s3 import S3Server

from quba_check.models.process_setup import set_up_process

if TYPE_CHECKING:
    from acceptance.runs import Passes
    from support.gate import Gate

    from quba_check.suites.suite import Suite

try:
    from hypothesis import HealthCheck, settings
except ImportError:  # this file is also read when the demo runs from a checkout, without the tests' packages
    pass
else:
    # No test may depend on how busy the machine is. CI asks for more examples.
    settings.register_profile(
        "unhurried",
        settings(),
        deadline=None,
        max_examples=min(100, int(os.environ.get("QUBA_FUZZ_EXAMPLES", "40"))),
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("unhurried")

ROOT = str(Path(__file__).parents[1])
if ROOT not in sys.path:
    sys.path.append(ROOT)  # for the tools of the checkout; last, so that the installed quba_check is tested
set_up_process()
# Workers of pytest-xdist share the cores, so that each of them and its children have one thread.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# Processes share the bytecode of package and tests. Else each of them compiles it again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

HERE = Path(__file__).parent
UNMEASURED = ("acceptance/", "fuzz/")
"""Long runs of everything. Coverage is measured in the tests of single modules: it shows what has none.
Tests of properties are left out too: counting lines doubles their time, and each number has cases by hand."""
MEASURED = ("acceptance/test_passing_run", "acceptance/test_selection")
"""Runs of the whole plugin, which no test of a single module shows."""
SLOW = (
    "acceptance/",
    "browser/",
    "ci/test_examples",
    "cli/test_outside_text",
    "docs/test_guides",
    "docs/test_site",
    "docs/test_stored_runs",
    "executors/ray/test_pool",
    "executors/ray/test_worker.py",
    "fuzz/",
    "metrics/test_coverage",
    "models/checkpoints/test_ultralytics",
    "real/",
    "test_imports",
)
"""Paths of slow tests. Single ones in other files have the marker themselves."""
QUICK = ("acceptance/test_exit_code", "acceptance/test_passing_run", "acceptance/test_tiers")
"""Whole runs that always run: a release depends on their exit codes and records."""
SERVERS = {"s3", "s3_of_session"}
"""Fixtures that start a server. Tests that use one are slow."""
SEED = os.environ.get("QUBA_TEST_SEED", "")
"""With a seed, which `scripts/check` draws and prints, tests run in an order drawn with it, file by file."""


def pytest_configure(config: pytest.Config) -> None:
    """Give all tests of a file to one worker of pytest-xdist: they share what they set up."""
    if getattr(config.option, "dist", "no") == "load":
        config.option.dist = "loadfile"
        config.option.loadscopereorder = False


@pytest.hookimpl(tryfirst=True)  # before tests are selected by their markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        path = item.path.as_posix().removeprefix(f"{HERE.as_posix()}/")
        if Path(path).is_absolute():
            continue
        item.add_marker(pytest.mark.filterwarnings("error", "ignore:.*torch.jit"), append=False)
        is_property = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        if is_property or (path.startswith(UNMEASURED) and not path.startswith(MEASURED)):
            item.add_marker("no_cover")
        is_slow = path.startswith(SLOW) and not path.startswith(QUICK)
        if is_slow or SERVERS & {*getattr(item, "fixturenames", ())}:
            item.add_marker("slow")
    if SEED:
        items.sort(key=lambda item: (drawn(item.path), drawn(item.nodeid)))


def drawn(name: object) -> bytes:
    """Return a number for a name that is random, and the same for the same seed."""
    return hashlib.sha256(f"{SEED} {name}".encode()).digest()


@pytest.fixture(autouse=True)
def own_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store for this test session instead of the user's, and no other setting from outside."""
    store = tmp_path_factory.getbasetemp() / "quba-store"
    monkeypatch.setenv("QUBA_STORE", str(store))
    monkeypatch.delenv("QUBA_DATA", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return store


@pytest.fixture
def without_stored_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored predictions are used unchecked, for tests that count the passes of everything else."""
    monkeypatch.setattr("quba_check.engine.stored_check.StoredCheck.settle", lambda *_, **__: False)


@pytest.fixture(scope="session")
def demo_suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """The demo's images, drawn once."""
    from quba_check.suites.opening import find_suite

    return find_suite("demo", tmp_path_factory.getbasetemp() / "quba-store")


@pytest.fixture(scope="session")
def s3_of_session() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def s3(s3_of_session: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """An S3 server on loopback that this process and its children reach by `s3://`."""
    for name, value in s3_of_session.settings.items():
        monkeypatch.setenv(name, value)
    return s3_of_session


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The tiny suite, which all tests share; an error at the end reports that one wrote into it."""
    from support.tiny import write_suite

    data = write_suite(tmp_path_factory.mktemp("tiny") / "data")
    files = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    yield data
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*")} == files


@pytest.fixture
def gate(tiny_data: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """A gate of a tiny network on the tiny suite; the tests of a process share its predictions."""
    from support.gate import Gate

    return Gate(tmp_path, tiny_data, tmp_path_factory.getbasetemp() / "gate-store")


@pytest.fixture
def passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Passes:
    """Returns the images of all passes of `acceptance.nets` in this test so far."""
    from acceptance import runs

    monkeypatch.setenv("NETS_NOTES", str(tmp_path / "passes"))
    return lambda: runs.passes(tmp_path / "passes")
