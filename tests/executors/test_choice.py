"""The choice of an executor, and mistakes in it."""

from __future__ import annotations

import pytest
from support.errors import error_text

from quba_check.errors import OptionError
from quba_check.executors.choice import INLINE, ON_SLURM, ExecutorChoice, parse_executor


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("inline", INLINE),
        ("ray", ExecutorChoice("ray")),
        ("ray:ray://head:10001", ExecutorChoice("ray", "ray://head:10001")),
    ],
)
def test_forms(text: str, choice: ExecutorChoice) -> None:
    assert parse_executor(text) == choice


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("rai", " Did you mean 'ray'?"),
        ("slurm", ON_SLURM),
        ("slurm:local", ON_SLURM),
        ("ray:", " Did you mean 'ray'?"),
        ("inline:2", " Did you mean 'inline'?"),
    ],
)
def test_other_names_are_refused(text: str, near: str) -> None:
    text = error_text(OptionError, parse_executor, text)
    allowed = "inline, ray, ray:ADDRESS"
    assert text == f"--quba-executor: got '{text}'. Allowed: {allowed}.{near}"
