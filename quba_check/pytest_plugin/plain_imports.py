"""Imports of this package without pytest's assertion rewriting."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_PACKAGE = __name__.partition(".")[0]


class PlainFinder:
    """Finds the modules of this package as Python itself does."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module of this package, None for others."""
        return PathFinder.find_spec(name, path, target) if name.startswith(f"{_PACKAGE}.") else None


def import_plainly() -> None:
    """Keep pytest from rewriting the assertions of this package, which no user reads.

    pytest rewrites every module of a plugin's package. Where it may not write bytecode, such as in many
    containers, it parses and compiles all of them again at each start.
    """
    if PlainFinder not in sys.meta_path:
        sys.meta_path.insert(0, PlainFinder)
