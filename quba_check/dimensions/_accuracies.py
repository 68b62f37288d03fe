"""Accuracies on sets, and relative to the clean set: what most dimensions are made of."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from quba_check.errors import InvariantError, UnmeasurableError
from quba_check.protocol.measurement import Quantity
from quba_check.protocol.predictions import Predictions
from quba_check.protocol.view import CLEAN, View

Tables = Mapping[View, Predictions]


def accuracy_on(predictions: Tables, view: View) -> Quantity:
    """Share of the view's images whose top-1 is right.

    Raises:
        UnmeasurableError: the view has no images.
    """
    table = predictions[view]
    if len(table) == 0:
        raise UnmeasurableError(f"the set {view} has no images; add some or leave it out of the suite")
    return Quantity(table.accuracy, "fraction", len(table))


def clean_accuracy(predictions: Tables) -> float:
    """Accuracy over the whole clean set in the model's own classes: every denominator.

    Raises:
        UnmeasurableError: there are no clean images, or none is classified right.
    """
    clean = accuracy_on(predictions, CLEAN)
    if clean.value == 0:
        raise UnmeasurableError(
            f"none of the {clean.n} clean images is classified right, and nothing is relative to 0; "
            "check that class list and preparation are the model's own"
        )
    return clean.value


def clean_probabilities(predictions: Tables) -> NDArray[np.float32]:
    """(N, C) probabilities of the clean images.

    Raises:
        InvariantError: the view was filled without the table that it asks for.
    """
    probabilities = predictions[CLEAN].probabilities
    if probabilities is None:
        raise InvariantError("clean: the predictions came without the probabilities that the view asks for")
    return probabilities


def relative(accuracy: Quantity, clean: float) -> Quantity:
    """An accuracy as a ratio to the clean accuracy; above 1 where the shift helps."""
    return Quantity(accuracy.value / clean, "ratio", accuracy.n)
