"""The examples in docstrings do what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import quba_check

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(quba_check.__path__, "quba_check.")
    if not module.name.endswith("__main__")
)


def test_examples() -> None:
    results = {name: doctest.testmod(importlib.import_module(name)) for name in MODULES}
    assert [name for name, result in results.items() if result.failed] == []
    assert sum(result.attempted for result in results.values()) > 100
