"""Unmeasured numbers of clean images, from the stored answers of a run."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np

from quba_check.comparison.baseline import Baseline
from quba_check.comparison.difference import RunValue
from quba_check.comparison.stored_run import RunConditions, StoredRun
from quba_check.core.facts import Facts, ModelFacts, SuiteFacts
from quba_check.core.predictions import Predictions
from quba_check.core.request import EACH, Request
from quba_check.core.view import CLEAN, CLEAN_SET
from quba_check.dimensions import measure_dimension, measure_slices, registry
from quba_check.errors import UnmeasurableError
from quba_check.records.per_image import PerImage

_MEASURED = ("accuracy", "classes")
"""Dimensions that need nothing but the predicted classes of clean images, apart from some of their parts."""


def number_of(run: Baseline, request: Request, later: RunConditions) -> RunValue | None:
    """Return a number of a run, of a stored one from record or answers.

    Accuracies of slices are recorded without the contributions of images, unless they were demanded; those of
    the worst class always.

    Args:
        run: the run.
        request: the number.
        later: the conditions of the run to compare, from which those of the stored run do not differ.

    Returns:
        Its value; None if neither has it.
    """
    recorded = run.value_of(request.dimension, request.part)
    lacks_images = (request.slice or request.target == EACH) and recorded and not recorded.influences
    if isinstance(run, StoredRun) and (recorded is None or lacks_images):
        with suppress(UnmeasurableError):
            answered = _value_of_answers(run, request, later)
            if answered is not None and (recorded is None or answered.value == recorded.value):
                return answered
    return recorded


def _value_of_answers(run: StoredRun, request: Request, later: RunConditions) -> RunValue | None:
    """Return a number, measured on the stored answers; None if these do not suffice."""
    suite = run.record.suite
    images = run.images or PerImage()
    answers = images.clean
    group = images.groups.get(CLEAN_SET)
    clean = suite.sets.get(CLEAN_SET)
    if answers is None or answers.index is None or clean is None or request.dimension not in _MEASURED:
        return None
    needs_more = request.needs_probabilities or request.pipeline or request.set != CLEAN_SET
    hashed = suite.contents.keys() & later.suite.contents  # of both runs, and equal
    is_unknown = CLEAN_SET not in hashed or (request.slice and clean.slices is None)
    if needs_more or is_unknown or (clean.groups is None) != (group is None):
        return None
    unknown = np.full(len(answers.label), np.nan, np.float32)
    names = tuple(answers.classes)
    columns = answers.label, answers.predicted, unknown, unknown
    tables = {CLEAN: Predictions(answers.index, *columns, group=group, slices=answers.slices)}
    known = SuiteFacts(suite.name, len(names), (), (), {}, class_names=names, requests=(request,))
    facts = Facts(known, ModelFacts(0, 0), with_tables=False)
    dimension = registry[request.dimension]
    measured = measure_dimension(dimension, tables, facts)
    if request.slice and not request.is_further_part:
        slices = {CLEAN: answers.slices}
        measured = measure_slices(dimension, measured, tables, slices, facts, [request], with_gaps=False)
    stored = PerImage.from_bytes(PerImage.of(measured).to_bytes(), run.file)  # with the same rounding
    images = replace(stored, clean=answers)
    return RunValue.of(measured, request.dimension, request.part, images, run.record.model.fingerprint)
