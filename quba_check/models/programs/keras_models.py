"""Keras 3 models: files that end with `.keras`."""

from __future__ import annotations

import os
import re
import sys
import zipfile
from typing import Any

from quba_check.errors import ModelError, extra_needed
from quba_check.models.errors import model_errors, quiet
from quba_check.models.loaded_module import LoadedModule, Weights, model_files
from quba_check.models.preprocessing.config import PreprocessingConfig
from quba_check.models.programs.runtime import Port, load_program
from quba_check.models.request import LoadRequest
from quba_check.models.specs import KERAS_WAY_OUT, WITH_CODE, ModelSpec

_FOREIGN = f"code in the file needs --quba-trust-pickle if you trust it; for layers of others {WITH_CODE}"
_SAME_RANGE = ("CenterCrop", "InputLayer", "Rand", "Resizing", "ZeroPadding")
"""First parts of the names of layers that leave the range of pixels as it is."""


def load_keras(spec: ModelSpec, request: LoadRequest) -> LoadedModule:
    """Load a Keras 3 model, which runs on the CPU.

    The backend is that of `KERAS_BACKEND`, else torch, unless keras was imported before.

    Args:
        spec: the model, a `.keras` file.
        request: the suite's number of classes; `trust_pickle` accepts code in the file.

    Raises:
        ModelError: the file cannot be used, keras is missing or too old, or the model is no classifier of
            images.
    """
    files = model_files(spec.path)
    if not zipfile.is_zipfile(spec.path):
        raise ModelError("is not a Keras 3 file, or is damaged.", where=spec.text, hint=KERAS_WAY_OUT)
    if "keras" not in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", "torch")
    with extra_needed(f"{spec.text}: a Keras model", "keras>=3.13.2", ModelError, extra="keras"):
        import keras

        # Before, the safe mode of Keras had known ways to run code of a file.
        if tuple(map(int, re.findall(r"\d+", keras.__version__)[:3])) < (3, 13, 2):
            raise ImportError
    runtime = f"keras {keras.__version__} on {keras.config.backend()}"
    problem = f"{runtime} cannot load it ({_FOREIGN}):"
    with quiet(), model_errors(problem, where=spec.text), keras.device("cpu"):
        model = keras.models.load_model(spec.path, compile=False, safe_mode=not request.trust_pickle)
        weights = _weights(model)
    inputs, outputs = (
        [Port(one.name, one.dtype, tuple(one.shape)) for one in getattr(model, side, ())]
        for side in ("inputs", "outputs")
    )
    if not any(len(port.shape) == 2 for port in outputs):
        got, allowed = f"outputs of {[port.shape for port in outputs]}", "an output (images, classes)"
        raise ModelError("is no classifier", where=spec.text, got=got, allowed=allowed)

    def run(number: int, images: Any) -> Any:
        with quiet(), keras.device("cpu"):
            answers = keras.tree.flatten(model(images, training=False))
            return keras.ops.convert_to_numpy(answers[number]).astype("float32")

    first = next(iter(_parts(model)), None)
    metadata = []
    if inputs[0].type != "uint8" and _takes_255(first, keras):
        values = {"mean": (0.0, 0.0, 0.0), "std": (1 / 255, 1 / 255, 1 / 255)}
        metadata = [PreprocessingConfig(values, f"the {type(first).__name__} layer of {spec.text}")]
    loaded = {"kind": "a Keras model", "runtime": runtime, "files": files, "weights": weights}
    return load_program(spec, request, run, inputs, outputs, metadata=metadata, **loaded)


def _weights(model: Any) -> Weights:
    """Return number and bytes of the weights, also of frozen and of quantised layers.

    Running statistics do not count.
    """
    model.trainable = True
    variables = [one.numpy() for one in model.weights if one.trainable or one.dtype == "int8"]
    model.trainable = False
    return Weights(sum(one.size for one in variables), sum(one.numpy().nbytes for one in model.weights))


def _parts(model: Any) -> list[Any]:
    """Return the layers and operations of a model and its nested models, in order.

    Layers that leave the range of pixels as it is are left out.
    """
    parts = getattr(model, "operations", None) or model.layers
    flat = [one for part in parts for one in (_parts(part) if hasattr(part, "layers") else [part])]
    return [one for one in flat if not type(one).__name__.startswith(_SAME_RANGE)]


def _takes_255(first: Any, keras: Any) -> bool:
    """Return True if the first layer scales pixels from 0 to 255."""
    # A larger factor is for pixels from 0 to 1, or for normalised ones.
    if isinstance(first, keras.layers.Normalization):
        return bool(keras.ops.min(first.variance) > 100)
    return isinstance(first, keras.layers.Rescaling) and bool(keras.ops.max(keras.ops.abs(first.scale)) < 0.1)
