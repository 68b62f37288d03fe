"""Preprocessing and class names of transformers' image classifiers: of their folders and exports.

The preprocessing is that of `preprocessor_config.json`, checked on images against the model's own processor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from quba_check.errors import ModelError, extra_needed
from quba_check.messages import listed
from quba_check.models.errors import model_errors, quiet
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

PROCESSOR = "preprocessor_config.json"
LARGEST_CHANGE = 3.0
"""Largest difference of a prepared pixel from that of the model's own processor, in levels of 255."""
_WHOLE = {"input_size", "interpolation", "mean", "std"}
"""Keys of a preprocessing file that takes the place of a processor."""
STATED_KEYS = ", ".join(sorted(_WHOLE))
_FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""Filters by their numbers in Pillow."""
_SIZES = ((97, 131), (300, 211), (256, 256))
"""Height and width of the images that both preprocessings are compared on."""


def is_of_transformers(config: Path, *, spec: str) -> bool:
    """Return True if a `config.json` is one of transformers, and not of timm."""
    content = read_json(config, f"{spec}: {CONFIG}", ModelError)
    keys = content.keys() if isinstance(content, dict) else set()
    return not keys.isdisjoint(("architectures", "model_type")) and "architecture" not in keys


def configs_of_export(spec: ModelSpec, request: LoadRequest) -> tuple[PreprocessingConfig, ...]:
    """Return names and preprocessing of the transformers model that a file was exported from.

    Its files lie next to the export, as optimum writes them; without a `config.json` of an image classifier
    there are none.

    Raises:
        ModelError: `config.json` is damaged or of a model with several answers an image, transformers is
            missing, or the processor prepares images in a way that quba-check lacks.
    """
    folder = spec.path.parent
    path = folder / CONFIG
    if not path.is_file() or not is_of_transformers(path, spec=spec.text):
        return ()
    stated = read_json(path, f"{spec.text}: {CONFIG}", ModelError)
    if not _is_of_classifier(stated):
        return ()
    check_config(stated, spec.text, trust_pickle=True)
    return configs_of_folder(folder, stated, spec, request, str(folder))


def states_all(request: LoadRequest) -> bool:
    """True if a preprocessing file takes the place of a processor."""
    return request.preprocessing is not None and request.preprocessing.values.keys() >= _WHOLE


def import_transformers(spec: str) -> Any:
    """Return the module transformers.

    Raises:
        ModelError: it is not installed.
    """
    with extra_needed(f"{spec}: a transformers model", "transformers", ModelError, extra="transformers"):
        import transformers
    return transformers


def loading_options(request: LoadRequest) -> dict[str, Any]:
    """Return the settings with which transformers reads a folder."""
    return {"local_files_only": True, "trust_remote_code": request.trust_pickle}


def configs_of_folder(
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
        raise ModelError(
            f"its {PROCESSOR} asks for BGR images",
            where=spec.text,
            hint=f"Write a function whose forward flips the channels, and {WITH_CODE}.",
        )
    if not states_all(request):
        library = import_transformers(spec.text)
        problem = f"transformers {library.__version__} cannot load its {PROCESSOR}:"
        with quiet(), model_errors(problem, where=spec.text):
            processor = library.AutoImageProcessor.from_pretrained(folder, **loading_options(request))
        configs.append(_preprocessing(processor, stated.get("num_channels", 3), spec.text, where))
    return tuple(configs)


def check_config(config: Mapping[str, Any], spec: str, *, trust_pickle: bool) -> None:
    """Check that a `config.json` is of an image classifier with one answer an image.

    Raises:
        ModelError: it is not, or the folder brings code and is not trusted.
    """
    if not _is_of_classifier(config):
        raise ModelError(
            f"{CONFIG} is of no image classifier",
            where=spec,
            got=listed(_architectures(config)) or "none",
            allowed="an architecture …ForImageClassification",
        )
    if config.get("problem_type") == "multi_label_classification":
        raise ModelError(
            "it answers several classes an image (multi-label), and demands count one answer an image",
            where=spec,
            hint=f"For one class against the rest, {WITH_CODE}.",
        )
    if "auto_map" in config and not trust_pickle:
        raise ModelError(
            "its folder brings code of its own (auto_map), which would run",
            where=spec,
            hint="If you trust it, give --quba-trust-pickle.",
        )


def _is_of_classifier(config: Mapping[str, Any]) -> bool:
    return any("ForImageClassification" in name for name in _architectures(config))


def _architectures(config: Mapping[str, Any]) -> list[str]:
    return [str(name) for name in config.get("architectures") or ()]


def _preprocessing(processor: Any, channels: int, spec: str, where: str) -> PreprocessingConfig:
    """Return the preprocessing of a processor, checked on images.

    Raises:
        ModelError: it prepares images in another way.
    """
    source = f"{PROCESSOR} of {where}"
    closest = float("inf")
    for values in _candidates(processor.to_dict(), channels):
        config = preprocessing_config(values, where=f"{spec}: {PROCESSOR}", source=source)
        closest = min(closest, _difference(config, processor, spec))
        if closest <= LARGEST_CHANGE:
            return config
    gap = "of another size" if closest == float("inf") else f"that differ by up to {closest:.0f} of 255"
    raise ModelError(
        f"its {type(processor).__name__} prepares images in its own way; quba-check would give pixels {gap}",
        where=spec,
        hint=f"State {STATED_KEYS} in the file of --quba-preprocessing, or {WITH_CODE}.",
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
    share = processor.get("crop_pct") or crop_share(height, resized or height)
    for crop_pct, mode in ((share, "center_floor"), (share, "squash"), (1.0, "squash")):
        yield values | {"input_size": (channels, height, width), "crop_pct": crop_pct, "crop_mode": mode}


def _difference(config: PreprocessingConfig, processor: Any, spec: str) -> float:
    """Return the largest difference of pixels, in levels of 255.

    It is infinite if the images have other sizes.
    """
    ours = preprocessing_of([config], spec=spec)
    rng = np.random.default_rng(0)
    largest = 0.0
    for height, width in _SIZES:
        image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        prepared = ours.transform(crop=True)(image)[None]
        picture = image.convert("L") if ours.is_grey else image
        with quiet(), model_errors("its image processor fails on an image:", where=spec):
            theirs = processor(picture, return_tensors="pt")["pixel_values"]
        mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (ours.mean, ours.std))
        pixels = (grey(prepared) if ours.is_grey else prepared).float()
        if pixels.shape != theirs.shape:
            return float("inf")
        largest = max(largest, float((theirs * std * 255 + mean * 255 - pixels).abs().max()))
    return largest
