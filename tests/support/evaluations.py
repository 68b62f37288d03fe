"""Evaluations from plain options, for tests that change one of them."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from quba_check.core.predictions import Predictions
from quba_check.core.view import View
from quba_check.engine.worker import Worker
from quba_check.evaluation import Evaluation
from quba_check.executors.remote_worker import WorkerSpec
from quba_check.models.classifier import Classifier
from quba_check.models.compute import ComputeSettings
from quba_check.models.request import LoadRequest
from quba_check.predictor import RunSettings
from quba_check.storage.shard import ShardKey
from quba_check.suites.sampling import SubsetSampler
from quba_check.suites.suite import Suite

Evaluate = Callable[..., Evaluation]
"""Makes an evaluation of a model, with the options of `new_evaluation`."""


def new_evaluation(
    model: str | Classifier,
    suite: str | Path | Suite | None = None,
    *,
    seed: int = 0,
    limit: int | None = None,
    **options: Any,
) -> Evaluation:
    """An evaluation with fields of its sampler, its request and its run as options."""
    run, request = (
        {field.name: options.pop(field.name) for field in fields(kind) if field.name in options}
        for kind in (RunSettings, LoadRequest)  # both have `progress`; here that of the run
    )
    return Evaluation(
        model,
        suite,
        request=LoadRequest(**request),
        sampler=SubsetSampler(limit, seed),
        run=RunSettings(**run),
        **options,
    )


def worker_spec(evaluation: Evaluation) -> WorkerSpec:
    """The values from which a worker elsewhere loads the model and the images of an evaluation."""
    settings = evaluation.engine.batch_settings
    return WorkerSpec.of(evaluation.classifier, evaluation.suite, evaluation.protocol, settings)


def same(first: Predictions, second: Predictions, *more: str) -> bool:
    """Return True if answers are the same, and the values of further columns."""
    names = ("index", "label", "predicted", *more)
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)


class Elsewhere:
    """An executor with one worker, which is that of another evaluation."""

    name = "elsewhere, 1 worker"

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def choose_compute(self, view: View) -> ComputeSettings:
        return self.worker.choose_compute(view)

    def changed(self) -> list[ShardKey]:
        return self.worker.changed()
