"""The two models of the demo."""

from __future__ import annotations

from pathlib import Path

from quba_check.demo import network
from quba_check.models.loaded_module import LoadedModule, model_files
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec


def load_demo(spec: ModelSpec, _: LoadRequest) -> LoadedModule:
    """Load a model of the demo."""
    files = model_files(network.demo_weights(spec.text))
    module = network.demo_module(spec.text)
    return LoadedModule(module, sources=(Path(network.__file__),), files=files, is_demo=True)
