"""Zero-shot models of open_clip: texts for the classes, classifier, and loading."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from timm.data import ImageNetInfo
from torch import Tensor, nn

from quba_check.core.classes import PLACE, Prompts
from quba_check.errors import ModelError, extra_needed
from quba_check.messages import listed
from quba_check.models import compute
from quba_check.models.errors import model_errors, quiet
from quba_check.models.identity.state import named_tensors, state_digest
from quba_check.models.loaded_module import LoadedModule, model_files
from quba_check.models.preprocessing.config import PreprocessingConfig
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec
from quba_check.models.zero_shot.spec import CLIP_CONFIG, FOLDER, ZeroShotSpec, zero_shot_spec
from quba_check.models.zero_shot.text_weights import cached_text_weights, text_weights

PARAMETERS = "parameters: image tower alone; text weights are fixed"
_PLAIN_TEMPLATE = f"a photo of a {PLACE}."
_SHOWN = 5
_DERIVED = ("text_weights",)
"""Buffers whose last bits may depend on the machine; the digest `texts` identifies their content."""
_CROP_MODES = {"shortest": "center", "squash": "squash", "longest": "border"}
PADDING = "images that are not square are padded with the mean colour, where open_clip pads with black"


def load_zero_shot(spec: ModelSpec, request: LoadRequest) -> LoadedModule:
    """Load an open_clip model: its image tower, and text weights for the suite's classes.

    Args:
        spec: the model.
        request: the suite's classes and prompts, the device of the text weights, and their folder.

    Raises:
        ModelError: open_clip is not installed, does not know the model, or cannot load its weights or its
            tokenizer.
    """
    with (
        quiet(),
        extra_needed(f"{spec.text}: a zero-shot model", "open_clip_torch", ModelError, extra="clip"),
    ):
        import open_clip
    zero_shot = zero_shot_spec(spec.text)
    device = compute.resolve_device(request.device, request.worker)
    files = model_files(*_files(open_clip, zero_shot))
    model, notes = _model(open_clip, zero_shot, spec, trust_pickle=request.trust_pickle)
    model.eval()
    texts, text_notes = class_prompts(request.classes, request.prompts)
    with quiet(), model_errors("its text tokenizer cannot be loaded:", where=spec.text):
        tokens: Tensor = open_clip.get_tokenizer(zero_shot.model)([text for row in texts for text in row])
        tokens = tokens.reshape(len(texts), len(texts[0]), -1)
    runtime = f"open_clip {open_clip.__version__}"
    text_tower = {
        name: tensor for name, tensor in named_tensors(model).items() if not name.startswith("visual.")
    }
    digest = state_digest(text_tower | {f"tokens of {runtime}": tokens})

    def weights_of(tokens: Tensor) -> Tensor:
        compute.pin_arithmetic(device)
        return text_weights(model.to(device), tokens, device=device)

    folder = request.cache and request.cache / "texts" / digest
    weights = cached_text_weights(folder, tokens, weights_of, request.progress)
    module = ZeroShotClassifier(model, weights, runtime=runtime, texts=digest)
    config, config_notes = config_of_open_clip(open_clip.get_model_preprocess_cfg(model))
    return LoadedModule(
        module.cpu(),
        configs=(PreprocessingConfig(config, f"open_clip's {spec.name}"),),
        notes=(PARAMETERS, *text_notes, *notes, *config_notes),
        derived=_DERIVED,
        files=files,
        libraries={"open_clip_torch": open_clip.__version__},
    )


def _files(open_clip: Any, zero_shot: ZeroShotSpec) -> tuple[Path, ...]:
    """Return the files of a model on disk.

    Names of the Hub and tags of open_clip have none here.
    """
    if zero_shot.file is not None:
        return (zero_shot.file,)
    find = getattr(open_clip.factory, "_find_checkpoint_in_dir", None)
    if not zero_shot.model.startswith(FOLDER) or find is None:
        return ()
    folder = Path(zero_shot.model.removeprefix(FOLDER))
    weights = find(folder)
    return () if weights is None else (Path(weights), folder / CLIP_CONFIG)


def _model(
    open_clip: Any, zero_shot: ZeroShotSpec, spec: ModelSpec, *, trust_pickle: bool
) -> tuple[Any, tuple[str, ...]]:
    """Return the model with its weights, and a note if the weights change its activation."""
    activation: dict[str, bool] = {}
    notes: tuple[str, ...] = ()
    if zero_shot.weights is not None and zero_shot.file is None:
        tagged = open_clip.get_pretrained_cfg(zero_shot.model, zero_shot.weights)
        own = bool((open_clip.get_model_config(zero_shot.model) or {}).get("quick_gelu", False))
        if tagged and bool(tagged.get("quick_gelu", False)) != own:
            activation = {"quick_gelu": not own}
            which = "exact GELU" if own else "QuickGELU"
            notes = (f"{spec.name} computes with {which}, as its weights were trained",)
    with (
        quiet(),
        model_errors(
            "open_clip cannot load it (without a network give open_clip:NAME/WEIGHTS_FILE):", where=spec.text
        ),
    ):
        if zero_shot.weights is None and not trust_pickle:
            _check_config(open_clip.get_model_config(zero_shot.model), spec)
        try:
            model = open_clip.create_model(
                zero_shot.model,
                pretrained=str(zero_shot.file or zero_shot.weights) if zero_shot.weights else None,
                require_pretrained=True,
                pretrained_text=False,
                weights_only=not trust_pickle,
                **activation,
            )
        except pickle.UnpicklingError as error:
            raise ModelError(
                "would run code when it is read; nothing of it was run",
                where=spec.text,
                hint="If you trust whoever made the file: --quba-trust-pickle.",
            ) from error
    return model, notes


def _check_config(config: Any, spec: ModelSpec) -> None:
    """Check that a config asks for neither remote code nor another Hub model.

    Raises:
        ModelError: it asks for one of them.
    """
    vision = config.get("vision_cfg") if isinstance(config, dict) else None
    trunk = vision.get("timm_model_name") if isinstance(vision, dict) else None
    foreign = trunk if isinstance(trunk, str) and ":" in trunk else None
    if "trust_remote_code" in json.dumps(config) or foreign:
        raise ModelError(
            f"its {CLIP_CONFIG} asks for code from elsewhere",
            where=spec.text,
            got=f"'{foreign or 'trust_remote_code'}'; nothing of it was run",
            hint="If you trust whoever made it: --quba-trust-pickle.",
        )


def class_prompts(classes: Sequence[str], prompts: Prompts) -> tuple[list[tuple[str, ...]], list[str]]:
    """Return the same number of texts for each class, and notes for the record.

    The name of a class is the one in the suite, else open_clip's name for its ImageNet synset, else the class
    itself with blanks for `_`. If the suite has no templates, ImageNet's classes get the templates published
    with CLIP, and other classes one plain template.

    Args:
        classes: the suite's classes.
        prompts: the suite's names and templates.

    Source: Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021,
    section 3.1.4, by the lists that open_clip ships.
    """
    from open_clip import IMAGENET_CLASSNAMES, OPENAI_IMAGENET_TEMPLATES

    synsets = dict(zip(ImageNetInfo().label_names(), IMAGENET_CLASSNAMES, strict=True))
    names = [prompts.names.get(label) or synsets.get(label) or label.replace("_", " ") for label in classes]
    known = {"the suite's names": prompts.names, "open_clip's names for ImageNet": synsets}
    sources = Counter(
        next((source for source, own in known.items() if label in own), "the classes' own names")
        for label in classes
    )
    if prompts.templates:
        templates = prompts.templates
        origin = f"the suite's {_counted(prompts.templates)}"
    elif all(label in synsets for label in classes):
        templates = tuple(template(PLACE) for template in OPENAI_IMAGENET_TEMPLATES)
        origin = f"open_clip's {_counted(templates)} for ImageNet"
    else:
        templates = (_PLAIN_TEMPLATE,)
        origin = f"'{_PLAIN_TEMPLATE}', as the suite's manifest has no prompts.templates"
    named = listed(f"{source} ({count})" if len(sources) > 1 else source for source, count in sources.items())
    notes = [f"zero-shot texts: {named} in {origin}"]
    shared = [name for name, times in Counter(names).items() if times > 1]
    if shared:
        notes.append(f"classes of the same name cannot be distinguished: {listed(shared, _SHOWN)}")
    texts = Prompts(templates).texts
    return [texts(name) for name in names], notes


def _counted(templates: Sequence[str]) -> str:
    return f"{len(templates)} templates" if len(templates) > 1 else "template"


class ZeroShotClassifier(nn.Module):
    """Scores of images for classes that are defined by texts.

    Its parameters are those of the image tower, including the projection; everything else is buffers. Outputs
    are logits: scale · cos(image, text) + bias. That holds for SigLIP too, which applies a sigmoid to them.

    Args:
        model: open_clip's model, with an image tower that maps images to embeddings (N, D), or to a tuple
            that begins with them.
        text_weights: (C, D), rows of length 1.
        runtime: name and version of open_clip.
        texts: digest of the text tower and its input.
    """

    fingerprint_name: ClassVar[str] = "quba_check.models.zero_shot.ZeroShotClassifier"
    text_weights: Tensor
    scale: Tensor
    bias: Tensor

    def __init__(self, model: Any, text_weights: Tensor, *, runtime: str, texts: str) -> None:
        super().__init__()
        bias = getattr(model, "logit_bias", None)
        self.image_tower = model.visual
        self.runtime = runtime
        self.texts = texts
        self.register_buffer("text_weights", text_weights)
        self.register_buffer("scale", model.logit_scale.detach().float().exp().reshape(()))
        self.register_buffer("bias", torch.zeros(()) if bias is None else bias.detach().float().reshape(()))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, C) of normalised images."""
        embedded = self.image_tower(images)
        embedded = embedded[0] if isinstance(embedded, tuple) else embedded
        # Always in float32: a factor of 100 would turn the rounding of bf16 into other answers.
        with torch.autocast(images.device.type, enabled=False):
            cosines = F.normalize(embedded.float(), dim=-1) @ self.text_weights.T
            return self.scale * cosines + self.bias


