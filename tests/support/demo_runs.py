"""What runs of the demo leave for other tests: a store with predictions, and the demo's images."""

import os
from pathlib import Path

import pytest

from quba_check.suites.suite import Suite


def demo_store(factory: pytest.TempPathFactory) -> Path:
    """One store for all tests and workers of a session: the demo's images are predicted once."""
    base = factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "stored-runs"


def link_demo_images(store: Path, suite: Suite) -> Path:
    """Give a store the images of the demo suite, which would else be drawn; return the store."""
    store.mkdir(parents=True, exist_ok=True)
    (store / "demo").symlink_to(suite.root.parent)
    return store
