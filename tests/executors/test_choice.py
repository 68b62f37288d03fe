"""The choice of an executor, and mistakes in it."""

import pytest
from support.errors import error_text
from syrupy.assertion import SnapshotAssertion

from quba_check.errors import OptionError
from quba_check.executors.choice import parse_executor


@pytest.mark.parametrize(
    ("text", "address"), [("inline", None), ("ray", ""), ("ray:ray://head:10001", "ray://head:10001")]
)
def test_forms(text: str, address: str | None) -> None:
    choice = parse_executor(text)
    assert (choice and choice.address) == address


@pytest.mark.parametrize("text", ["rai", "slurm", "slurm:local", "ray:", "inline:2"])
def test_other_names_are_refused(text: str, snapshot: SnapshotAssertion) -> None:
    assert error_text(OptionError, parse_executor, text) == snapshot
