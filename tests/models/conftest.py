"""Shared by tests of models: a cache of the Hugging Face Hub, and a module with a model."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, without a network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[object], str]]:
    """Return the spec `zoo:model` of a function in the current folder that returns a value."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("zoo.py").write_text("MODEL = None\ndef model():\n    return MODEL\n", encoding="utf-8")

    def spec(value: object) -> str:
        import zoo

        zoo.MODEL = value
        return "zoo:model"

    yield spec
    sys.modules.pop("zoo", None)
