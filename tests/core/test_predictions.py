"""The digest of outputs, which shows that two models gave the same ones."""

from dataclasses import replace

import numpy as np
import pytest

from quba_check.core.predictions import Predictions, outputs_digest

TABLE = Predictions(
    index=np.arange(3),
    label=np.array([0, 1, 2]),
    predicted=np.array([0, 2, 2]),
    confidence=np.float32([0.9, 0.5, 0.7]),
    true_probability=np.float32([0.9, 0.3, 0.7]),
)


@pytest.mark.parametrize(
    "changed",
    [
        {"index": np.array([0, 1, 3])},
        {"label": np.array([0, 0, 2])},
        {"predicted": np.array([0, 1, 2])},
        {"confidence": np.nextafter(TABLE.confidence, np.float32(1))},
        {"true_probability": np.nextafter(TABLE.true_probability, np.float32(1))},
    ],
)
def test_every_column_counts(changed: dict[str, np.ndarray]) -> None:
    assert outputs_digest([replace(TABLE, **changed)]) != outputs_digest([TABLE])  # type: ignore[arg-type]


def test_tables_follow_one_another() -> None:
    other = replace(TABLE, predicted=np.array([1, 2, 2]))
    assert outputs_digest([TABLE, other]) != outputs_digest([other, TABLE])
    assert outputs_digest([replace(TABLE)]) == outputs_digest([TABLE])
