"""Loading of zero-shot models through open_clip."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from quba_check.errors import ModelError, extra_needed
from quba_check.models.classifier import model_errors
from quba_check.models.device import pin_arithmetic
from quba_check.models.fingerprint import named_tensors, state_digest
from quba_check.models.loaded_module import LoadedModule, quiet
from quba_check.models.model_files import model_files
from quba_check.models.preprocessing.config import PreprocessingConfig
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec
from quba_check.models.zero_shot.classifier import DERIVED, ZeroShotClassifier, config_of_open_clip
from quba_check.models.zero_shot.spec import CONFIG, FOLDER, ZeroShotSpec, zero_shot_spec
from quba_check.models.zero_shot.text_weights import cached_text_weights, text_weights

PARAMETERS = "parameters: image tower alone; text weights are fixed"


def load_zero_shot(spec: ModelSpec, request: LoadRequest, device: torch.device) -> LoadedModule:
    """Load an open_clip model: its image tower, and text weights for the suite's classes.

    Args:
        spec: the model.
        request: the suite's classes and prompts, and the folder of stored text weights.
        device: where the text weights are computed.

    Raises:
        ModelError: open_clip is not installed, does not know the model, or cannot load its weights or its
            tokenizer.
    """
    with (
        quiet(),
        extra_needed(f"{spec.text}: a zero-shot model", "open_clip_torch", ModelError, extra="clip"),
    ):
        import open_clip
    from quba_check.models.zero_shot.class_prompts import class_prompts

    zero_shot = zero_shot_spec(spec.text)
    files = model_files(*_files(open_clip, zero_shot))
    model, notes = _model(open_clip, zero_shot, spec, trust_pickle=request.trust_pickle)
    model.eval()
    texts, text_notes = class_prompts(request.classes, request.prompts)
    with quiet(), model_errors(f"{spec.text}: its text tokenizer cannot be loaded:"):
        tokens: Tensor = open_clip.get_tokenizer(zero_shot.model)([text for row in texts for text in row])
        tokens = tokens.reshape(len(texts), len(texts[0]), -1)
    runtime = f"open_clip {open_clip.__version__}"
    text_tower = {
        name: tensor for name, tensor in named_tensors(model).items() if not name.startswith("visual.")
    }
    digest = state_digest(text_tower | {f"tokens of {runtime}": tokens})

    def compute(tokens: Tensor) -> Tensor:
        pin_arithmetic(device)
        return text_weights(model.to(device), tokens, device=device)

    folder = request.cache and request.cache / "texts" / digest
    weights = cached_text_weights(folder, tokens, compute, request.progress)
    bias = getattr(model, "logit_bias", None)
    module = ZeroShotClassifier(
        model.visual,
        weights,
        scale=model.logit_scale.detach().float().exp().reshape(()),
        bias=torch.zeros(()) if bias is None else bias.detach().float().reshape(()),
        runtime=runtime,
        texts=digest,
    )
    config, config_notes = config_of_open_clip(open_clip.get_model_preprocess_cfg(model))
    return LoadedModule(
        module.cpu(),
        configs=(PreprocessingConfig(config, f"open_clip's {spec.name}"),),
        notes=(PARAMETERS, *text_notes, *notes, *config_notes),
        derived=DERIVED,
        files=files,
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
    return () if weights is None else (Path(weights), folder / CONFIG)


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
            f"{spec.text}: open_clip cannot load it (without a network give open_clip:NAME/WEIGHTS_FILE):"
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
                f"{spec.text}: would run code when it is read; nothing of it was run. "
                "If you trust whoever made the file: --quba-trust-pickle."
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
            f"{spec.text}: its {CONFIG} asks for code from elsewhere, got "
            f"'{foreign or 'trust_remote_code'}'; nothing of it was run. "
            "If you trust whoever made it: --quba-trust-pickle."
        )
