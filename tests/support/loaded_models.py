"""Loading of models by their specs, and the messages of those that are refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from quba_check.errors import ModelError
from quba_check.models.classifier import Classifier
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest

TEN = tuple("abcdefghij")


def load(spec: str | Path, classes: Sequence[str] = TEN, **options: object) -> Classifier:
    """Load a model on the CPU, for ten classes if none are given."""
    return load_classifier(str(spec), LoadRequest(classes=tuple(classes), **{"device": "cpu"} | options))


def refusal(spec: str | Path, classes: Sequence[str] = TEN, **options: object) -> str:
    """Return the message of the error that loading a model raises."""
    with pytest.raises(ModelError) as raised:
        load(spec, classes, **options)
    return str(raised.value)
