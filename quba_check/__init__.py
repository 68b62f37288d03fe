"""quba-check: decide whether an image classifier may be released.

The Python API. Names are loaded on first use, so that `import quba_check` loads no torch.
"""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quba_check.core.dimension import Dimension, Part
    from quba_check.core.facts import Facts, SuiteFacts
    from quba_check.core.grade import Grade, GradeRules
    from quba_check.core.measurement import Measurement, Quantity, Sample, Table, Unmeasurable
    from quba_check.core.predictions import Predictions
    from quba_check.core.view import CLEAN, FGSM, PGD, View
    from quba_check.demands.reading import read_thresholds
    from quba_check.dimensions import dimension, share
    from quba_check.engine.batching import BatchSettings
    from quba_check.errors import QubaError, UnmeasurableError, UserError
    from quba_check.evaluation import Evaluation, RunSettings
    from quba_check.gate.judge import judge
    from quba_check.gate.options import Options
    from quba_check.grading import published_models, quba_score
    from quba_check.models.preprocessing.file import read_preprocessing
    from quba_check.models.programs.functions import NumpyModel
    from quba_check.models.request import LoadRequest
    from quba_check.records.record import Record
    from quba_check.suites import Suite, open_suite
    from quba_check.suites.sampling import SubsetSampler
    from quba_check.verdicts.stored_verdicts import read_record

__all__ = [
    "CLEAN",
    "FGSM",
    "PGD",
    "BatchSettings",
    "Dimension",
    "Evaluation",
    "Facts",
    "Grade",
    "GradeRules",
    "LoadRequest",
    "Measurement",
    "NumpyModel",
    "Options",
    "Part",
    "Predictions",
    "Quantity",
    "QubaError",
    "Record",
    "RunSettings",
    "Sample",
    "SubsetSampler",
    "Suite",
    "SuiteFacts",
    "Table",
    "Unmeasurable",
    "UnmeasurableError",
    "UserError",
    "View",
    "dimension",
    "judge",
    "open_suite",
    "published_models",
    "quba_score",
    "read_preprocessing",
    "read_record",
    "read_thresholds",
    "share",
]

_MODULES = {
    "core.dimension": ("Dimension", "Part"),
    "core.facts": ("Facts", "SuiteFacts"),
    "core.grade": ("Grade", "GradeRules"),
    "core.measurement": ("Measurement", "Quantity", "Sample", "Table", "Unmeasurable"),
    "core.predictions": ("Predictions",),
    "core.view": ("CLEAN", "FGSM", "PGD", "View"),
    "demands.reading": ("read_thresholds",),
    "dimensions": ("dimension", "share"),
    "engine.batching": ("BatchSettings",),
    "errors": ("QubaError", "UnmeasurableError", "UserError"),
    "evaluation": ("Evaluation", "RunSettings"),
    "gate.judge": ("judge",),
    "gate.options": ("Options",),
    "grading": ("published_models", "quba_score"),
    "models.preprocessing.file": ("read_preprocessing",),
    "models.programs.functions": ("NumpyModel",),
    "models.request": ("LoadRequest",),
    "records.record": ("Record",),
    "suites": ("Suite", "open_suite"),
    "suites.sampling": ("SubsetSampler",),
    "verdicts.stored_verdicts": ("read_record",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.metadata.version("quba-check")
    if name in _MODULE_OF:
        return getattr(importlib.import_module(f"quba_check.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module 'quba_check' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
