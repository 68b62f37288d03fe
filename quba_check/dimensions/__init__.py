"""The dimensions, one module each. Importing this folder registers all of them."""

from __future__ import annotations

import importlib
import pkgutil

from quba_check.dimensions._measuring import measure_dimension
from quba_check.dimensions._ratios import share
from quba_check.dimensions._registry import Registry, dimension, registry
from quba_check.dimensions._requested import COMPARES, request_views, worst_quantity
from quba_check.dimensions._slices import measure_slices

__all__ = [
    "COMPARES",
    "Registry",
    "dimension",
    "measure_dimension",
    "measure_slices",
    "registry",
    "request_views",
    "share",
    "worst_quantity",
]

for _module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
    if not _module.name.startswith("_"):
        importlib.import_module(f"{__name__}.{_module.name}")
