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
from quba_check.models.programs.runtime import Graph, Port, load_program
from quba_check.models.request import LoadRequest
from quba_check.models.specs import KERAS_WAY_OUT, WITH_CODE, ModelSpec

_FOREIGN = f"Code in the file runs with --quba-trust-pickle, if you trust it. For custom layers {WITH_CODE}."
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
            images, or nothing states how pixels are scaled.
    """
    files = model_files(spec.path)
    if not zipfile.is_zipfile(spec.path):
        raise ModelError("is not a Keras 3 file, or is damaged.", where=spec.text, hint=KERAS_WAY_OUT)
    keras = _import_keras(spec)
    backend = keras.config.backend()
    runtime = f"keras {keras.__version__} on {backend}"
    libraries = {"keras": keras.__version__, backend: str(sys.modules[backend].__version__)}
    try:
        with quiet(), model_errors(f"{runtime} cannot load it:"), keras.device("cpu"):
            model = keras.models.load_model(spec.path, compile=False, safe_mode=not request.trust_pickle)
            weights = _weights(model)
    except ModelError as error:
        raise ModelError(f"{error}", where=spec.text, hint=_FOREIGN) from error
    inputs, outputs = (
        [Port(port.name, port.dtype, tuple(port.shape)) for port in getattr(model, side, ())]
        for side in ("inputs", "outputs")
    )

    def run(number: int, images: Any) -> Any:
        with quiet(), keras.device("cpu"):
            answers = keras.tree.flatten(model(images, training=False))
            return keras.ops.convert_to_numpy(answers[number]).astype("float32")

    layer = _layer_of_255(model, keras)
    is_float = inputs and inputs[0].type != "uint8"
    values = {"mean": (0.0, 0.0, 0.0), "std": (1 / 255, 1 / 255, 1 / 255)}
    rescaling = PreprocessingConfig(values, f"the {layer} layer of {spec.text}")
    metadata = (rescaling,) if layer and is_float else ()
    graph = Graph(run, inputs, outputs, "a Keras model", runtime, files, metadata=metadata)
    loaded = load_program(spec, request, graph, weights=weights, libraries=libraries)
    stated = (*loaded.configs, *([request.preprocessing] if request.preprocessing else []))
    if request.fallback is None and not any("mean" in config.values for config in stated):
        raise ModelError(
            "does not state how pixels are scaled",
            where=spec.text,
            hint="State mean and std of the training in the file of --quba-preprocessing (docs/models.md).",
        )
    return loaded


def _import_keras(spec: ModelSpec) -> Any:
    """Return the library.

    Raises:
        ModelError: it is missing, or too old.
    """
    os.environ.setdefault("KERAS_BACKEND", "torch")
    with extra_needed(f"{spec.text}: it", "keras>=3.13.2 (or its backend)", ModelError, extra="keras"):
        import keras

        # Before, the safe mode of Keras had known ways to run code of a file.
        if tuple(map(int, re.findall(r"\d+", keras.__version__)[:3])) < (3, 13, 2):
            raise ImportError
    return keras


def _weights(model: Any) -> Weights:
    """Return number and bytes of the weights, also of frozen and of quantised layers.

    Running statistics do not count.
    """
    model.trainable = True
    variables = [weight.numpy() for weight in model.weights if weight.trainable or weight.dtype == "int8"]
    model.trainable = False
    is_packed = re.search("'mode': '(int4|gptq|awq)", str(model.get_config()))
    uncounted = "the Keras file packs several weights into one number" if is_packed else ""
    stored = sum(weight.numpy().nbytes for weight in model.weights)
    return Weights(sum(variable.size for variable in variables), stored, uncounted)


def _parts(model: Any) -> list[Any]:
    """Return the layers and operations of a model and its nested models, in order.

    Layers that leave the range of pixels as it is are left out.
    """
    parts = getattr(model, "operations", None) or model.layers
    flat = [layer for part in parts for layer in (_parts(part) if hasattr(part, "layers") else [part])]
    return [layer for layer in flat if not type(layer).__name__.startswith(_SAME_RANGE)]


def _layer_of_255(model: Any, keras: Any) -> str:
    """Return the kind of the first layer if it scales pixels from 0 to 255."""
    first = next(iter(_parts(model)), None)
    ops = keras.ops
    # A larger factor is for pixels from 0 to 1, or for normalised ones.
    if isinstance(first, keras.layers.Normalization):
        return "Normalization" if ops.min(first.variance) > 100 else ""
    is_scaling = isinstance(first, keras.layers.Rescaling) and ops.max(ops.abs(first.scale)) < 0.1
    return "Rescaling" if is_scaling else ""
