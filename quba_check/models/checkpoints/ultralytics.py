"""Checkpoints of ultralytics' classifiers, which are pickled networks."""

from __future__ import annotations

import importlib
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from quba_check.errors import ModelError
from quba_check.models.checkpoints.reading import foreign_names
from quba_check.models.errors import model_errors, quiet
from quba_check.models.identity.state import named_tensors
from quba_check.models.loaded_module import LoadedModule, Weights, model_files
from quba_check.models.preprocessing.config import PreprocessingConfig
from quba_check.models.preprocessing.preprocessing import DEFAULT_SIZE
from quba_check.models.programs.metadata import CLASSIFIERS, ultralytics_values
from quba_check.models.programs.weights import stored_bytes
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec


class Logits(nn.Module):
    """A module that returns the logits alone of a network with several outputs.

    Args:
        network: the network.
        place: place of the logits among its outputs.
    """

    def __init__(self, network: nn.Module, place: int) -> None:
        super().__init__()
        self.network = network
        self.place = place

    def forward(self, images: Tensor) -> Any:
        """Return the logits of images."""
        return self.network(images)[self.place]


def pickled_classes(path: Path) -> list[str]:
    """Return the names of ultralytics' layers and networks in a pickle.

    Nothing of it is run.

    Args:
        path: an existing file; other files have none.
    """
    return [name for name in foreign_names(path) if name.startswith("ultralytics.nn.")]


def load_ultralytics(spec: ModelSpec, request: LoadRequest, classes: list[str]) -> LoadedModule:
    """Load a classifier of ultralytics, with the averaged weights if there are any.

    Args:
        spec: the model, a file.
        request: how it is loaded; without `trust_pickle` the file is refused.
        classes: `pickled_classes` of the file.

    Raises:
        ModelError: it is not a classifier, pickles are not trusted, ultralytics is not installed, or the file
            cannot be read.
    """
    error = partial(ModelError, where=spec.text)
    if not any(name.endswith(".Classify") for name in classes):
        kind = next((name for name in classes if ".tasks." in name), classes[0])
        raise error("is not a classifier of ultralytics", got=kind.rpartition(".")[2], hint=CLASSIFIERS)
    if not request.trust_pickle:
        raise error(
            "is a pickled model of ultralytics, which runs code when it is read; nothing of it was run",
            hint="If you trust whoever made the file, give --quba-trust-pickle (docs/security.md).",
        )
    files = model_files(spec.path)
    with quiet(), model_errors("cannot be read as a checkpoint of ultralytics:", where=spec.text):
        library = _import_ultralytics(spec)
        checkpoint = torch.load(spec.path, map_location="cpu", weights_only=False)
        key = "model" if checkpoint.get("ema") is None else "ema"
        network: Any = checkpoint[key]
        size = stored_bytes(named_tensors(network).values())
        network.float().eval().requires_grad_(True)  # ultralytics freezes what it saves
        arguments = checkpoint.get("train_args") or getattr(network, "args", {})
        values = ultralytics_values(arguments.get("imgsz"), network.names, network.yaml.get("channels", 3))
        with torch.no_grad():
            raw = network(torch.zeros(1, *values.get("input_size", (3, DEFAULT_SIZE, DEFAULT_SIZE))))
    place = _place_of_logits(raw)
    notes = [f"weights were taken from '{key}'"]
    values["outputs"] = "probabilities" if place is None else "logits"
    if place is not None:
        notes.append("the logits of its head are used, not the probabilities")
    if request.arch is not None:
        notes.append(f"{spec.text} brings its own architecture: --quba-arch has no effect")
    modules = {type(part).__module__ for part in network.modules()}
    own = [sys.modules.get(name) for name in sorted(modules) if not name.startswith("torch.")]
    return LoadedModule(
        network if place is None else Logits(network, place),
        sources=tuple(Path(getattr(module, "__file__", None) or "") for module in own),
        configs=(PreprocessingConfig(values, spec.text),),
        notes=tuple(notes),
        weights=Weights(size=size),
        files=files,
        libraries={"ultralytics": library.__version__},
    )


def _import_ultralytics(spec: ModelSpec) -> Any:
    """Return the library.

    Its import changes how numpy prints, the environment of later processes, and how Pillow opens images; all
    three are restored.

    Raises:
        ModelError: it is not installed.
    """
    opener = Image.open
    environment = dict(os.environ)
    try:
        with np.printoptions():
            return importlib.import_module("ultralytics")
    except ImportError as missing:
        raise ModelError(
            "a checkpoint of ultralytics needs ultralytics, which is not installed",
            where=spec.text,
            hint="Install it: pip install ultralytics.",
        ) from missing
    finally:
        Image.open = opener
        os.environ.clear()
        os.environ.update(environment)


def _place_of_logits(outputs: Any) -> int | None:
    """Return the place of the output whose softmax is the other one, None without one.

    Earlier releases of ultralytics return the probabilities alone.
    """
    if isinstance(outputs, Tensor):
        return None
    return next((k for k in (1, 0) if torch.allclose(outputs[k].softmax(1), outputs[1 - k])), None)
