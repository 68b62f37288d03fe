"""Image classifiers of transformers: a folder of `save_pretrained`, from disk or from the Hub."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from quba_check.errors import ModelError, extra_needed
from quba_check.messages import listed
from quba_check.models.errors import model_errors, quiet
from quba_check.models.loaded_module import LoadedModule, model_files
from quba_check.models.preprocessing.config import (
    CLASS_NAMES,
    PreprocessingConfig,
    crop_share,
    preprocessing_config,
)
from quba_check.models.preprocessing.preprocessing import for_channels, grey, preprocessing_of
from quba_check.models.request import LoadRequest
from quba_check.models.specs import CONFIG, WITH_CODE, ModelSpec
from quba_check.storage.user_files import read_json

FILES = ("*.json", "*.safetensors", "*.py")
"""Files of a repository that a model is loaded from."""
PROCESSOR = "preprocessor_config.json"
ADAPTER = "adapter_config.json"
WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
"""States the file of each tensor, for weights in several files."""
LARGEST_CHANGE = 3.0
"""Largest difference of a prepared pixel from that of the model's own processor, in levels of 255."""
_WHOLE = {"input_size", "interpolation", "mean", "std"}
"""Keys of a preprocessing file that takes the place of a processor."""
_KEYS = ", ".join(sorted(_WHOLE))
_FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""Filters by their numbers in Pillow."""
_SIZES = ((97, 131), (300, 211), (256, 256))
"""Height and width of the images that both preprocessings are compared on."""


def is_of_transformers(config: Path, *, spec: str) -> bool:
    """Return True if a `config.json` is one of transformers, and not of timm."""
    content = read_json(config, f"{spec}: {CONFIG}", ModelError)
    keys = content.keys() if isinstance(content, dict) else set()
    return not keys.isdisjoint(("architectures", "model_type")) and "architecture" not in keys


def load_transformers(spec: ModelSpec, request: LoadRequest, folder: Path) -> LoadedModule:
    """Load an image classifier of transformers from a folder.

    Args:
        spec: the model.
        request: how it is loaded.
        folder: a folder with `config.json`, the weights and, if stated, `preprocessor_config.json`.

    Raises:
        ModelError: it is no image classifier or answers several classes an image, brings code that is not
            allowed, lacks weights, or its processor prepares images in a way that quba-check lacks.
    """
    stated = read_json(folder / CONFIG, f"{spec.text}: {CONFIG}", ModelError)
    _check_config(stated, spec.text, trust_pickle=request.trust_pickle)
    code = sorted(folder.glob("*.py")) if request.trust_pickle else []  # also that of a processor
    weights = _weights(folder, stated, spec.text)
    if not (folder / PROCESSOR).is_file() and not _states_all(request) and request.fallback is None:
        hint = f"Save the image processor there, or state {_KEYS} in the file of --quba-preprocessing."
        raise ModelError(f"holds no {PROCESSOR}", where=spec.text, hint=hint)
    files = model_files(*weights, *code, *sorted(folder.glob("*.json")))
    library = _library(spec.text)
    with quiet(), model_errors(f"transformers {library.__version__} cannot load it:", where=spec.text):
        library.utils.logging.disable_progress_bar()
        model, loading = library.AutoModelForImageClassification.from_pretrained(
            folder,
            output_loading_info=True,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # reported below
            **_options(request),
        )
    mismatched = {key if isinstance(key, str) else key[0] for key in loading["mismatched_keys"]}
    lacking = sorted({*loading["missing_keys"], *mismatched})
    if lacking:
        problem = f"its weights do not fit {CONFIG}, missing or of another shape: {listed(lacking, 3)}"
        raise ModelError(problem, where=spec.text, hint="Save model and weights again with save_pretrained.")
    for part in model.modules():
        if hasattr(part, "name_or_path"):
            part.name_or_path = ""  # the same model in another folder has the same fingerprint
    unused = sorted(loading["unexpected_keys"])
    return LoadedModule(
        model,
        sources=tuple(code),
        configs=_configs(folder, model.config.to_dict(), spec, request, spec.text),
        notes=("the output 'logits' is used", *([f"left out: {listed(unused, 3)}"] if unused else [])),
        files=files,
        libraries={"transformers": library.__version__},
    )


def configs_of_export(spec: ModelSpec, request: LoadRequest) -> tuple[PreprocessingConfig, ...]:
    """Return names and preprocessing of the transformers model that a file was exported from.

    Its files lie next to the export, as optimum writes them; without them there are none.

    Raises:
        ModelError: transformers is missing, or the processor prepares images in a way that quba-check lacks.
    """
    folder, stated = spec.path.parent, {}
    with contextlib.suppress(ModelError):  # a config of something else
        if (folder / CONFIG).is_file() and is_of_transformers(folder / CONFIG, spec=spec.text):
            content = read_json(folder / CONFIG, f"{spec.text}: {CONFIG}", ModelError)
            _check_config(content, spec.text, trust_pickle=True)
            stated = content
    return _configs(folder, stated, spec, request, str(folder)) if stated else ()


def _weights(folder: Path, config: Mapping[str, Any], spec: str) -> list[Path]:
    """Return the files that transformers reads the weights from.

    Raises:
        ModelError: there are none, or some that are no files of the folder.
    """
    if config.get("transformers_weights") is not None or (folder / ADAPTER).exists():
        problem = f"its weights may be elsewhere ({ADAPTER}, or transformers_weights of {CONFIG})"
        raise ModelError(problem, where=spec, hint="Save the whole model with save_pretrained.")
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    content = read_json(folder / INDEX, f"{spec}: {INDEX}", ModelError) if (folder / INDEX).is_file() else {}
    places = content.get("weight_map") if isinstance(content, dict) else None
    names = sorted(set(map(str, places.values()))) if isinstance(places, dict) else []
    if not names:
        hint = f"Save it again with save_pretrained of transformers 5, which writes {WEIGHTS}."
        raise ModelError(
            "holds no weights", where=spec, allowed=f"{WEIGHTS}, or the files of {INDEX}", hint=hint
        )
    root = folder.parents[1] if folder.parent.name == "snapshots" else folder  # the Hub's cache has links
    for name in names:
        path = folder / name
        is_plain = Path(name).name == name and name.endswith(".safetensors") and path.is_file()
        if not is_plain or not path.resolve().is_relative_to(root.resolve()):
            allowed = "regular .safetensors files of the folder, not links to others"
            raise ModelError(f"{INDEX} names unusable weights", where=spec, got=repr(name), allowed=allowed)
    return [folder / name for name in names]


def _states_all(request: LoadRequest) -> bool:
    """True if a preprocessing file takes the place of a processor."""
    return request.preprocessing is not None and request.preprocessing.values.keys() >= _WHOLE


def _library(spec: str) -> Any:
    with extra_needed(f"{spec}: a transformers model", "transformers", ModelError, extra="transformers"):
        import transformers
    return transformers


def _options(request: LoadRequest) -> dict[str, Any]:
    return {"local_files_only": True, "trust_remote_code": request.trust_pickle}


def _configs(
    folder: Path, stated: Mapping[str, Any], spec: ModelSpec, request: LoadRequest, where: str
) -> tuple[PreprocessingConfig, ...]:
    """Return the names of outputs, and the preprocessing of the processor if there is one.

    Args:
        folder: the folder with both.
        stated: the content of `config.json`.
        spec: the model.
        request: how it is loaded.
        where: name of the folder in sources.

    Raises:
        ModelError: the processor prepares images in a way that quba-check lacks.
    """
    labels = stated.get("id2label") or {}
    names = tuple(str(labels[number]) for number in sorted(labels, key=int))
    configs = [PreprocessingConfig({CLASS_NAMES: names, "outputs": "logits"}, f"{CONFIG} of {where}")]
    if not (folder / PROCESSOR).is_file():
        return tuple(configs)
    content = read_json(folder / PROCESSOR, f"{spec.text}: {PROCESSOR}", ModelError)
    if isinstance(content, dict) and content.get("do_flip_channel_order"):
        hint = f"Write a function whose forward flips the channels, and {WITH_CODE}."
        raise ModelError(f"its {PROCESSOR} asks for BGR images", where=spec.text, hint=hint)
    if not _states_all(request):
        library = _library(spec.text)
        problem = f"transformers {library.__version__} cannot load its {PROCESSOR}:"
        with quiet(), model_errors(problem, where=spec.text):
            processor = library.AutoImageProcessor.from_pretrained(folder, **_options(request))
        configs.append(_preprocessing(processor, stated.get("num_channels", 3), spec.text, where))
    return tuple(configs)


def _check_config(config: Mapping[str, Any], spec: str, *, trust_pickle: bool) -> None:
    names = [str(name) for name in config.get("architectures") or ()]
    if not any("ForImageClassification" in name for name in names):
        got, allowed = listed(names) or "none", "an architecture …ForImageClassification"
        raise ModelError(f"{CONFIG} is of no image classifier", where=spec, got=got, allowed=allowed)
    if config.get("problem_type") == "multi_label_classification":
        problem = "it answers several classes an image (multi-label), and demands count one answer an image"
        raise ModelError(problem, where=spec, hint=f"For one class against the rest, {WITH_CODE}.")
    if "auto_map" in config and not trust_pickle:
        problem = "its folder brings code of its own (auto_map), which would run"
        raise ModelError(problem, where=spec, hint="If you trust it, give --quba-trust-pickle.")


def _preprocessing(processor: Any, channels: int, spec: str, where: str) -> PreprocessingConfig:
    """Return the preprocessing of a processor, checked on images.

    Raises:
        ModelError: it prepares images in another way.
    """
    source, largest = f"{PROCESSOR} of {where}", float("inf")
    for values in _candidates(processor.to_dict(), channels):
        config = preprocessing_config(values, where=f"{spec}: {PROCESSOR}", source=source)
        largest = min(largest, _difference(config, processor, spec))
        if largest <= LARGEST_CHANGE:
            return config
    gap = "of another size" if largest == float("inf") else f"that differ by up to {largest:.0f} of 255"
    raise ModelError(
        f"its {type(processor).__name__} prepares images in its own way, quba-check would give pixels {gap}",
        where=spec,
        hint=f"State {_KEYS} in the file of --quba-preprocessing, or {WITH_CODE}.",
    )


def _candidates(processor: Mapping[str, Any], channels: int) -> Iterator[dict[str, Any]]:
    """Yield the preprocessings that a processor may stand for."""
    size, crop = (processor.get(name) or {} for name in ("size", "crop_size"))
    scale = 255 * processor["rescale_factor"] if processor.get("do_rescale") else 255
    mean, std = ((0.0,) * channels, (1.0,) * channels)
    if processor.get("do_normalize"):
        mean, std = (for_channels(tuple(processor[f"image_{name}"]), channels) for name in ("mean", "std"))
    values = {
        "interpolation": _FILTERS[int(processor.get("resample") or 0)],
        "mean": tuple(float(value) / scale for value in mean),
        "std": tuple(float(value) / scale for value in std),
    }
    is_cropped = bool(processor.get("do_center_crop"))
    resized: Any = size.get("shortest_edge") or size.get("height")
    height, width = ((crop if is_cropped else size).get(name) or resized for name in ("height", "width"))
    if not height or not width:
        return
    share = processor.get("crop_pct") or crop_share(height, resized)
    for crop_pct, mode in ((share, "center_floor"), (share, "squash"), (1.0, "squash")):
        yield values | {"input_size": (channels, height, width), "crop_pct": crop_pct, "crop_mode": mode}


def _difference(config: PreprocessingConfig, processor: Any, spec: str) -> float:
    """Return the largest difference of pixels, in levels of 255.

    It is infinite if the images have other sizes.
    """
    ours = preprocessing_of([config], LoadRequest(), spec=spec)
    rng, largest = np.random.default_rng(0), 0.0
    for height, width in _SIZES:
        image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        own = ours.transform(crop=True)(image)[None]
        picture = image.convert("L") if ours.is_grey else image
        with quiet(), model_errors("its image processor fails on an image:", where=spec):
            theirs = processor(picture, return_tensors="pt")["pixel_values"]
        mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (ours.mean, ours.std))
        pixels = (grey(own) if ours.is_grey else own).float()
        if pixels.shape != theirs.shape:
            return float("inf")
        largest = max(largest, float((theirs * std * 255 + mean * 255 - pixels).abs().max()))
    return largest
