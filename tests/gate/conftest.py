"""Gate sessions on the tiny suite, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.tiny import write_suite

from quba_check.gate.judge import Judge
from quba_check.gate.models import Callbacks
from quba_check.gate.options import Options
from quba_check.gate.session import GateSession

NewGate = Callable[..., GateSession]
SILENT = Callbacks()


def loaded_judge(gate: GateSession) -> Judge:
    """A judge of a session's selected demands, whose models are loaded."""
    for key in gate.models_and_protocols():
        gate.evaluation(*key)
    return Judge(gate)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny suite; nothing may be written into it."""
    return write_suite(tmp_path_factory.mktemp("tiny") / "data")


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The predictions of all sessions."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def new_gate(tiny_data: Path, tiny_store: Path, tmp_path: Path) -> NewGate:
    """Sessions with the threshold file `x.yaml`, of which all demands are selected."""

    def new(thresholds: str, *models: str, callbacks: Callbacks = SILENT, **options: Any) -> GateSession:
        file = tmp_path / "x.yaml"
        file.write_text(f"schema: 1\n{thresholds}\n", encoding="utf-8")
        given = {"models": models or ("acceptance.nets:net",), "data": tiny_data, "store": tiny_store}
        gate = GateSession(Options(**given | options), tmp_path, files=(file,), callbacks=callbacks)
        gate.select(gate.demands(gate.files))
        return gate

    return new