def config_of_open_clip(config: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Convert open_clip's preprocessing config to the keys of quba-check, with notes on differences.

    Args:
        config: `size`, `mean`, `std`, `interpolation`, `resize_mode`, as in open_clip.

    >>> values, _ = config_of_open_clip({"size": 224, "mean": 0.5, "std": 0.5, "resize_mode": "squash"})
    >>> values["input_size"], values["crop_mode"], values["interpolation"]
    ((3, 224, 224), 'squash', 'bicubic')
    """
    size = config["size"]
    height, width = map(int, (size, size) if isinstance(size, int) else size)
    resize_mode = config.get("resize_mode") or "shortest"
    # open_clip has two filters; for inputs that are not square it always uses bicubic.
    is_bilinear = config.get("interpolation") == "bilinear" and (height == width or resize_mode != "shortest")
    values = {
        "input_size": (3, height, width),
        "mean": _triple(config["mean"]),
        "std": _triple(config["std"]),
        "interpolation": "bilinear" if is_bilinear else "bicubic",
        "crop_pct": 1.0,
        "crop_mode": _CROP_MODES[resize_mode],
        "outputs": "logits",
    }
    return values, (PADDING,) if resize_mode == "longest" else ()


def _triple(values: Any) -> tuple[float, float, float]:
    red, green, blue = (values,) * 3 if isinstance(values, (int, float)) else values
    return float(red), float(green), float(blue)
