"""quba-check: decide whether an image classifier may be released.

Import this for the Python API; the pytest plugin and the `quba-check` command are built on it. Names are
loaded on first use, so that importing the package loads no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quba_check.dimensions import dimension
    from quba_check.evaluation import Evaluation
    from quba_check.grading import quba_score

__all__ = ["Evaluation", "dimension", "quba_score"]

_HOMES = {
    "Evaluation": "quba_check.evaluation",
    "dimension": "quba_check.dimensions",
    "quba_score": "quba_check.grading",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'quba_check' has no attribute '{name}'")
