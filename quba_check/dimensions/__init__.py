"""The dimensions, one module each. Importing this folder registers all of them."""

from __future__ import annotations

import importlib
import pkgutil

from quba_check.dimensions._measuring import measure_dimension as measure_dimension
from quba_check.dimensions._ratios import share as share
from quba_check.dimensions._registry import Registry as Registry
from quba_check.dimensions._registry import dimension as dimension
from quba_check.dimensions._registry import registry as registry
from quba_check.dimensions._requested import request_views as request_views
from quba_check.dimensions._requested import worst_quantity as worst_quantity
from quba_check.dimensions._slices import measure_slices as measure_slices

for _module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
    if not _module.name.startswith("_"):
        importlib.import_module(f"{__name__}.{_module.name}")
