"""quba-check: decide whether an image classifier may be released.

The Python API. Its names stand in `__init__.pyi`. They are loaded on first use, so that `import quba_check`
loads no torch.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
from pathlib import Path
from typing import Any

_STUB = Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")
_MODULE_OF = {
    alias.name: str(node.module)
    for node in ast.parse(_STUB).body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}
__all__ = [*_MODULE_OF]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.metadata.version("quba-check")
    if name in _MODULE_OF:
        return getattr(importlib.import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module 'quba_check' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
