"""Evaluations of tiny networks on the tiny suite, with one store a test."""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from support.evaluations import Evaluate, new_evaluation
from support.tiny import copy_suite, write_models

from quba_check.engine.batching import BatchSettings
from quba_check.evaluation import Evaluation


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module of networks that count their passes."""
    write_models(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield import_module("tiny_models")
    del sys.modules["tiny_models"]


@pytest.fixture
def own_suite(tiny_data: Path, tmp_path: Path) -> Path:
    """A copy of the tiny suite, which a test may change."""
    return copy_suite(tiny_data, tmp_path / "suite")


@pytest.fixture
def suite(request: pytest.FixtureRequest, tiny_data: Path) -> Path:
    """The suite of evaluations: the copy of this test if it has one."""
    own: Path | None = request.getfixturevalue("own_suite") if "own_suite" in request.fixturenames else None
    return own or tiny_data


@pytest.fixture
def evaluate(tmp_path: Path, suite: Path, models: ModuleType) -> Evaluate:
    """New evaluations of a network; counts of passes start again."""

    def made(model: str = "net", data: str | Path = suite, **options: object) -> Evaluation:
        usual = {"store": tmp_path / "store", "batch_settings": BatchSettings(threads=0)}
        evaluation = new_evaluation(f"tiny_models:{model}", data, **usual | options)
        models.COUNTS.update(forward=0, backward=0)
        return evaluation

    return made


@pytest.fixture
def settings(tmp_path: Path, models: object) -> Callable[[str], object]:
    """Writes the file on which the answers depend."""
    path = tmp_path / "tiny_models.txt"
    path.write_text("")
    return path.write_text
